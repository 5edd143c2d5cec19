//! A program whose copies can be counted and whose output tells whether a line of it was lost, and a manager for it
//! that may have been killed at any point.

use std::fmt::Write as _;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};

use super::*;
use crate::sandbox::eventually;
use crate::sandbox::run::Run;

/// Writes its number and a count, line by line, for ever. Its signals are at their default action. Beside it runs what
/// `REST` in its environment says, if anything, which has its number among its words.
const PROGRAM: &str = "#!/bin/sh\n[ -z \"$REST\" ] || sh -c \"$REST\" rest-of $$ 2>/dev/null &\nn=0\n\
    while :; do n=$((n+1)); echo \"$$ $n\"; sleep 0.01; done\n";

/// A configuration for it, and what has become of it.
pub(super) struct Counting {
    pub(super) sandbox: Sandbox,
}

impl Counting {
    /// With these lines, too, in the `<runner>`.
    pub(super) fn new(runner: &str) -> Self {
        let sandbox = Sandbox::new();
        let program = sandbox.write("count", PROGRAM);
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        let root = sandbox.root().display();
        let conf = format!(
            "<runner>\n program {root}/count\n socket-name {root}/sock\n daemon true\n directory {root}\n \
             transcript {root}/out\n stop-timeout 20\n {runner}\n</runner>\n\
             <eventlog>\n <logfile>\n path {root}/log\n </logfile>\n</eventlog>\n"
        );
        sandbox.write("conf", conf);
        Self { sandbox }
    }

    /// `zdrun` with the configuration.
    pub(super) fn zdrun(&self) -> Run {
        self.sandbox.zdrun().args(["-C", "conf"])
    }

    /// `zdrun` with the configuration, under strace(1) with these injections. The programs that it starts are let go
    /// at their first step: what they do is not meant.
    pub(super) fn traced(&self, inject: &[&str]) -> Run {
        let mut run = self.sandbox.command("strace").args(["-f", "-b", "execve", "-qq", "-o", "trace"]);
        for what in inject {
            run = run.args(["-e", &format!("inject={what}")]);
        }
        run.arg(env!("CARGO_BIN_EXE_zdrun")).args(["-C", "conf"])
    }

    /// What strace(1) wrote.
    pub(super) fn trace(&self) -> String {
        fs::read_to_string(self.sandbox.path("trace")).unwrap_or_default()
    }

