//! Becoming a daemon: fork, session, standard descriptors, working directory, mask, user, lock files.
#![allow(unsafe_code)] // fork

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::libc;
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::waitpid;
use nix::unistd::{self, ForkResult, Pid};

use super::locked::Locked;

/// Which of the two processes one is after [`fork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that was there before; the other's process number.
    Parent(i32),
    /// The new one.
    Child,
}

/// Splits this process in two. Must be called while it has only one thread.
///
/// # Errors
/// `EAGAIN` or `ENOMEM`.
pub fn fork() -> io::Result<Side> {
    // SAFETY: the caller is single-threaded, so the child may do whatever the parent may.
    match unsafe { unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Side::Parent(child.as_raw())),
        ForkResult::Child => Ok(Side::Child),
    }
}

/// Waits for a child to end and reaps it.
pub fn wait_for(child: i32) {
    while waitpid(Pid::from_raw(child), None) == Err(Errno::EINTR) {}
}

/// Becomes the leader of a new session, without a terminal. In a process that already leads one, nothing changes.
pub fn leave_terminal() {
    let _ = unistd::setsid();
}

/// Points stdin, stdout and stderr to `/dev/null`.
///
/// # Errors
/// Where `/dev/null` cannot be opened.
pub fn null_standard_descriptors() -> io::Result<()> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    unistd::dup2_stdin(null.as_fd())?;
    unistd::dup2_stdout(null.as_fd())?;
    unistd::dup2_stderr(null.as_fd())?;
    Ok(())
}

/// Sets the mask of file modes.
pub fn set_umask(mask: u32) {
    umask(Mode::from_bits_truncate(mask));
}

/// Takes over a descriptor that the parent process left open for us; it will not be inherited further.
///
/// # Errors
/// Where the number is no open descriptor.
pub fn take_inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD on a number that may be no descriptor only fails.
    if number < 3 || unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return Err(Errno::EBADF.into());
    }
    // SAFETY: it is open, and the parent passed its number so that we own it; nothing else in this process knows it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(descriptor)
}

/// A file that one process at a time holds locked, for as long as that process lives (flock(2)).
#[derive(Debug)]
pub struct Lock(Locked);

impl Lock {
    /// Takes the lock at `path`, made when missing (mode 0600, no symbolic link followed); `None`: somebody holds it.
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
            let Some(lock) = Locked::new(file)? else { return Ok(None) };
            // A holder that ends removes the file; whoever opened it before that has locked a file without a name.
            let lock = Self(lock);
            if lock.has_name(path) {
                return Ok(Some(lock));
            }
        }
    }

    /// Goes on with a lock that this process holds by an inherited descriptor.
    ///
    /// # Errors
    /// Somebody else holds it.
    pub fn resume(descriptor: OwnedFd) -> io::Result<Self> {
        Locked::new(File::from(descriptor))?.map(Self).ok_or_else(|| Errno::EWOULDBLOCK.into())
    }

    /// Whether `path` still names the locked file.
    #[must_use]
    pub fn has_name(&self, path: &Path) -> bool {
        match (std::fs::symlink_metadata(path), self.file().metadata()) {
            (Ok(named), Ok(held)) => named.ino() == held.ino() && named.dev() == held.dev(),
            _ => false,
        }
    }

    /// The locked file.
    #[must_use]
    pub fn file(&self) -> &File {
        self.0.file()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_held_by_one_and_free_after_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let first = Lock::take(&path).unwrap();
        assert!(first.is_some());
        assert!(Lock::take(&path).unwrap().is_none());
        drop(first);
        assert!(Lock::take(&path).unwrap().is_some());
    }

    #[test]
    fn lock_follows_no_symbolic_link() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        std::os::unix::fs::symlink(place.path().join("elsewhere"), &path).unwrap();
        assert!(Lock::take(&path).is_err());
        assert!(!place.path().join("elsewhere").exists());
    }
}
