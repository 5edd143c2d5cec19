//! The transcript: what the program writes to its stdout and stderr, appended to a file.
//!
//! The program writes into a pipe that the manager drains, so that the file can be exchanged under a running program,
//! and so that a file that cannot be written (a full disk) never blocks or ends it: bytes are then dropped and
//! counted, which is said once when it begins and once when it is over.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::sys::daemon;
use crate::sys::reason::reason;

/// How much is moved at a time: what a pipe holds on Linux (pipe(7)).
const CHUNK: usize = 64 * 1024;

/// Where the program's output goes in daemon mode.
#[derive(Debug)]
pub struct Transcript {
    path: PathBuf,
    file: File,
    pipe: File,
    /// The program's end. Kept open here too, so that a program's end is no end of file.
    input: OwnedFd,
    /// Bytes lost since the file could last be written.
    dropped: u64,
    buffer: Vec<u8>,
}

impl Transcript {
    /// Opens the file for appending and makes the pipe.
    ///
    /// # Errors
    /// The file cannot be opened; the system is out of descriptors.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Open { what: "transcript", path: path.to_owned(), source };
        let file = open(path).map_err(failed)?;
        let (read, input) = daemon::pipe().map_err(failed)?;
        daemon::never_block(&read).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            pipe: File::from(read),
            input,
            dropped: 0,
            buffer: Vec::new(),
        })
    }

    /// What the program gets as stdout and stderr.
    pub fn input(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    /// What to wait on for output to move.
    pub fn output(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Moves one chunk. Gives a message worth a line in the log: that bytes are being lost, or were.
    pub fn pump(&mut self) -> Option<String> {
        let length = self.fill().unwrap_or(0);
        let mut rest = self.buffer.get(..length).unwrap_or_default();
        let was_losing = self.dropped > 0;
        let mut failure = None;
        while !rest.is_empty() {
            match (&self.file).write(rest) {
                Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
                Ok(_) => failure = Some("Nothing could be written".to_owned()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => failure = Some(reason(&error)),
            }
            if failure.is_some() {
                break;
            }
        }
        let lost = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        self.settle(length > 0, was_losing, lost, failure)
    }

    fn settle(
        &mut self,
        moved: bool,
        was_losing: bool,
        lost: u64,
        failure: Option<String>,
    ) -> Option<String> {
        let path = self.path.display();
        match failure {
            Some(why) => {
                self.dropped = self.dropped.saturating_add(lost);
                let told =
                    format!("cannot write transcript '{path}': {why}; output of the program is dropped");
                (!was_losing).then_some(told)
            }
            None if moved && was_losing => {
                let dropped = std::mem::take(&mut self.dropped);
                Some(format!("transcript '{path}' is written again; {dropped} bytes were dropped"))
            }
            None => None,
        }
    }

    /// Reads what is in the pipe, up to a chunk. The buffer exists from the first output on.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.resize(CHUNK, 0);
        (&self.pipe).read(&mut self.buffer)
    }

    /// Moves what is left in the pipe; for the end.
    pub fn drain(&mut self) {
        // Bounded: somebody whom the program left behind may still be writing.
        for _ in 0..16 {
            match self.fill() {
                Ok(length) if length > 0 => {
                    let _ = self.file.write_all(self.buffer.get(..length).unwrap_or_default());
                }
                _ => return,
            }
        }
    }

    /// Opens the file anew by its name, after a rotation. The old one stays where that fails.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reopen(&mut self) -> Result<(), String> {
        self.file = open(&self.path).map_err(|error| {
            format!("cannot open transcript '{}': {}", self.path.display(), reason(&error))
        })?;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    // A FIFO without a reader, or a terminal, must not hold the manager up.
    OpenOptions::new().append(true).create(true).custom_flags(daemon::OPEN_WITHOUT_WAITING).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(transcript: &mut Transcript, bytes: &[u8]) -> Option<String> {
        File::from(transcript.input().try_clone_to_owned().unwrap()).write_all(bytes).unwrap();
        transcript.pump()
    }

    #[test]
    fn output_lands_in_the_file_and_after_a_reopen_in_the_new_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let mut transcript = Transcript::open(&path).unwrap();
        assert_eq!(said(&mut transcript, b"one\n"), None);
        std::fs::rename(&path, place.path().join("old")).unwrap();
        transcript.reopen().unwrap();
        assert_eq!(said(&mut transcript, b"two\n"), None);
        assert_eq!(std::fs::read(place.path().join("old")).unwrap(), b"one\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
    }

    #[test]
    fn full_disk_is_told_once_and_counted_and_its_end_too() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut transcript = Transcript::open(&path).unwrap();
        let told = said(&mut transcript, b"12345").unwrap();
        assert!(told.ends_with("No space left on device; output of the program is dropped"), "{told}");
        assert_eq!(said(&mut transcript, b"67890"), None);
        std::fs::remove_file(&path).unwrap();
        transcript.reopen().unwrap();
        let told = said(&mut transcript, b"again\n").unwrap();
        assert!(told.ends_with("is written again; 10 bytes were dropped"), "{told}");
        assert_eq!(std::fs::read(&path).unwrap(), b"again\n");
    }

    #[test]
    fn failed_reopen_keeps_the_old_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let mut transcript = Transcript::open(&path).unwrap();
        std::fs::rename(&path, place.path().join("old")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(transcript.reopen().unwrap_err().ends_with("Is a directory"));
        assert_eq!(said(&mut transcript, b"kept\n"), None);
        assert_eq!(std::fs::read(place.path().join("old")).unwrap(), b"kept\n");
    }
}
