//! Becoming a daemon: fork, session, standard descriptors, mask, inherited descriptors.
#![allow(unsafe_code)] // fork

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::libc;
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::waitpid;
use nix::unistd::{self, ForkResult, Pid};

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
