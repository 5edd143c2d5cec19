//! Exit statuses of the four programs.
//!
//! One enum, so that a status is never a bare number. Where a program acts for an init script, the meaning is that of
//! the Linux Standard Base (LSB 5.0, "Init Script Actions"). docs/exit-status.md has each situation, and
//! `tests/exit_status.rs` tries it.

use std::process::ExitCode;

/// How a program of this package ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done (0).
    Success,
    /// It could not be done; one line on stderr says why (1).
    Failure,
    /// The command line or the configuration is wrong; nothing was done (2). LSB: invalid argument.
    Usage,
    /// `status`: the program is not running (3). LSB: program is not running.
    NotRunning,
    /// `status`: whether it runs could not be found out (4). LSB: status unknown.
    Unknown,
    /// An action of an init script that needs a running program found none (7). LSB: program is not running.
    Stopped,
    /// `status`: the daemon manager took the connection and did not answer (150). LSB 5.0 leaves 150 to 199 to
    /// applications; 4 stays for a status that cannot be known for other reasons.
    NoResponse,
    /// The status of a program that ran in the foreground or that the manager ended with; 128 + n for signal n.
    Program(u8),
}

impl Exit {
    /// The number that the parent process sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::Unknown => 4,
            Self::Stopped => 7,
            Self::NoResponse => 150,
            Self::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