    pub(super) fn manager(&self) -> Manager<'_> {
        Manager { sandbox: &self.sandbox, socket: self.sandbox.path("sock") }
    }

    /// The process numbers of the program's copies. What a copy forks looks like it for a moment, but leads no group.
    pub(super) fn copies(&self) -> Vec<i32> {
        let mut found = self.running(|line| line.starts_with("/bin/sh ") && line.ends_with("/count"));
        found.retain(|pid| getpgid(Some(Pid::from_raw(*pid))).is_ok_and(|group| group.as_raw() == *pid));
        found
    }

    /// The process numbers of everything that is `zdrun` still: managers, their parents, and what is about to become
    /// a program.
    pub(super) fn managers(&self) -> Vec<i32> {
        self.running(|line| line.starts_with(env!("CARGO_BIN_EXE_zdrun")))
    }

    /// The processes that some copy of the program leaves behind, by the words of their command line.
    pub(super) fn rests(&self) -> Vec<String> {
        let mut found = self.sandbox.leftovers();
        found.retain(|line| line.contains(" rest-of "));
        found
    }

    fn running(&self, is_meant: impl Fn(&str) -> bool) -> Vec<i32> {
        let parse = |line: &String| {
            let (pid, words) = line.split_once(' ')?;
            is_meant(words).then(|| pid.parse().ok())?
        };
        self.sandbox.leftovers().iter().filter_map(parse).collect()
    }

    /// Kills whatever is `zdrun` now, and waits until it is gone.
    pub(super) fn kill_managers(&self) {
        eventually(SOON, || {
            let found = self.managers();
            for pid in &found {
                // It may have ended since.
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            found.is_empty()
        });
    }

    /// Starts anew after whatever happened, and checks that there is one program then, that it is told of, and that a
    /// stop leaves nothing. `place` says what happened; `lost`: how many blocks of output that may have cost.
    pub(super) fn recover(&self, place: &str, lost: usize) {
        let told = eventually_some(SOON, || {
            let outcome = self.zdrun().output();
            let taken = outcome.stderr.contains("another daemon manager is already using socket");
            assert!(outcome.status == 0 || taken, "{place}: {outcome:?}");
            // A process on its way to be the program has the lock for a moment after its manager, and one that was killed
            // keeps both that and the socket until it has closed them.
            (outcome.status == 0 || self.manager_is_up()).then_some(outcome)
        });
        assert_eq!(told.stdout, "", "{place}");
        self.check_one(place);
        let stop = self.sandbox.zdctl().args(["-C", "conf", "stop"]).output();
        let seen = (stop.status, stop.stdout.as_str(), stop.stderr.as_str());
        assert_eq!(seen, (0, "daemon process stopped\n", ""), "{place}");
        self.check_nothing_left(place);
        self.check_output(place, lost);
    }

    /// Whether a manager answers.
    pub(super) fn answers(&self) -> bool {
        UnixStream::connect(self.sandbox.path("sock")).is_ok()
    }

    /// Whether a manager answers and has its program up.
    pub(super) fn manager_is_up(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.sandbox.path("sock")) else { return false };
        stream.set_read_timeout(Some(SOON)).expect("a time-out can be set");
        // It may be killed just now.
        let _ = stream.write_all(b"status\n");
        rest(stream).contains("\nready=1\n")
    }

    /// One copy of the program comes to be and stays, and it is the one of which the manager tells.
    pub(super) fn check_one(&self, place: &str) {
        let mut seen = (0, Vec::new());
        let told = crate::sandbox::poll(SOON, || {
            seen = (self.manager().pid(), self.copies());
            assert!(seen.1.len() < 2, "{place}: two programs: {:?}", self.sandbox.leftovers());
            (seen.0 != 0 && seen.1 == [seen.0]).then_some(seen.0)
        });
        let mut pid = told.unwrap_or_else(|| panic!("{place}: {seen:?} {:?}", self.sandbox.leftovers()));
        let status = self.sandbox.zdctl().args(["-C", "conf", "status"]).output();
        // One that was told to end just before its manager was killed is followed by another.
        if status.stdout != format!("program running; pid={pid}\n") {
            pid = eventually_some(SOON, || Some(self.manager().pid()).filter(|pid| *pid != 0));
            let again = self.sandbox.zdctl().args(["-C", "conf", "status"]).output();
            assert_eq!(again.stdout, format!("program running; pid={pid}\n"), "{place}: {status:?}");
        }
        assert!(self.copies().len() < 2, "{place}: {:?}", self.sandbox.leftovers());
        let others = self.rests().into_iter().filter(|line| !line.ends_with(&format!(" rest-of {pid}")));
        assert_eq!(others.collect::<Vec<_>>(), Vec::<String>::new(), "{place}: left of an earlier program");
    }

    /// No process, socket, lock or temporary file.
    pub(super) fn check_nothing_left(&self, place: &str) {
        self.sandbox.assert_no_process_left();
        let entries = fs::read_dir(self.sandbox.root()).expect("it is there").filter_map(Result::ok);
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let known = ["conf", "count", "out", "log", "trace", "attached"];
        let left: Vec<_> = names.filter(|name| !known.contains(&name.as_str())).collect();
        assert_eq!(left, Vec::<String>::new(), "{place}");
    }

    /// Each program's lines are a count from 1, without a gap but where a block was lost.
    pub(super) fn check_output(&self, place: &str, mut lost: usize) {
        let text = self.sandbox.read("out");
        let mut counts: HashMap<&str, u64> = HashMap::new();
        let mut wrong = String::new();
        // What a program wrote last may be cut: it is killed.
        let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        for (number, line) in lines.enumerate() {
            let Some((pid, count)) = line.split_once(' ') else { panic!("{place}: line {number}: {line:?}") };
            let next = counts.entry(pid).or_default();
            *next += 1;
            let missing = count.parse::<u64>().unwrap_or_default().saturating_sub(*next);
            if missing > 0 && lost > 0 {
                lost -= 1;
                *next += missing;
            }
            if *count != next.to_string() {
                let _ = writeln!(wrong, "line {number} is {line:?}, not {next}");
            }
        }
        assert_eq!(wrong, "", "{place}");
    }
}
