//! Signals as data: blocked for the whole process and read from a descriptor, so that none is ever handled in the
//! middle of something, lost between fork and exec, or merged with the work of another.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

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
    /// The signal that nobody can refuse.
    pub const KILL: i32 = libc::SIGKILL;
    /// End in order.
    pub const TERM: i32 = libc::SIGTERM;
    /// Reopen logs, to a program that knows it.
    pub const USR2: i32 = libc::SIGUSR2;
}
