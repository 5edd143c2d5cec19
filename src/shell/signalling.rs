//! `kill`, and the signals and requests that make logs be opened anew.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::control::repr::{Escapes, quote};
use crate::control::{Reply, Request};
use crate::exit::Exit;
use crate::sys::reason::reason;
use crate::sys::signal_names;

use super::action::Signal;
use super::unmanaged::Unmanaged;
use super::{Failure, Session};

impl Session<'_> {
    pub(super) fn kill(&mut self, signal: &Signal) -> Result<Exit, Failure> {
        match signal {
            Signal::Number(number) => self.send(*number),
            Signal::Invalid(typed) => {
                let typed = quote(typed.as_bytes(), Escapes::Characters);
                self.say(format_args!("invalid signal {typed}"))?;
                Ok(Exit::Usage)
            }
        }
    }

    /// Has the manager send a signal: it knows whether the process is still the program.
    fn send(&mut self, number: i32) -> Result<Exit, Failure> {
        let record = self.record()?;
        if record.is_none()
            && let Some(left) = self.unmanaged()
        {
            return self.send_unmanaged(&left, number);
        }
        let Some(pid) = record.as_ref().and_then(|record| record.application) else {
            self.say("daemon process not running")?;
            if record.is_none() {
                self.warn_of_unmanaged();
            }
            return Ok(Exit::Failure);
        };
        self.say(format_args!("kill({pid}, {number})"))?;
        let why_not = match self.client().ask(Request::Kill(number))?.ok_or(Failure::ManagerGone)? {
            Reply::SignalSent(_) => None,
            Reply::KillFailed { errno, reason, .. } => Some(format!("[Errno {errno}] {reason}")),
            other => Some(other.to_string()),
        };
        self.tell_sent(pid, number, why_not.as_deref())
    }

    /// Without a manager the signal comes from here.
    fn send_unmanaged(&mut self, left: &Unmanaged, number: i32) -> Result<Exit, Failure> {
        self.host.report(&Failure::Unmanaged(left.pid));
        self.say(format_args!("kill({}, {number})", left.pid))?;
        let failed = left.process.signal(number).err().map(|error| reason(&error));
        self.tell_sent(left.pid, number, failed.as_deref())
    }

    fn tell_sent(&mut self, pid: u32, number: i32, why_not: Option<&str>) -> Result<Exit, Failure> {
        if let Some(reason) = why_not {
            self.say(format_args!("Error: {reason}"))?;
            return Ok(Exit::Failure);
        }
        let name = signal_names::name(number).unwrap_or_else(|| number.to_string());
        self.say(format_args!("signal {name} sent to process {pid}"))?;
        Ok(Exit::Success)
    }

    /// Has the manager open its own files anew; false: there is no manager, which has been said.
    fn reopen_files(&mut self) -> Result<bool, Failure> {
        match self.client().ask(Request::ReopenTranscript)? {
            None => {
                self.say("daemon manager not running")?;
                Ok(false)
            }
            Some(Reply::TranscriptReopened) => Ok(true),
            Some(other) => Err(Failure::refused(Request::ReopenTranscript, &other)),
        }
    }

    pub(super) fn reopen_transcript(&mut self) -> Result<Exit, Failure> {
        Ok(if self.reopen_files()? { Exit::Success } else { Exit::Failure })
    }

    /// The manager's files, then the program's: SIGUSR2 tells it so, if it listens. To a program that does not, the signal
    /// is death.
    pub(super) fn reopen_logs(&mut self) -> Result<Exit, Failure> {
        self.reopen_files()?;
        let record = self.record()?;
        let pid = match record {
            Some(record) => record.application,
            None => self.unmanaged().map(|left| left.pid),
        };
        if let Some(pid) = pid
            && would_die_of(pid, USR2)
        {
            return Err(Failure::Unhandled(pid));
        }
        self.send(USR2)
    }
}

/// The number of SIGUSR2 on Linux, but for the MIPS, Alpha and Sparc families.
const USR2: i32 = 12;

/// Whether a process neither catches, ignores nor blocks a signal; no, where that cannot be found out (proc(5)).
fn would_die_of(pid: u32, signal: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| !is_handled(&status, signal))
}

/// Whether the signal is in one of the masks of this `/proc/PID/status`; a text without masks says nothing.
fn is_handled(status: &str, signal: i32) -> bool {
    let masks = ["SigBlk:", "SigIgn:", "SigCgt:"];
    let mut known = status.lines().filter_map(|line| {
        let digits = masks.iter().find_map(|mask| line.strip_prefix(mask))?;
        u128::from_str_radix(digits.trim(), 16).ok()
    });
    let first = known.next();
    first.is_none_or(|first| known.fold(first, |all, mask| all | mask) >> (signal - 1) & 1 == 1)
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
        let (none, usr2) = ("0000000000000000", "0000000000000800");
        assert!(!is_handled(&status(none, none, none), USR2));
        assert!(!is_handled(&status("fffffffffffff7ff", none, none), USR2));
        assert!(is_handled(&status(usr2, none, none), USR2));
        assert!(is_handled(&status(none, usr2, none), USR2));
        assert!(is_handled(&status(none, none, usr2), USR2));
        assert!(is_handled("", USR2));
    }

    #[test]
    fn usr2_has_its_number() {
        assert_eq!(signal_names::number("USR2"), Some(USR2));
    }
}
