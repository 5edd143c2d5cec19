//! Becoming a daemon: fork, session, standard descriptors, mask.
#![allow(unsafe_code)] // fork

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
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
