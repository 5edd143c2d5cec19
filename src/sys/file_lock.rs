//! Locks on whole files (flock(2)), against other processes and until the file is closed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::libc;

/// Locks a file if that is possible at once; false: another open file description has the lock.
///
/// # Errors
/// Those of flock(2): a file system that knows no locks.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A file that one process at a time holds locked, for as long as that process lives (flock(2)).
#[derive(Debug)]
pub struct NamedLock(File);

impl NamedLock {
    /// Takes the lock at `path`, made when missing (mode 0600, no symbolic link followed); `None`: another process holds it.
    ///
    /// # Errors
    /// Those of opening the file.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(path)?;
            if !try_lock(&file)? {
                return Ok(None);
            }
            // A holder that ends removes the file; a process that opened it before that has locked a file without a name.
            let lock = Self(file);
            if lock.has_name(path) {
                return Ok(Some(lock));
            }
        }
    }

    /// Goes on with a lock that this process holds by an inherited descriptor.
    ///
    /// # Errors
    /// Another process holds it.
    pub fn resume(descriptor: OwnedFd) -> io::Result<Self> {
        let file = File::from(descriptor);
        if try_lock(&file)? { Ok(Self(file)) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Whether `path` still names the locked file.
    #[must_use]
    pub fn has_name(&self, path: &Path) -> bool {
        match (fs::symlink_metadata(path), self.file().metadata()) {
            (Ok(named), Ok(held)) => named.ino() == held.ino() && named.dev() == held.dev(),
            _ => false,
        }
    }

    /// The locked file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_held_by_one_and_free_after_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let first = NamedLock::take(&path).unwrap();
        assert!(first.is_some());
        assert!(NamedLock::take(&path).unwrap().is_none());
        drop(first);
        assert!(NamedLock::take(&path).unwrap().is_some());
    }

    #[test]
    fn lock_follows_no_symbolic_link() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        std::os::unix::fs::symlink(place.path().join("elsewhere"), &path).unwrap();
        assert!(NamedLock::take(&path).is_err());
        assert!(!place.path().join("elsewhere").exists());
    }
}
