//! Terminals: how wide they are, and the modes that a program may leave behind in them.
#![allow(unsafe_code)] // the request for the size is an ioctl

use std::env;
use std::io::{self, IsTerminal};
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd as _};

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp, tcsetpgrp};

/// The width of a terminal in columns; `None`: it is no terminal, or does not know.
#[must_use]
pub fn columns(terminal: impl AsFd) -> Option<usize> {
    // SAFETY: the structure is of integers only, for which zero is a value; the kernel fills in this one and no more
    // (ioctl_tty(2), TIOCGWINSZ).
    let (failed, size) = unsafe {
        let mut size: libc::winsize = zeroed();
        (libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size), size)
    };
    (failed == 0 && size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// The modes of a terminal at some time.
#[derive(Debug, Clone)]
pub struct Modes(Termios);

impl Modes {
    /// The modes of now; `None`: it is no terminal.
    #[must_use]
    pub fn of(terminal: impl AsFd) -> Option<Self> {
        tcgetattr(terminal).ok().map(Self)
    }

    /// Gives the terminal back to this process, and these modes to the terminal: a program that was killed in the middle
    /// of something leaves neither as it was.
    ///
    /// # Errors
    /// The terminal has gone.
    pub fn restore(&self, terminal: impl AsFd) -> io::Result<()> {
        // A background process that tries is stopped (termios(3)), unless it blocks the signal.
        let blocked = SigSet::from(Signal::SIGTTOU);
        blocked.thread_block()?;
        let own = getpgrp();
        let mut done = match tcgetpgrp(&terminal) {
            Ok(front) if front != own => tcsetpgrp(&terminal, own),
            _ => Ok(()),
        };
        done = done.and_then(|()| tcsetattr(&terminal, SetArg::TCSADRAIN, &self.0));
        blocked.thread_unblock()?;
        done.map_err(io::Error::from)
    }
}

/// Whether the terminal only prints, by its name.
#[must_use]
pub fn is_dumb() -> bool {
    env::var_os("TERM")
        .is_none_or(|name| name.is_empty() || name == "dumb" || name == "emacs" || name == "cons25")
}

/// Whether an output may have colours: it is a terminal that can have them, and `NO_COLOR` is not set (no-color.org).
#[must_use]
pub fn may_have_colours(output: &impl IsTerminal) -> bool {
    output.is_terminal() && !is_dumb() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_has_neither_width_nor_modes() {
        let (reader, _writer) = io::pipe().unwrap();
        assert_eq!(columns(&reader), None);
        assert!(Modes::of(&reader).is_none());
    }

    #[test]
    fn width_is_that_of_the_window() {
        let size = libc::winsize { ws_row: 5, ws_col: 20, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = nix::pty::openpty(Some(&size), None).unwrap();
        assert_eq!(columns(&pair.slave), Some(20));
        let pair = nix::pty::openpty(None, None).unwrap();
        assert_eq!(columns(&pair.slave), None);
    }
}
