//! Watching a process that is not our child (`pidfd_open(2)`, Linux 5.3).
#![allow(unsafe_code)] // the system call has no wrapper

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc;

use super::kin;

/// A process, whoever's child; readable when it has ended.
#[derive(Debug)]
pub struct Watched(OwnedFd);

impl Watched {
    /// Watches the process that has this number now.
    ///
    /// # Errors
    /// `ESRCH`: there is none; `ENOSYS`: the kernel is too old.
    pub fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: a plain system call; what it returns is a new descriptor (close-on-exec) that nobody else knows.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let descriptor = i32::try_from(descriptor).unwrap_or(-1);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as said.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Watches the process that has this number and was born then; `None`: it has ended. From here on no other can be
    /// taken for it.
    #[must_use]
    pub fn same(pid: i32, birth: u64) -> Option<Self> {
        let watched = Self::open(pid).ok()?;
        (self::birth(pid) == Some(birth)).then_some(watched)
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

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// When a process was started, in clock ticks since the system's start, which tells it from a later one with its
/// number; `None`: it is gone, or a zombie.
#[must_use]
pub fn birth(pid: i32) -> Option<u64> {
    kin::find(pid).map(|found| found.birth)
}

/// What tells this start of the system from others (random(4), `boot_id`); empty where it is not told.
#[must_use]
pub fn boot() -> String {
    kin::told("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::{self, Interest};

    #[test]
    fn end_of_a_process_is_seen() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let watched = Watched::open(pid).unwrap();
        let wait = |limit| poll::wait(&[(watched.as_fd(), Interest::Read)], Some(limit)).unwrap();
        assert_eq!(wait(std::time::Duration::ZERO), [false]);
        let born = birth(pid).unwrap();
        assert!(Watched::same(pid, born + 1).is_none());
        Watched::same(pid, born).unwrap().signal(9).unwrap();
        assert_eq!(wait(std::time::Duration::from_secs(60)), [true]);
        assert_eq!(birth(pid), None, "a zombie is no life");
        assert!(Watched::same(pid, born).is_none());
        child.wait().unwrap();
        assert_eq!(Watched::open(pid).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }

    #[test]
    fn boot_has_a_name() {
        assert_eq!(boot().len(), 36);
    }
}
