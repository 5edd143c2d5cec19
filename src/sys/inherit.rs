//! Descriptors that pass from one program to the next by exec(2).
#![allow(unsafe_code)] // numbers of descriptors that another process has left open

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;

/// Lets every program that this process starts from here on inherit `descriptor`; returns its number there.
///
/// # Errors
/// None is expected.
pub fn clear_cloexec(descriptor: impl AsFd) -> io::Result<RawFd> {
    fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(descriptor.as_fd().as_raw_fd())
}

/// Takes that back: from here on a started program does not get it.
///
/// # Errors
/// None is expected.
pub fn set_cloexec(descriptor: impl AsFd) -> io::Result<()> {
    fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
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
    set_cloexec(&descriptor)?;
    Ok(descriptor)
}

/// Closes every descriptor but the standard three and `kept`: what the starter left open (a lock, a pipe that another
/// process reads to its end) must not stay open for as long as a daemon lives.
pub fn close_inherited(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<u32> = kept.iter().map(|descriptor| descriptor.as_raw_fd().cast_unsigned()).collect();
    kept.sort_unstable();
    let mut first = 3;
    for number in kept.into_iter().chain([u32::MAX]) {
        if number > first {
            close_range(first, number - 1);
        }
        first = first.max(number.saturating_add(1));
    }
}

fn close_range(first: u32, last: u32) {
    // SAFETY: closes descriptors that nothing in this process owns, as the caller names those that are owned
    // (close_range(2), Linux 5.9; on an older kernel they stay open).
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}
