//! Finds what a program left running that was started as the leader of a session and has ended.
//!
//! Its descendants are found by a mark, a variable in the environment that it was given and that they have inherited; by
//! its session, as far as a process with the mark is in it (so its id has not been given to another session since); and
//! by their parents.

use std::collections::HashSet;
use std::{fmt, fs, io};

use super::pidfd::PidFd;
use super::proc::{self, ProcessInfo, start_time};
use super::process::{self, Receiver};

/// The descendants of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanScan {
    /// The program; absent: it is not known.
    leader: Option<i32>,
    start_time: u64,
    mark: String,
    known: Vec<ProcessInfo>,
}

/// The ids of processes; as text `pids=1,2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pids(pub Vec<i32>);

impl Pids {
    /// Those of these processes.
    #[must_use]
    pub fn of(processes: &[ProcessInfo]) -> Self {
        Self(processes.iter().map(|process| process.pid).collect())
    }
}

impl fmt::Display for Pids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pids: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "pids={}", pids.join(","))
    }
}

impl OrphanScan {
    /// Looks for what descends from `leader`; `None`: from any program with the mark. They were started at `start_time` or
    /// later ([`ProcessInfo::start_time`]). `mark`: a variable of the program's environment, `NAME=VALUE`.
    #[must_use]
    pub fn new(leader: Option<i32>, start_time: u64, mark: String) -> Self {
        Self { leader, start_time, mark, known: Vec::new() }
    }

    /// Remembers what descends from the program, which is still there and about to end.
    pub fn remember(&mut self) {
        self.known = proc::descendants(self.leader, &proc::all());
    }

    /// Looks for them, the program itself apart; what is found is known from then on. Never returns the caller or its
    /// ancestors, nor what has a manager of its own.
    pub fn scan(&mut self) -> Vec<ProcessInfo> {
        let mut all = proc::all();
        let own = proc::ancestors(process::own_pid(), &all);
        all.retain(|process| process.start_time >= self.start_time && Some(process.pid) != self.leader);
        let name = |process: &ProcessInfo| (process.pid, process.start_time);
        let known: HashSet<_> = self.known.iter().map(name).collect();
        let is_known = |process: &ProcessInfo| {
            !process.is_manager && (known.contains(&name(process)) || self.bears_mark(process.pid))
        };
        let (mut found, others): (Vec<_>, Vec<_>) = all.iter().copied().partition(is_known);
        let in_session = |process: &ProcessInfo| Some(process.session) == self.leader;
        if found.iter().any(in_session) {
            found.extend(others.into_iter().filter(in_session));
        }
        found.extend(proc::descendants(Pids::of(&found).0, &all));
        found.sort_unstable_by_key(|process| process.pid);
        found.retain(|process| !own.contains(&process.pid));
        self.known.clone_from(&found);
        found
    }

    fn bears_mark(&self, pid: i32) -> bool {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == self.mark.as_bytes()))
    }
}

/// Sends a signal to those of `receivers` that have not ended since they were found.
pub fn signal(receivers: &[ProcessInfo], number: i32) {
    for receiver in receivers {
        let is_same = || start_time(receiver.pid) == Some(receiver.start_time);
        // One that has ended by now was to end.
        let _ = match PidFd::open(receiver.pid) {
            Ok(pidfd) if is_same() => pidfd.signal(number),
            // A kernel that knows no pidfd.
            Err(error) if error.kind() == io::ErrorKind::Unsupported && is_same() => {
                process::send_signal(Receiver::Process(receiver.pid), number)
            }
            _ => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_is_not_among_them() {
        let own = process::own_pid();
        let mut orphans = OrphanScan::new(Some(own), 0, String::new());
        orphans.remember();
        assert!(!Pids::of(&orphans.scan()).0.contains(&own));
    }
}
