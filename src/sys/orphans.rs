//! Finds what a program left running that was started as the leader of a session and has ended.
//!
//! Its descendants are found by a mark, a variable in the environment that it was given and that they have inherited; by
//! its session, as far as a process with the mark is in it (so its id has not been given to another session since); and
//! by their parents. What a daemon manager of its own started is never among them ([`has_other_manager`]).

use std::collections::HashSet;
use std::{fmt, io};

use super::pidfd::PidFd;
use super::proc::{self, ProcessInfo, start_time};
use super::process::{self, Receiver};

/// In the environment of the manager that a `zdctl` of Python's zdaemon starts (ZDPROTO section 3.5).
const PYTHON_MANAGER: &[u8] = b"DAEMON_MANAGER_MODE=";
/// The file of the manager of older ones, which Python runs.
const PYTHON_MANAGER_FILE: &[u8] = b"zdrun.py";

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
    /// later ([`ProcessInfo::start_time`]). `mark`: as for [`bears_mark`].
    #[must_use]
    pub fn new(leader: Option<i32>, start_time: u64, mark: String) -> Self {
        Self { leader, start_time, mark, known: Vec::new() }
    }

    /// Remembers what descends from the program, which is still there and about to end.
    pub fn remember(&mut self) {
        self.known =
            proc::descendants(self.leader, &proc::all(), |found| has_other_manager(found, &self.mark));
    }

    /// Looks for them, the program itself apart; what is found is known from then on. Never returns the caller or its
    /// ancestors, nor what has a manager of its own.
    pub fn scan(&mut self) -> Vec<ProcessInfo> {
        let mut all = proc::all();
        let own = proc::ancestors(process::own_pid(), &all);
        all.retain(|process| process.start_time >= self.start_time && Some(process.pid) != self.leader);
        let name = |process: &ProcessInfo| (process.pid, process.start_time);
        let known: HashSet<_> = self.known.iter().map(name).collect();
        let is_apart = |process: &ProcessInfo| has_other_manager(process, &self.mark);
        let is_known = |process: &ProcessInfo| {
            (known.contains(&name(process)) || bears_mark(process.pid, &self.mark)) && !is_apart(process)
        };
        let (mut found, others): (Vec<_>, Vec<_>) = all.iter().copied().partition(is_known);
        let in_session = |process: &ProcessInfo| Some(process.session) == self.leader;
        if found.iter().any(in_session) {
            found.extend(others.into_iter().filter(in_session));
        }
        found.extend(proc::descendants(Pids::of(&found).0, &all, is_apart));
        found.sort_unstable_by_key(|process| process.pid);
        found.retain(|process| !own.contains(&process.pid));
        self.known.clone_from(&found);
        found
    }
}

/// Whether a process has inherited `mark`, `NAME=VALUE`: a variable whose value is that, or a list with commas that has it.
#[must_use]
pub fn bears_mark(pid: i32, mark: &str) -> bool {
    values(pid, mark).is_some_and(|found| found.iter().any(|value| mark.as_bytes().ends_with(value)))
}

/// The values of the variable that `mark` names, in a process; `None`: it has none.
fn values(pid: i32, mark: &str) -> Option<Vec<Vec<u8>>> {
    let name = mark.split_once('=')?.0;
    let found = proc::texts(pid, "environ")
        .into_iter()
        .find_map(|variable| Some(variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec()))?;
    let equal = |value: &[u8]| [b"=", value].concat();
    Some(found.split(|byte| *byte == b',').map(equal).collect())
}

/// Whether a process leads a session that a daemon manager, other than that of the programs with `mark`, has begun for
/// itself or for its program. It and what descends from it are that manager's, even where it has been killed: its next one
/// adopts the program.
#[must_use]
pub fn has_other_manager(process: &ProcessInfo, mark: &str) -> bool {
    let pid = process.pid;
    if process.session != pid {
        return false;
    }
    let is_python_manager = || {
        proc::texts(pid, "environ").iter().any(|variable| variable.starts_with(PYTHON_MANAGER))
            || proc::texts(pid, "cmdline").iter().take(4).any(|word| word.ends_with(PYTHON_MANAGER_FILE))
    };
    process.is_manager || values(pid, mark).is_some() && !bears_mark(pid, mark) || is_python_manager()
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
