//! The part of a data file that is in memory while it is read from front to back, in large steps.

use std::path::Path;

use super::disk::Disk;
use super::snapshot::failed;
use crate::storage::{Error, Wait};

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// A data file, and the bytes of it that are in memory.
pub(super) struct Window<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) path: &'a Path,
    /// The length of the file.
    pub(super) size: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    /// The first `size` bytes of a file; none of them is in memory yet.
    pub(super) fn new(disk: &'a dyn Disk, path: &'a Path, size: u64) -> Self {
        Self { disk, path, size, start: 0, bytes: Vec::new() }
    }

    /// The bytes at a position; `None`: the file ends before the last of them.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn chunk<const N: usize>(&mut self, at: u64) -> Result<Option<&[u8; N]>, Error> {
        Ok(self.from(at, N)?.first_chunk())
    }

    /// The bytes from a position on that are in memory: at least so many, where the file has them.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn from(&mut self, at: u64, least: usize) -> Result<&[u8], Error> {
        let end = self.start + self.bytes.len() as u64;
        if at < self.start || at.saturating_add(least as u64) > end {
            self.fill(at)?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..).unwrap_or_default())
    }

    fn fill(&mut self, at: u64) -> Result<(), Error> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        self.bytes.resize(left.min(READ_BYTES), 0);
        self.start = at;
        let count = self.disk.read(&mut self.bytes, at, Wait::Allowed);
        let count = count.map_err(|error| failed("read", self.path, error))?;
        self.bytes.truncate(count);
        Ok(())
    }
}
