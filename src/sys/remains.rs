//! What a process has left behind that was started as the leader of a session and has ended: everybody who descends from
//! it, as far as the system still tells.
//!
//! Who descends is found by three things. The session: nobody enters one but by birth, and its number is not given away
//! while anybody is in it. A mark, a variable in the environment that the process was given and handed down. And the
//! parents of those who are there. A number alone proves nothing: once a session is empty its number may be another
//! process's, and then another session's, whose leader may have ended in its turn. So the session counts only where
//! somebody in it bears the mark or is known already, or where the leader's own zombie is there. Otherwise it is in doubt.

use std::collections::HashSet;
use std::{fmt, fs, io};

use super::kin::{self, Living};
use super::pidfd::{Watched, birth};
use super::process::{self, Receiver};

/// A number that no process and no session has.
const NOBODY: i32 = -1;

/// A process that was the leader of a session, and those who descend from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    leader: i32,
    born: u64,
    /// The variable and its value, as in an environment.
    mark: String,
    known: Vec<Living>,
}

/// Who is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Descendants.
    pub sure: Vec<Living>,
    /// Processes that may be.
    pub doubtful: Vec<Living>,
}

/// The numbers of processes; as text `pids=1,2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers(pub Vec<i32>);

impl Numbers {
    /// Those of these.
    #[must_use]
    pub fn of(processes: &[Living]) -> Self {
        Self(processes.iter().map(|process| process.pid).collect())
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "pids={}", numbers.join(","))
    }
}

impl Remains {
    /// Those of the process that had this number and was born then, in clock ticks since the system's start. It had
    /// `mark`, `NAME=VALUE`, in its environment; `None`: it had none.
    #[must_use]
    pub fn of(leader: i32, born: u64, mark: Option<String>) -> Self {
        Self { leader, born, mark: mark.unwrap_or_default(), known: Vec::new() }
    }

    /// Those who were born since then, whoever their ancestor was, and have `mark` in their environment.
    #[must_use]
    pub fn of_unknown(born: u64, mark: Option<String>) -> Self {
        Self::of(NOBODY, born, mark)
    }

    /// The process, which lives still, is about to end; whoever is below it now is known from now on.
    pub fn remember(&mut self) {
        self.known = kin::below(self.leader, &kin::living());
    }

    /// Looks for them, the process itself apart. Those who are found are known from then on. This process is never among
    /// them, nor is anybody above it: who asks for the end of others does not mean himself.
    pub fn look(&mut self) -> Found {
        let mut all = kin::living();
        let asking = kin::above(process::own_pid(), &all);
        // Descendants are younger.
        all.retain(|process| process.birth >= self.born && process.pid != self.leader);
        let name = |process: &Living| (process.pid, process.birth);
        let known: HashSet<_> = self.known.iter().map(name).collect();
        let (mut sure, others): (Vec<Living>, Vec<Living>) = all
            .iter()
            .copied()
            .partition(|process| known.contains(&name(process)) || self.bears_mark(process.pid));
        let in_session = |process: &&Living| process.session == self.leader;
        let members: Vec<Living> = others.iter().filter(in_session).copied().collect();
        let (session, mut doubtful) = match self.session(sure.iter().any(|one| in_session(&one))) {
            Session::Ours => (members, Vec::new()),
            Session::Other => (Vec::new(), Vec::new()),
            Session::Unknown => (Vec::new(), members),
        };
        sure.extend(session);
        sure.extend(kin::below_any(Numbers::of(&sure).0, &all));
        sure.sort_unstable_by_key(|process| process.pid);
        sure.retain(|process| !asking.contains(&process.pid));
        // What is not ours to signal is somebody else's.
        let signalled = |pid| process::send_signal(Receiver::Process(pid), 0).is_ok();
        doubtful.retain(|process| !asking.contains(&process.pid) && signalled(process.pid));
        self.known.clone_from(&sure);
        Found { sure, doubtful }
    }

    /// Sends a signal to those of `receivers` who are still who they were.
    pub fn signal(receivers: &[Living], number: i32) {
        for Living { pid, birth, .. } in receivers.iter().copied() {
            let is_same = || self::birth(pid) == Some(birth);
            // One that has ended by now was to end.
            let _ = match Watched::open(pid) {
                Ok(watched) if is_same() => watched.signal(number),
                // A kernel that knows no better.
                Err(error) if error.kind() == io::ErrorKind::Unsupported && is_same() => {
                    process::send_signal(Receiver::Process(pid), number)
                }
                _ => Ok(()),
            };
        }
    }

    fn session(&self, has_sure_member: bool) -> Session {
        match kin::birth_of_any(self.leader) {
            Some(birth) if birth != self.born => Session::Other,
            // The first of all processes that can be seen from here is younger: then the number was one of elsewhere, such
            // as a container that is gone.
            _ if birth(1).is_some_and(|first| first > self.born) => Session::Other,
            None if !has_sure_member => Session::Unknown,
            _ => Session::Ours,
        }
    }

