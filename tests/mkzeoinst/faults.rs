//! System calls that fail, and SIGKILL between them: strace(1) makes both happen where they are wanted.
//!
//! Each case is run once undisturbed, which tells the calls that it makes. Then it is run once for each of them and each
//! error, with this one call failing, and once for each of them with SIGKILL in its place. `ZEO_LONG=1` does all of that;
//! otherwise one of six calls gets one of the errors, and a SIGKILL.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use walkdir::WalkDir;

use super::{install, mkzeoinst};
use crate::golden;
use crate::sandbox::run::{Outcome, Run};
use crate::sandbox::{Sandbox, can_trace, is_long};

/// What a call can fail with, and how the reason reads.
const ERRORS: [(&str, &str); 5] = [
    ("ENOSPC", "No space left on device"),
    ("EACCES", DENIED),
    ("EIO", "I/O error"),
    ("EINTR", "Interrupted system call"),
    ("EMFILE", "Too many open files"),
];

/// The short form disturbs one of so many calls.
const SHORT: usize = 6;

const DENIED: &str = "Permission denied";

/// Calls that are not made to fail. Those of memory, which the allocator answers by ending the program; those that cannot
/// fail (getuid(2) and its like); random numbers, which the standard library cannot go on without.
const CERTAIN: [&str; 11] = [
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "madvise",
    "mprotect",
    "geteuid",
    "getegid",
    "getrandom",
    "exit_group",
    "gettid",
];

/// How a home is before a run, and what is run.
struct Case {
    name: &'static str,
    options: &'static [&'static str],
    prepare: fn(&Sandbox),
}

const CASES: [Case; 5] = [
    Case { name: "create", options: &[], prepare: |_| {} },
    Case { name: "fill", options: &[], prepare: empty_files },
    Case { name: "update", options: &["--update", "--umask", "022"], prepare: older_instance },
    Case { name: "backup", options: &["--on-conflict", "backup"], prepare: edited_files },
    Case { name: "move", options: &["--update"], prepare: moved_instance },
];

fn empty_files(sandbox: &Sandbox) {
    for name in ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl"] {
        sandbox.write(Path::new("zeo").join(name), "");
    }
}

/// Of other parameters, with a file that somebody edited, one that nobody did, and a script that lost its mode.
fn older_instance(sandbox: &Sandbox) {
    assert_eq!(mkzeoinst(sandbox).args(["--umask", "027", "zeo", "19998"]).output().status, 0);
    let edited = sandbox.read("zeo/etc/zeo.conf") + "# mine\n";
    sandbox.write("zeo/etc/zeo.conf", edited);
    set_mode(&sandbox.path("zeo/etc/zeo.conf"), 0o640);
    set_mode(&sandbox.path("zeo/bin/zeoctl"), 0o644);
}

fn edited_files(sandbox: &Sandbox) {
    for name in ["etc/zeo.conf", "etc/zeoctl.conf"] {
        sandbox.write(Path::new("zeo").join(name), format!("# mine: {name}\n"));
        set_mode(&sandbox.path("zeo").join(name), 0o600);
    }
}

/// One that had another name, after which one of its files is named.
fn moved_instance(sandbox: &Sandbox) {
    assert_eq!(mkzeoinst(sandbox).args(["--with", "logrotate", "old", "19999"]).output().status, 0);
    fs::rename(sandbox.path("old"), sandbox.path("zeo")).unwrap();
}

/// What that one loses.
const STRAY: &str = "/zeo/etc/logrotate/zeo-old";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The permission bits and the text of each file below `zeo`, by its name. The sandbox's own path and the checksums of texts
/// with it are taken out.
type Files = BTreeMap<String, (u32, String)>;

impl Case {
    fn set_up(&self) -> Sandbox {
        let sandbox = Sandbox::new();
        install(&sandbox, "");
        (self.prepare)(&sandbox);
        sandbox
    }

