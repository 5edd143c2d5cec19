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
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};

    const NAME: &str = "ZEO_TEST_ORPHANS";

    /// A shell that leads a session, and its children: one without an environment, one that leads a group, and one that
    /// leads a session. All end with this value.
    struct Family {
        leader: Child,
        start_time: u64,
        children: Vec<i32>,
    }

    impl Family {
        fn new(mark: &str) -> Self {
            let script = "env -i sleep 1000 & echo $!; set -m; sleep 1000 & echo $!; set +m\n\
                setsid sh -c 'echo $$; exec sleep 1000' & wait";
            let mut command = Command::new("setsid");
            // The shell would like a terminal for the second one, and says so.
            command.args(["sh", "-c", script]).env(NAME, mark).stderr(Stdio::null());
            let mut leader = command.stdout(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::new(leader.stdout.take().unwrap()).lines().take(3);
            let children: Vec<i32> = lines.map(|line| line.unwrap().parse().unwrap()).collect();
            // The first may not have got rid of its environment yet.
            let environment = || fs::read(format!("/proc/{}/environ", children[0])).unwrap();
            while !environment().is_empty() {
                std::thread::yield_now();
            }
            // The last may be about to become what it is, and has no mark in that instant.
            let words = || fs::read(format!("/proc/{}/cmdline", children[2])).unwrap();
            while !words().starts_with(b"sleep") {
                std::thread::yield_now();
            }
            let start_time = start_time(leader.id().cast_signed()).unwrap();
            Self { leader, start_time, children }
        }

        fn orphans(&self, mark: &str) -> OrphanScan {
            OrphanScan::new(Some(self.pid()), self.start_time, format!("{NAME}={mark}"))
        }

        fn pid(&self) -> i32 {
            self.leader.id().cast_signed()
        }

        fn end_leader(&mut self) {
            self.leader.kill().unwrap();
            self.leader.wait().unwrap();
        }
    }

    impl Drop for Family {
        fn drop(&mut self) {
            for pid in self.children.iter().copied().chain([self.pid()]) {
                let _ = process::send_signal(Receiver::Process(pid), 9);
            }
            let _ = self.leader.wait();
        }
    }

    fn pids(scan: &mut OrphanScan) -> Vec<i32> {
        Pids::of(&scan.scan()).0
    }

    #[test]
    fn all_descendants_are_found_of_which_one_bears_the_mark() {
        let mut family = Family::new("own 1");
        family.end_leader();
        let mut orphans = family.orphans("own 1");
        assert_eq!(pids(&mut orphans), family.children);
        // Then the others are known.
        signal(&[proc::find(family.children[1]).unwrap()], 9);
        while proc::find(family.children[1]).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(pids(&mut orphans), [family.children[0], family.children[2]]);
    }

    #[test]
    fn descendants_of_an_unknown_program_are_known_by_the_mark_alone() {
        let family = Family::new("own 2");
        let scan = |start_time| OrphanScan::new(None, start_time, format!("{NAME}=own 2")).scan();
        let mut found = Pids::of(&scan(family.start_time)).0;
        assert!(found.contains(&family.pid()));
        found.retain(|pid| *pid != family.pid());
        assert_eq!(found, family.children, "and by their parent");
        assert_eq!(scan(u64::MAX), []);
    }

    #[test]
    fn session_in_which_no_process_is_known_is_left_alone() {
        let mut family = Family::new("another");
        family.end_leader();
        assert!(pids(&mut family.orphans("own")).is_empty());
        family.start_time = u64::MAX;
        assert!(pids(&mut family.orphans("another")).is_empty(), "older than their ancestor");
    }

    #[test]
    fn caller_is_not_among_them() {
        let own = process::own_pid();
        let mut orphans = OrphanScan::new(Some(own), 0, String::new());
        orphans.remember();
        assert!(!pids(&mut orphans).contains(&own));
    }

    #[test]
    fn process_that_left_the_session_is_known_if_it_was_seen_before() {
        let mut family = Family::new("another");
        let mut orphans = family.orphans("own");
        orphans.remember();
        family.end_leader();
        assert_eq!(pids(&mut orphans), family.children);
    }
}
