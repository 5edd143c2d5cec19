//! Signals as data: blocked for the whole process and read from a descriptor, so that none is ever handled in the
//! middle of something, lost between fork and exec, or merged with the work of another.

use std::os::fd::{AsFd, BorrowedFd};
use std::{fs, io};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that a daemon manager acts on; all others keep their default action or are ignored.
const WANTED: &[Signal] = &[
    Signal::SIGCHLD,
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGWINCH,
    // A file that reached the limit of its size (setrlimit(2)) is then an error of that write, not our end.
    Signal::SIGXFSZ,
];

/// The signals blocked for this process, waiting to be read.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the wanted signals and opens the descriptor to read them from. From here on none of them ends or
    /// interrupts this process. (Started programs begin with an empty mask: [`crate::sys::spawn::start`].)
    ///
    /// # Errors
    /// Where the system is out of descriptors.
    pub fn block() -> io::Result<Self> {
        Self::block_these(WANTED)
    }

    /// As [`Signals::block`], for a server that starts no programs: what ends it, what reopens its logs, and SIGXFSZ.
    /// Before the first thread, so that all have the mask.
    ///
    /// # Errors
    /// As [`Signals::block`].
    pub fn block_for_server() -> io::Result<Self> {
        Self::block_these(&[
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
            Signal::SIGUSR2,
            Signal::SIGXFSZ,
        ])
    }

    fn block_these(wanted: &[Signal]) -> io::Result<Self> {
        let mask: SigSet = wanted.iter().copied().collect();
        mask.thread_block()?;
        Ok(Self(SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    /// The next pending signal, by number; `None` when none is left.
    ///
    /// # Errors
    /// None is expected.
    pub fn next(&self) -> io::Result<Option<i32>> {
        loop {
            match self.0.read_signal() {
                Ok(found) => return Ok(found.map(|info| info.ssi_signo.cast_signed())),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether a process catches, ignores or blocks a signal; yes, where that cannot be found out (proc(5),
/// `/proc/PID/status`).
#[must_use]
pub fn is_handled(pid: u32, signal: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).map_or(true, |status| is_in_masks(&status, signal))
}

/// Whether the signal is in one of the masks of this `/proc/PID/status`; a text without masks says nothing.
fn is_in_masks(status: &str, signal: i32) -> bool {
    let masks = ["SigBlk:", "SigIgn:", "SigCgt:"];
    let mut known = status.lines().filter_map(|line| {
        let digits = masks.iter().find_map(|mask| line.strip_prefix(mask))?;
        u128::from_str_radix(digits.trim(), 16).ok()
    });
    let first = known.next();
    first.is_none_or(|first| known.fold(first, |all, mask| all | mask) >> (signal - 1) & 1 == 1)
}

/// Numbers of the signals that have a meaning for a manager.
pub mod number {
    use nix::libc;
    /// A child has ended.
    pub const CHLD: i32 = libc::SIGCHLD;
    /// Go on after a stop.
    pub const CONT: i32 = libc::SIGCONT;
    /// Reopen logs.
    pub const HUP: i32 = libc::SIGHUP;
    /// ^C.
    pub const INT: i32 = libc::SIGINT;
    /// The signal that no process can refuse.
    pub const KILL: i32 = libc::SIGKILL;
    /// End in order.
    pub const TERM: i32 = libc::SIGTERM;
    /// Reopen logs, to a program that knows it.
    pub const USR2: i32 = libc::SIGUSR2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_handled_that_is_in_any_mask() {
        let status = |block: &str, ignore: &str, catch: &str| {
            format!(
                "Name:\tx\nSigPnd:\t0000000000000800\nSigBlk:\t{block}\nSigIgn:\t{ignore}\nSigCgt:\t{catch}\n"
            )
        };
        // Bit 11, from 0, on the architectures that number SIGUSR2 so.
        let (none, twelfth) = ("0000000000000000", "0000000000000800");
        assert!(!is_in_masks(&status(none, none, none), 12));
        assert!(!is_in_masks(&status("fffffffffffff7ff", none, none), 12));
        assert!(is_in_masks(&status(twelfth, none, none), 12));
        assert!(is_in_masks(&status(none, twelfth, none), 12));
        assert!(is_in_masks(&status(none, none, twelfth), 12));
        assert!(is_in_masks("", 12));
    }
}