    fn bears_mark(&self, pid: i32) -> bool {
        !self.mark.is_empty()
            && fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == self.mark.as_bytes()))
    }
}

/// Whose the session with the process's number is.
enum Session {
    /// The process's.
    Ours,
    /// Somebody else's.
    Other,
    /// One of the two.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};

    const NAME: &str = "ZEO_TEST_REMAINS";

    /// A shell that leads a session, and its children: one without an environment, one that leads a group, and one that
    /// leads a session. All end with this value.
    struct Family {
        leader: Child,
        born: u64,
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
            let born = birth(leader.id().cast_signed()).unwrap();
            Self { leader, born, children }
        }

        fn remains(&self, mark: &str) -> Remains {
            Remains::of(self.pid(), self.born, Some(format!("{NAME}={mark}")))
        }

        fn pid(&self) -> i32 {
            self.leader.id().cast_signed()
        }

        /// Kills the leader, and leaves its zombie.
        fn kill_leader(&mut self) {
            self.leader.kill().unwrap();
            while birth(self.pid()).is_some() {
                std::thread::yield_now();
            }
        }
    }

    impl Drop for Family {
        fn drop(&mut self) {
            for pid in self.children.iter().copied().chain([self.pid()]) {
                let _ = process::send_signal(Receiver::Process(pid), 9);
            }
            self.leader.wait().unwrap();
        }
    }

    /// The numbers of those who are sure and those who are in doubt.
    fn look(remains: &mut Remains) -> (Vec<i32>, Vec<i32>) {
        let Found { sure, doubtful } = remains.look();
        (Numbers::of(&sure).0, Numbers::of(&doubtful).0)
    }

    #[test]
    fn all_descendants_are_found_of_which_one_bears_the_mark() {
        let mut family = Family::new("own 1");
        family.kill_leader();
        family.leader.wait().unwrap();
        let mut remains = family.remains("own 1");
        assert_eq!(look(&mut remains), (family.children.clone(), vec![]));
        // Then the others are known.
        Remains::signal(&[kin::find(family.children[1]).unwrap()], 9);
        while kin::find(family.children[1]).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(look(&mut remains).0, [family.children[0], family.children[2]]);
    }

    #[test]
    fn descendants_of_somebody_unknown_are_known_by_the_mark_alone() {
        let family = Family::new("own 2");
        let mark = || Some(format!("{NAME}=own 2"));
        let mut found = look(&mut Remains::of_unknown(family.born, mark()));
        assert!(found.0.contains(&family.pid()));
        found.0.retain(|pid| *pid != family.pid());
        assert_eq!(found, (family.children.clone(), vec![]), "and by their parent");
        assert_eq!(Remains::of_unknown(u64::MAX, mark()).look(), Found::default());
        assert_eq!(Remains::of_unknown(0, None).look(), Found::default());
    }

    #[test]
    fn session_in_which_nobody_is_known_is_in_doubt() {
        let mut family = Family::new("another");
        family.kill_leader();
        let in_session = family.children[..2].to_vec();
        assert_eq!(look(&mut family.remains("own")), (in_session.clone(), vec![]), "the leader's zombie");
        family.leader.wait().unwrap();
        assert_eq!(look(&mut family.remains("own")), (vec![], in_session));
    }

    #[test]
    fn session_of_somebody_else_is_none_of_ours() {
        let mut family = Family::new("another");
        family.born -= 1;
        assert_eq!(look(&mut family.remains("own")), (vec![], vec![]), "another has the number now");
        family.kill_leader();
        assert_eq!(look(&mut family.remains("own")), (vec![], vec![]), "or had it just now");
        family.leader.wait().unwrap();
        family.born = u64::MAX;
        assert_eq!(look(&mut family.remains("another")), (vec![], vec![]), "older than their ancestor");
        if birth(1) > Some(0) {
            family.born = 0;
            assert_eq!(look(&mut family.remains("own")), (vec![], vec![]), "a system that is gone");
        }
    }

    #[test]
    fn who_looks_is_not_among_them() {
        let own = process::own_pid();
        let mut remains = Remains::of(own, 0, None);
        remains.remember();
        let found = remains.look();
        assert!(!found.sure.iter().chain(&found.doubtful).any(|process| process.pid == own));
    }

    #[test]
    fn those_who_left_the_session_are_known_if_they_were_seen_before() {
        let mut family = Family::new("another");
        let mut remains = family.remains("own");
        remains.remember();
        family.kill_leader();
        family.leader.wait().unwrap();
        assert_eq!(look(&mut remains).0, family.children);
    }
}
