//! The processes of a sandbox, found by the mark in their environment.

use std::fmt;
use std::fs;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid, getpgrp};

/// The environment variable that holds the mark.
pub(super) const MARK: &str = "ZEO_SANDBOX";

/// A living process that bears a mark.
pub(super) struct Process {
    pid: Pid,
    command_line: String,
}

/// Every living process on the machine with this mark. Ended ones that nobody has waited for yet do not count: they
/// have no environment any more (`proc_pid_environ(5)`).
pub(super) fn marked(mark: &str) -> Vec<Process> {
    let wanted = format!("{MARK}={mark}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ended since, or that is not ours, cannot be read.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let command_line = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
            found.push(Process { pid: Pid::from_raw(pid), command_line });
        }
    }
    found.sort_by_key(|process| process.pid);
    found
}

impl Process {
    /// Kills it and its process group, in case something in there has dropped its environment.
    pub(super) fn kill_with_group(&self) {
        // It may have ended since it was found: nothing is lost when these fail, the caller looks again.
        if let Ok(group) = getpgid(Some(self.pid))
            && group != getpgrp()
        {
            let _ = killpg(group, Signal::SIGKILL);
        }
        let _ = kill(self.pid, Signal::SIGKILL);
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.command_line)
    }
}
