//! Where the records of a transaction wait for its vote: in memory while they are few, in a file beyond.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;
use crate::sys::data_file;
use crate::sys::system_error::SystemError;

/// Bytes in a [`Spool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolRange {
    start: u64,
    length: usize,
}

impl SpoolRange {
    /// How many bytes it is.
    #[must_use]
    pub fn length(self) -> usize {
        self.length
    }

    /// Itself in parts of at most `size` bytes, in order.
    pub fn chunks(self, size: usize) -> impl Iterator<Item = SpoolRange> {
        (0..self.length)
            .step_by(size.max(1))
            .map(move |at| SpoolRange { start: self.start + at as u64, length: size.min(self.length - at) })
    }
}

/// The space that transactions take before they are voted on: of the disk that the commits of all need. So there is a bound for
/// one, and one for all together, which leaves the others room to commit.
#[derive(Debug)]
pub struct SpoolSpace {
    directory: Arc<Path>,
    used: AtomicU64,
}

/// What one transaction takes of it.
#[derive(Debug)]
struct Taken {
    space: Arc<SpoolSpace>,
    bytes: u64,
}

impl SpoolSpace {
    /// That of the file system of `directory`.
    #[must_use]
    pub fn of(directory: Arc<Path>) -> Arc<Self> {
        Arc::new(Self { directory, used: AtomicU64::new(0) })
    }
}

/// Whether a transaction that has taken `own` bytes may take so many more: one may have a third of what is free without all of
/// them (it needs as much again at its vote), all together a half.
fn may_take(free: u64, used: u64, own: u64, more: u64) -> bool {
    let all = free.saturating_add(used);
    own.saturating_add(more) <= all / 3 && used.saturating_add(more) <= all / 2
}

impl Taken {
    /// # Errors
    /// There is too little space.
    fn take(&mut self, more: u64) -> io::Result<()> {
        let used = self.space.used.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        // Where the system does not say, writing shows it.
        let free = data_file::free_space(&self.space.directory).unwrap_or(u64::MAX);
        if may_take(free, used, self.bytes - more, more) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "No space left on device: before their votes one transaction may take a third of what is free, all together \
             a half; this one has {} bytes",
            self.bytes
        )))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.space.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Records one after the other; the last of them in memory, those before in the file.
#[derive(Debug, Default)]
pub struct Spool {
    taken: Option<Taken>,
    file: Option<File>,
    /// What is in the file: `memory` begins there.
    written: u64,
    memory: Vec<u8>,
}

impl Spool {
    /// Bytes that are kept in memory at most, once a record is in.
    pub const MAX_MEMORY_BYTES: usize = 256 * 1024;

    /// A spool whose file is made in this space, when it is needed.
    pub(super) fn within(space: Arc<SpoolSpace>) -> Self {
        Self { taken: Some(Taken { space, bytes: 0 }), ..Self::default() }
    }

    fn directory(&self) -> Option<Arc<Path>> {
        self.taken.as_ref().map(|taken| taken.space.directory.clone())
    }

    /// Bytes that are in memory.
    pub(super) fn memory(&self) -> usize {
        self.memory.capacity()
    }

    /// Adds a record.
    pub(super) fn append(&mut self, data: Vec<u8>) -> Result<SpoolRange, Error> {
        let length = data.len();
        let range = SpoolRange { start: self.written + self.memory.len() as u64, length };
        match self.directory() {
            Some(directory) if self.memory.len() + length > Self::MAX_MEMORY_BYTES => {
                self.spill(&directory, &data).map_err(|error| failed(&directory, error))?;
            }
            _ if self.memory.is_empty() => self.memory = data,
            _ => self.memory.extend_from_slice(&data),
        }
        Ok(range)
    }

    fn spill(&mut self, directory: &Path, data: &[u8]) -> io::Result<()> {
        if let Some(taken) = &mut self.taken {
            taken.take((self.memory.len() + data.len()) as u64)?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(data_file::unnamed(directory)?),
        };
        for part in [&self.memory, data] {
            file.write_all_at(part, self.written)?;
            self.written += part.len() as u64;
        }
        self.memory.clear();
        Ok(())
    }

    /// Appends a range to `out`.
    pub(super) fn read(&self, range: SpoolRange, out: &mut Vec<u8>) -> Result<(), Error> {
        // A record is never in both: the memory is emptied as a whole.
        if let Some(start) = range.start.checked_sub(self.written) {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let found = start.checked_add(range.length).and_then(|end| self.memory.get(start..end));
            out.extend_from_slice(found.unwrap_or_default());
            return Ok(());
        }
        let Some(file) = &self.file else { return Ok(()) };
        let before = out.len();
        out.resize(before + range.length, 0);
        let read = file.read_exact_at(&mut out[before..], range.start);
        read.map_err(|error| failed(self.directory().as_deref().unwrap_or(Path::new(".")), error))
    }
}

fn failed(directory: &Path, error: io::Error) -> Error {
    SystemError::new("keep a large transaction in", directory, error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_transaction_and_all_together_leave_room_for_others() {
        for (free, used, own, more, may) in [
            (90, 0, 0, 30, true),
            (90, 0, 0, 31, false),
            (60, 30, 30, 1, false),
            (60, 30, 0, 15, true),
            (60, 30, 0, 16, false),
            (0, 0, 0, 0, true),
            (u64::MAX, 5, 5, 1 << 40, true),
        ] {
            assert_eq!(may_take(free, used, own, more), may, "{free} {used} {own} {more}");
        }
    }

    #[test]
    fn space_is_free_again_when_a_transaction_is_given_up() {
        let place = tempfile::tempdir().unwrap();
        let space = SpoolSpace::of(place.path().into());
        let mut spool = Spool::within(space.clone());
        spool.append(vec![0; Spool::MAX_MEMORY_BYTES + 1]).unwrap();
        assert!(space.used.load(Ordering::Relaxed) > 0);
        drop(spool);
        assert_eq!(space.used.load(Ordering::Relaxed), 0);
    }
}
