//! System calls that fail, and SIGKILL between them: strace(1) makes both happen where they are wanted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use super::{have, install, mkzeoinst};
use crate::sandbox::Sandbox;
use crate::sandbox::run::{Outcome, Run};

/// The calls by which something comes to be on the disk; a call that a machine does not have is passed over.
const CALLS: &[&str] = &["?mkdir,?mkdirat", "write", "fsync", "linkat", "unlinkat"];

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

/// The contents of every file below `zeo`, temporary ones apart, with the path of the sandbox taken out.
fn files(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let root = sandbox.root().to_str().unwrap();
    let entries = WalkDir::new(sandbox.path("zeo")).into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file() && !is_temporary(entry.path()));
    let read = |path: &Path| {
        (path.to_str().unwrap().replace(root, ""), fs::read_to_string(path).unwrap().replace(root, ""))
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
fn disturb_each(
    calls: &str,
    what: &str,
    whole: &BTreeMap<String, String>,
    check: impl Fn(&Sandbox, &Outcome, &str),
) {
    for nth in 1..MANY {
        let sandbox = Sandbox::new();
        install(&sandbox, "");
        let outcome = traced(&sandbox, calls, what, nth).output();
        let place = format!("{what}, call {nth} of {calls}");
        let hit = fs::read_to_string(sandbox.path("strace.log"))
            .unwrap()
            .lines()
            .any(|line| line.contains("(INJECTED)") || line.contains("+++ killed by SIGKILL +++"));
        if !hit {
            assert!(nth > 1, "{place}: never made");
            assert_eq!(outcome.status, 0, "{place}: {}", outcome.stderr);
            return;
        }
        check(&sandbox, &outcome, &place);
        for (name, contents) in files(&sandbox) {
            assert_eq!(Some(&contents), whole.get(&name), "{place}: {name} is not whole");
        }
        let again = mkzeoinst(&sandbox).args(["zeo", "19999"]).output();
        assert_eq!((again.status, again.stderr.as_str()), (0, ""), "{place}");
        assert_eq!(&files(&sandbox), whole, "{place}");
    }
    panic!("more than {MANY} calls of {calls}");
}

#[test]
fn call_that_fails_is_reported_and_leaves_nothing_half_done() {
    if !can_trace() {
        return;
    }
    let whole = undisturbed();
    for (calls, error, reason) in [
        ("?mkdir,?mkdirat", "EACCES", "Permission denied"),
        ("?mkdir,?mkdirat", "ENOSPC", "No space left on device"),
        ("write", "ENOSPC", "No space left on device"),
        ("fsync", "EIO", "I/O error"),
        ("linkat", "EDQUOT", "Quota exceeded"),
    ] {
        disturb_each(calls, &format!("error={error}"), &whole, |sandbox, outcome, place| {
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
fn interrupted_call_is_made_again_or_reported() {
    if !can_trace() {
        return;
    }
    let whole = undisturbed();
    disturb_each("write", "error=EINTR", &whole, |_, outcome, place| {
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{place}");
    });
}

#[test]
fn killed_run_is_completed_by_the_next() {
    if !can_trace() {
        return;
    }
    let whole = undisturbed();
    for calls in CALLS {
        disturb_each(calls, "signal=KILL", &whole, |sandbox, outcome, place| {
            assert_eq!(outcome.status, 137, "{place}");
            assert!(temporaries(sandbox) <= 1, "{place}");
        });
    }
}
