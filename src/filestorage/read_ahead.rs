//! Reading a data file from front to back in large steps.

use std::io;
use std::sync::{Arc, Mutex};

use super::disk::Disk;
use super::snapshot::Snapshot;
use crate::storage::{Wait, lock};

/// Bytes that are read at once of a whole file.
const READ_BYTES: usize = 1 << 20;

/// The same file, for someone that reads it from front to back.
pub(super) fn ahead(source: &Snapshot) -> Snapshot {
    ahead_by(source, READ_BYTES)
}

/// The same file, of which so many bytes are read at once.
pub(super) fn ahead_by(source: &Snapshot, bytes: usize) -> Snapshot {
    let window = Mutex::new(Window::default());
    Snapshot {
        disk: Arc::new(ReadAhead { disk: source.disk.clone(), step: bytes, window }),
        ..source.clone()
    }
}

struct ReadAhead {
    disk: Arc<dyn Disk>,
    step: usize,
    window: Mutex<Window>,
}

/// The part of the file that is in memory.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn part(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..)?.get(..length)
    }
}

impl Disk for ReadAhead {
    fn read(&self, bytes: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        if bytes.len() > self.step / 4 {
            return self.disk.read(bytes, offset, wait);
        }
        let mut window = lock(&self.window);
        if window.part(offset, bytes.len()).is_none() {
            window.start = offset;
            window.bytes.resize(self.step, 0);
            let count = self.disk.read(&mut window.bytes, offset, wait);
            // After an error nothing of it is known.
            window.bytes.truncate(*count.as_ref().unwrap_or(&0));
            count?;
        }
        let count = bytes.len().min(window.bytes.len());
        let part = window.part(offset, count).unwrap_or_default();
        bytes[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.write(bytes, offset)
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<bool> {
        self.disk.reserve(offset, length)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.length()
    }

    fn check_name(&self) -> io::Result<()> {
        self.disk.check_name()
    }

    fn unlock(&self) {
        self.disk.unlock();
    }
}
