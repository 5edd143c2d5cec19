//! The new data file while it is written.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::super::disk::Disk;
use super::super::format::MAGIC;
use super::super::snapshot::{Snapshot, failed};
use crate::storage::Error;

/// Bytes that are collected for one write.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes after which they are brought to the disk: the fsync of a commit must not wait for gigabytes of another file.
const SYNC_BYTES: u64 = 16 << 20;

/// A file that grows at its end.
pub(super) struct Output {
    disk: Arc<dyn Disk>,
    path: Arc<Path>,
    /// Where the collected bytes belong.
    at: u64,
    bytes: Vec<u8>,
    synced: u64,
}

impl Output {
    /// An empty data file, with the first bytes of the old one.
    pub(super) fn new(disk: Arc<dyn Disk>, path: Arc<Path>, magic: [u8; MAGIC.len()]) -> Self {
        let mut bytes = Vec::with_capacity(WRITE_BYTES);
        bytes.extend_from_slice(&magic);
        Self { disk, path, at: 0, bytes, synced: 0 }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    pub(super) fn put(&mut self, part: &[u8]) -> Result<(), Error> {
        if self.bytes.len() + part.len() > WRITE_BYTES {
            self.flush()?;
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    /// Adds a part of another file.
    pub(super) fn copy(&mut self, source: &Snapshot, mut from: u64, mut length: u64) -> Result<(), Error> {
        while length > 0 {
            if self.bytes.len() >= WRITE_BYTES {
                self.flush()?;
            }
            let before = self.bytes.len();
            let step = usize::try_from(length).unwrap_or(usize::MAX).min(WRITE_BYTES - before);
            self.bytes.resize(before + step, 0);
            source.exactly(&mut self.bytes[before..], from)?;
            from += step as u64;
            length -= step as u64;
        }
        Ok(())
    }

    /// Changes what is there.
    pub(super) fn patch(&mut self, at: u64, part: &[u8]) -> Result<(), Error> {
        if at < self.at {
            // What is not in memory as a whole.
            self.flush()?;
            return self.disk.write(part, at).map_err(|error| self.failed(error));
        }
        let from = usize::try_from(at - self.at).unwrap_or(usize::MAX);
        if let Some(there) = self.bytes.get_mut(from..).and_then(|rest| rest.get_mut(..part.len())) {
            there.copy_from_slice(part);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.disk.write(&self.bytes, self.at).map_err(|error| self.failed(error))?;
        self.at = self.position();
        self.bytes.clear();
        if self.at - self.synced >= SYNC_BYTES {
            self.disk.sync().map_err(|error| self.failed(error))?;
            self.synced = self.at;
        }
        Ok(())
    }

    /// Returns when all of it would survive a power failure.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.disk.sync().map_err(|error| self.failed(error))?;
        self.synced = self.at;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        failed("write the new file of a pack of", &self.path, error)
    }
}
