//! Locks on whole files, against other processes: flock(2), until the file is closed by all that have it open, and a claim
//! (fcntl(2), "Advisory record locking"), which belongs to one process, also as the next program that this executes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::inherit::clear_cloexec;

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

/// Claims a file for this process: until it ends, also beyond exec(2), or closes any descriptor of the file. A process that
/// it starts has no part in the claim, whatever it inherits. False: another process has it.
///
/// # Errors
/// Those of fcntl(2): a file system that knows no locks.
pub fn claim(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_SETLK(&whole_file())) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether another process has claimed the file.
#[must_use]
pub fn is_claimed(file: &File) -> bool {
    let mut found = whole_file();
    // A file system without locks has no claims.
    fcntl(file, FcntlArg::F_GETLK(&mut found)).is_ok() && i32::from(found.l_type) != libc::F_UNLCK
}

/// A lock for writing on all of a file.
fn whole_file() -> libc::flock {
    // The constants are small numbers, in types that differ between the architectures.
    let [l_type, l_whence] = [libc::F_WRLCK, libc::SEEK_SET].map(|number| i16::try_from(number).unwrap_or(0));
    libc::flock { l_type, l_whence, l_start: 0, l_len: 0, l_pid: 0 }
}

/// A file that one process at a time holds locked, for as long as that process lives (flock(2)).
#[derive(Debug)]
pub struct NamedLock(File);

impl NamedLock {
    /// Takes the lock at `path`, made when missing (mode 0600, no symbolic link followed); `None`: another process holds it,
    /// or has claimed it.
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
            if !try_lock(&file)? || is_claimed(&file) {
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

    /// Claims the file too, so that others see that a program runs in place of a manager. Where this process is to become
    /// that program (`becomes`), the file stays open and the claim alone holds it: what the program starts would share the lock.
    ///
    /// # Errors
    /// A file system without such locks.
    pub fn claim(&self, becomes: bool) -> io::Result<()> {
        if !claim(self.file())? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if becomes {
            clear_cloexec(self.file())?;
            self.file().unlock()?;
        }
        Ok(())
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
