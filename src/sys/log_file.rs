//! Opening and locking files that are appended to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::file_lock::try_lock;

/// Never waits for the other end of a FIFO or for a line to be connected, and never makes a terminal ours (open(2)).
fn nonblocking() -> i32 {
    (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()
}

/// Opens a file to append to, made with mode 0666 less the umask when it is missing; close-on-exec.
///
/// # Errors
/// Those of open(2); a FIFO without a reader is ENXIO.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o666).custom_flags(nonblocking()).open(path)
}

/// Opens an existing file to read from; close-on-exec.
///
/// # Errors
/// Those of open(2).
pub fn read(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nonblocking()).open(path)
}

/// A lock on a file, held against all other processes until dropped.
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Where the file system knows no locks there is none to let go of.
        let _ = self.0.unlock();
    }
}

/// Locks a file if that is possible at once: `None` when another process has it, or no descriptor is left. Where the file
/// system knows no locks there is nothing to wait for.
#[must_use]
pub fn lock(file: &File) -> Option<Lock> {
    let file = file.try_clone().ok()?;
    try_lock(&file).unwrap_or(true).then_some(Lock(file))
}

/// Whether a file could not be opened for appending because it is a FIFO without a reader, which may come later.
#[must_use]
pub fn lacks_reader(path: &Path, error: &io::Error) -> bool {
    let fifo = || std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    error.raw_os_error() == Some(Errno::ENXIO as i32) && fifo()
}

/// Makes a FIFO that only its owner may use.
#[cfg(test)]
pub(crate) fn make_fifo(path: &Path) -> io::Result<()> {
    Ok(nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lock_is_held_until_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (one, other) = (append(&path).unwrap(), append(&path).unwrap());
        let held = lock(&one);
        assert!(held.is_some());
        assert!(lock(&other).is_none());
        drop(held);
        assert!(lock(&other).is_some());
    }

    #[test]
    fn fifo_without_a_reader_does_not_block() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        make_fifo(&path).unwrap();
        let error = append(&path).unwrap_err();
        assert!(lacks_reader(&path, &error), "{error}");
        let _reader = read(&path).unwrap();
        append(&path).unwrap();
    }

    #[test]
    fn file_is_appended_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "a").unwrap();
        io::Write::write_all(&mut append(&path).unwrap(), b"b").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "ab");
        assert!(!lacks_reader(&path, &append(&path.join("c")).unwrap_err()));
    }
}