    fn words(&self) -> Vec<&'static str> {
        [self.options, &["zeo", "19999"]].concat()
    }

    fn traced(&self, sandbox: &Sandbox, options: &[&str]) -> Run {
        let log = sandbox.path("strace.log");
        let strace = sandbox.command("strace").arg("-qq").arg("-o").arg(log).args(options);
        strace.arg(sandbox.path("bin/mkzeoinst")).args(self.words())
    }

    /// The calls of a run that nothing disturbs, each with its number among those of its name, and what is there in the
    /// end. What the loader and the standard library do before `main` is left out: the latter ends with sigaltstack(2).
    fn calls(&self) -> (Vec<(String, usize)>, Files) {
        let sandbox = self.set_up();
        let outcome = self.traced(&sandbox, &[]).output();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{}", self.name);
        let mut counts = HashMap::new();
        let log = sandbox.read("strace.log");
        let names = log.lines().filter_map(|line| Some(line.split_once('(')?.0.to_owned()));
        let numbered = names.map(|name| {
            let count = counts.entry(name.clone()).or_insert(0);
            *count += 1;
            (name, *count)
        });
        let calls: Vec<_> = numbered.skip_while(|(name, _)| name != "sigaltstack").skip(1).collect();
        assert!(calls.len() > 50, "{}: {log}", self.name);
        (calls, files(&sandbox))
    }

    /// Each call in turn meets with some of the errors.
    fn fail_each(&self) {
        let (calls, whole) = self.calls();
        let mut untold = Vec::new();
        for (index, (call, nth)) in calls.iter().enumerate() {
            if CERTAIN.contains(&call.as_str()) {
                continue;
            }
            let errors = match index % SHORT {
                _ if is_long() => &ERRORS[..],
                0 => &ERRORS[index / SHORT % ERRORS.len()..][..1],
                _ => continue,
            };
            for (error, reason) in errors {
                let place = format!("{}, {error}, call {nth} of {call}", self.name);
                let (sandbox, before, outcome) = self.disturb(call, *nth, &format!("error={error}"));
                assert!(sandbox.read("strace.log").contains("(INJECTED)"), "{place}: not made");
                if outcome.status == 0 {
                    assert_eq!(files(&sandbox), whole, "{place}: {}", outcome.stderr);
                } else if !is_told(&outcome, reason) {
                    untold.push(format!("{place}: {} {}", outcome.status, outcome.stderr));
                }
                if call != "unlinkat" {
                    assert_eq!(temporaries(&sandbox), 0, "{place}");
                }
                self.complete(&sandbox, &before, &whole, &place);
            }
        }
        assert!(untold.is_empty(), "{}", untold.concat());
    }

    /// Each call in turn, or one of a few, is the last.
    fn kill_at_each(&self) {
        let (calls, whole) = self.calls();
        for (index, (call, nth)) in calls.iter().enumerate() {
            // Before a rename there is a temporary name.
            let is_wanted = is_long() || index % SHORT == 0 || call.starts_with("renameat");
            if call == "exit_group" || !is_wanted {
                continue;
            }
            let place = format!("{}, SIGKILL, call {nth} of {call}", self.name);
            let (sandbox, before, outcome) = self.disturb(call, *nth, "signal=KILL");
            assert_eq!(outcome.status, 137, "{place}");
            let expected = if call.starts_with("renameat") { 1..=1 } else { 0..=1 };
            assert!(expected.contains(&temporaries(&sandbox)), "{place}");
            self.complete(&sandbox, &before, &whole, &place);
        }
    }

    fn disturb(&self, call: &str, nth: usize, what: &str) -> (Sandbox, Files, Outcome) {
        let sandbox = self.set_up();
        let before = files(&sandbox);
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{what}:when={nth}"));
        let outcome = self.traced(&sandbox, &["-e", &trace, "-e", &inject]).output();
        (sandbox, before, outcome)
    }

    /// Nothing is half a file, or lost; and another run completes the instance.
    fn complete(&self, sandbox: &Sandbox, before: &Files, whole: &Files, place: &str) {
        let now = files(sandbox);
        for (name, file) in &now {
            let (old, new) = (before.get(name), whole.get(name));
            // A script gets its new mode after its new text.
            let is_between = old.is_some_and(|old| new.is_some_and(|new| *file == (old.0, new.1.clone())));
            assert!(is_between || [old, new].contains(&Some(file)), "{place}: {name} is {file:?}");
        }
        let kept = |(name, old): (&String, &(u32, String))| {
            let same =
                |(other, file): (&String, &(u32, String))| other.starts_with(name.as_str()) && file == old;
            self.name != "backup" || now.iter().any(same)
        };
        assert!(before.iter().all(kept), "{place}: an edited file is lost");
        assert!(before.keys().all(|name| name == STRAY || now.contains_key(name)), "{place}: a file is gone");
        let again = mkzeoinst(sandbox).args(self.words()).output();
        assert_eq!((again.status, again.stderr.as_str()), (0, ""), "{place}");
        let now = files(sandbox);
        for (name, file) in whole {
            assert_eq!(now.get(name), Some(file), "{place}: {name}");
        }
        assert!(!now.contains_key(STRAY), "{place}: {STRAY} stays");
        assert_eq!(temporaries(sandbox), 0, "{place}: a temporary file stays");
    }
}

/// Whether a failure is told in one line that names its object and the reason.
fn is_told(outcome: &Outcome, reason: &str) -> bool {
    let line = outcome.stderr.strip_prefix("mkzeoinst: ").and_then(|line| line.strip_suffix('\n'));
    let names = |line: &str| ["'/", "'.'", "to standard output"].iter().any(|object| line.contains(object));
    // Of a program that may not be executed it is said where it was looked for.
    let ends = |line: &str| line.ends_with(reason) || line.starts_with("cannot find ") && reason == DENIED;
    outcome.status == 1 && line.is_some_and(|line| !line.contains('\n') && names(line) && ends(line))
}

fn files(sandbox: &Sandbox) -> Files {
    let root = sandbox.root().to_str().unwrap();
    let entries = WalkDir::new(sandbox.path("zeo")).into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file() && !is_temporary(entry.path()));
    let read = |path: &Path| {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let contents = fs::read_to_string(path).unwrap().replace(root, "");
        (path.to_str().unwrap().replace(root, ""), (mode, golden::without_checksums(&contents)))
    };
    files.map(|entry| read(entry.path())).collect()
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with('.') && path.extension().is_some_and(|extension| extension == "tmp")
}

fn temporaries(sandbox: &Sandbox) -> usize {
    let entries = WalkDir::new(sandbox.path("zeo")).into_iter().filter_map(Result::ok);
    entries.filter(|entry| is_temporary(entry.path())).count()
}

#[test]
fn call_that_fails_is_reported_and_leaves_nothing_half_done() {
    if can_trace() {
        CASES.iter().for_each(Case::fail_each);
    }
}

#[test]
fn killed_run_is_completed_by_the_next() {
    if can_trace() {
        CASES.iter().for_each(Case::kill_at_each);
    }
}

#[test]
fn interrupted_call_is_made_again() {
    if !can_trace() {
        return;
    }
    for case in CASES {
        let (calls, whole) = case.calls();
        for call in ["write", "fsync", "linkat", "fchmod", "renameat", "renameat2", "mkdirat"] {
            let Some((call, nth)) = calls.iter().rfind(|(name, _)| name == call) else { continue };
            let (sandbox, _, outcome) = case.disturb(call, *nth, "error=EINTR");
            assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{}: {call}", case.name);
            assert_eq!(files(&sandbox), whole, "{}: {call}", case.name);
        }
    }
}
