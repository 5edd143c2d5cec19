//! Watching a process that is not our child (`pidfd_open(2)`, Linux 5.3).
#![allow(unsafe_code)] // the system call has no wrapper

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc;

use super::proc::start_time;

/// A process, child or not; readable when it has ended.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Opens the process that has this id now.
    ///
    /// # Errors
    /// `ESRCH`: there is none; `ENOSYS`: the kernel is too old.
    pub fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: a plain system call; what it returns is a new descriptor (close-on-exec) that nothing else knows.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let descriptor = i32::try_from(descriptor).unwrap_or(-1);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as said.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Opens the process that has this id and was started then; `None`: it has ended. From here on no other can be
    /// taken for it.
    #[must_use]
    pub fn same(pid: i32, started: u64) -> Option<Self> {
        let found = Self::open(pid).ok()?;
        (start_time(pid) == Some(started)).then_some(found)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// `ESRCH`: it has ended; `EPERM`; `EINVAL`: no such signal.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: an open descriptor, no further information, no flags (pidfd_send_signal(2), Linux 5.1).
        let done = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), number, none, 0) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::{self, Interest};

    #[test]
    fn end_of_a_process_is_seen() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let pidfd = PidFd::open(pid).unwrap();
        let wait = |limit| poll::wait(&[(pidfd.as_fd(), Interest::Read)], Some(limit)).unwrap();
        assert_eq!(wait(std::time::Duration::ZERO), [false]);
        let started = start_time(pid).unwrap();
        assert!(PidFd::same(pid, started + 1).is_none());
        PidFd::same(pid, started).unwrap().signal(9).unwrap();
        assert_eq!(wait(std::time::Duration::from_secs(60)), [true]);
        assert_eq!(start_time(pid), None, "a zombie is no life");
        assert!(PidFd::same(pid, started).is_none());
        child.wait().unwrap();
        assert_eq!(PidFd::open(pid).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}
