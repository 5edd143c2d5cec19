//! Where the records of a transaction wait for its vote: in memory while they are few, in a file beyond.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

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

/// Records one after the other; the last of them in memory, those before in the file.
#[derive(Debug, Default)]
pub struct Spool {
    directory: Option<Arc<Path>>,
    file: Option<File>,
    /// What is in the file: `memory` begins there.
    written: u64,
    memory: Vec<u8>,
}

impl Spool {
    /// Bytes that are kept in memory at most, once a record is in.
    pub const MAX_MEMORY_BYTES: usize = 256 * 1024;

    /// A spool whose file is made on the file system of `directory`, when it is needed.
    pub(super) fn beside(directory: Arc<Path>) -> Self {
        Self { directory: Some(directory), ..Self::default() }
    }

    /// Bytes that are in memory.
    pub(super) fn memory(&self) -> usize {
        self.memory.capacity()
    }

    /// Adds a record.
    pub(super) fn append(&mut self, data: Vec<u8>) -> Result<SpoolRange, Error> {
        let length = data.len();
        let range = SpoolRange { start: self.written + self.memory.len() as u64, length };
        match self.directory.clone() {
            Some(directory) if self.memory.len() + length > Self::MAX_MEMORY_BYTES => {
                self.spill(&directory, &data).map_err(|error| failed(&directory, error))?;
            }
            _ if self.memory.is_empty() => self.memory = data,
            _ => self.memory.extend_from_slice(&data),
        }
        Ok(range)
    }

    fn spill(&mut self, directory: &Path, data: &[u8]) -> io::Result<()> {
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
        read.map_err(|error| failed(self.directory.as_deref().unwrap_or(Path::new(".")), error))
    }
}

fn failed(directory: &Path, error: io::Error) -> Error {
    SystemError::new("keep a large transaction in", directory, error).into()
}
