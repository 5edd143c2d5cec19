//! System calls that fail, and SIGKILL between them: strace(1) makes both happen where they are wanted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use super::{have, install, mkzeoinst};
use crate::golden;
use crate::sandbox::Sandbox;
use crate::sandbox::run::{Outcome, Run};

/// The calls by which a new home comes to be; a call that a machine does not have is passed over.
const CREATING: &[&str] = &["?mkdir,?mkdirat", "write", "fsync", "linkat"];

/// The calls by which empty files are filled.
const FILLING: &[&str] = &["write", "fsync", "fchmod", "?renameat,?renameat2"];

/// More calls of one kind than a run makes.
const MANY: usize = 100;

fn can_trace() -> bool {
    have("strace", &["-qq", "-e", "inject=getpid:error=EPERM:when=1", "true"])
}

/// `mkzeoinst` with the `nth` of the calls made to fail, or made its last.
fn traced(sandbox: &Sandbox, calls: &str, what: &str, nth: usize) -> Run {
    let log = sandbox.path("strace.log");
    let inject = format!("inject={calls}:{what}:when={nth}");
    let strace = sandbox.command("strace").arg("-qq").arg("-o").arg(log).args(["-e", &inject]);
    strace.arg(sandbox.path("bin/mkzeoinst")).args(["zeo", "19999"])
}

/// The contents of every file below `zeo`, temporary ones apart, with the path of the sandbox
/// and the checksums of texts with it taken out.
fn files(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let root = sandbox.root().to_str().unwrap();
    let entries = WalkDir::new(sandbox.path("zeo")).into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file() && !is_temporary(entry.path()));
    let read = |path: &Path| {
        let contents = fs::read_to_string(path).unwrap().replace(root, "");
        (path.to_str().unwrap().replace(root, ""), golden::without_checksums(&contents))
    };
    files.map(|entry| read(entry.path())).collect()
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with('.') && path.extension().is_some_and(|extension| extension == "tmp")
}

fn temporaries(sandbox: &Sandbox) -> usize {
    WalkDir::new(sandbox.path("zeo"))
        .into_iter()
        .filter_map(Result::ok)
        .filter(|e| is_temporary(e.path()))
        .count()
}

/// What is there before the run.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    EmptyFiles,
}

impl Before {
    fn make(self, sandbox: &Sandbox) {
        if matches!(self, Self::EmptyFiles) {
            for name in ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl"] {
                sandbox.write(Path::new("zeo").join(name), "");
            }
        }
    }
}

/// The files of a run that nothing disturbed.
fn undisturbed() -> BTreeMap<String, String> {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    assert_eq!(mkzeoinst(&sandbox).args(["zeo", "19999"]).output().status, 0);
    let files = files(&sandbox);
    assert_eq!(files.len(), 3);
    files
}

/// Disturbs each call in turn until a run makes fewer, and lets `check` look at the sandbox after each. Then nothing on
/// the disk is half a file, and another run completes the instance.
fn disturb_each(before: Before, calls: &str, what: &str, check: impl Fn(&Sandbox, &Outcome, &str)) {
    let whole = undisturbed();
    for nth in 1..MANY {
        let sandbox = Sandbox::new();
        install(&sandbox, "");
        before.make(&sandbox);
        let outcome = traced(&sandbox, calls, what, nth).output();
        let place = format!("{before:?}, {what}, call {nth} of {calls}");
        let log = fs::read_to_string(sandbox.path("strace.log")).unwrap();
        if !log.contains("(INJECTED)") && !log.contains("+++ killed by SIGKILL +++") {
            assert!(nth > 1, "{place}: never made");
            assert_eq!(outcome.status, 0, "{place}: {}", outcome.stderr);
            return;
        }
        check(&sandbox, &outcome, &place);
        for (name, contents) in files(&sandbox) {
            let untouched = matches!(before, Before::EmptyFiles) && contents.is_empty();
            assert!(untouched || Some(&contents) == whole.get(&name), "{place}: {name} is not whole");
        }
        let again = mkzeoinst(&sandbox).args(["zeo", "19999"]).output();
        assert_eq!((again.status, again.stderr.as_str()), (0, ""), "{place}");
        assert_eq!(files(&sandbox), whole, "{place}");
    }
    panic!("more than {MANY} calls of {calls}");
}

#[test]
fn call_that_fails_is_reported_and_leaves_nothing_half_done() {
    if !can_trace() {
        return;
    }
    for (before, calls, error, reason) in [
        (Before::Nothing, "?mkdir,?mkdirat", "EACCES", "Permission denied"),
        (Before::Nothing, "?mkdir,?mkdirat", "ENOSPC", "No space left on device"),
        (Before::Nothing, "write", "ENOSPC", "No space left on device"),
        (Before::Nothing, "fsync", "EIO", "I/O error"),
        (Before::Nothing, "linkat", "EDQUOT", "Quota exceeded"),
        (Before::EmptyFiles, "write", "ENOSPC", "No space left on device"),
        (Before::EmptyFiles, "fsync", "EIO", "I/O error"),
        (Before::EmptyFiles, "fchmod", "EPERM", "Operation not permitted"),
        (Before::EmptyFiles, "?renameat,?renameat2", "EACCES", "Permission denied"),
    ] {
        disturb_each(before, calls, &format!("error={error}"), |sandbox, outcome, place| {
            assert_eq!(outcome.status, 1, "{place}");
            let line = outcome.stderr.strip_prefix("mkzeoinst: cannot ").unwrap_or_else(|| panic!("{place}"));
            assert!(line.ends_with(&format!(": {reason}\n")) && line.lines().count() == 1, "{place}: {line}");
            let named =
                line.contains(sandbox.root().to_str().unwrap()) || line.contains("to standard output");
            assert!(named, "{place}: {line}");
            assert_eq!(temporaries(sandbox), 0, "{place}");
        });
    }
}

#[test]
fn interrupted_write_is_made_again() {
    if !can_trace() {
        return;
    }
    disturb_each(Before::Nothing, "write", "error=EINTR", |_, outcome, place| {
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{place}");
    });
}

#[test]
fn killed_run_is_completed_by_the_next() {
    if !can_trace() {
        return;
    }
    for (before, kinds) in [(Before::Nothing, CREATING), (Before::EmptyFiles, FILLING)] {
        for calls in kinds {
            disturb_each(before, calls, "signal=KILL", |sandbox, outcome, place| {
                assert_eq!(outcome.status, 137, "{place}");
                assert!(temporaries(sandbox) <= 1, "{place}");
            });
        }
    }
}
