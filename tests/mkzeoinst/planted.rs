//! Root at work in a home that another user owns: links that they planted, before the run or in the middle of it, lead
//! nowhere.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use super::{first_run, install, mkzeoinst};
use crate::sandbox::run::Running;

use crate::sandbox::{SOON, Sandbox, can_trace, eventually, eventually_some};

/// The record of what the files were made from.
const PRISTINE: &str = ".mkzeoinst-pristine.toml";

/// The user that plants: `nobody`, which owns nothing else.
const OTHER: u32 = 65534;

/// A home of theirs, and a directory that is not: only root can prepare that.
fn scene() -> Option<(Sandbox, PathBuf, PathBuf)> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let (home, outside) = (sandbox.path("zeo"), sandbox.path("outside"));
    for directory in [&home, &outside] {
        fs::create_dir(directory).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    chown(&home, Some(OTHER), Some(OTHER)).unwrap();
    Some((sandbox, home, outside))
}

fn plant(target: &Path, link: &Path) {
    symlink(target, link).unwrap();
    lchown(link, Some(OTHER), Some(OTHER)).unwrap();
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn refusal(link: &Path) -> String {
    let why = "another user may have put that symbolic link there";
    format!("mkzeoinst: cannot follow '{}': {why}\n", link.display())
}

#[test]
fn planted_directory_is_refused_before_anything_is_done() {
    for name in ["bin", "etc", "log", "var"] {
        let Some((sandbox, home, outside)) = scene() else { return };
        plant(&outside, &home.join(name));
        for options in [&["--dry-run"][..], &["--diff"], &["--update"], &[]] {
            let run = mkzeoinst(&sandbox).args(options).args(["zeo", "19999"]);
            run.status(1).stderr(refusal(&home.join(name))).run();
        }
        mkzeoinst(&sandbox)
            .args(["--check", "zeo", "19999"])
            .status(2)
            .stderr(refusal(&home.join(name)))
            .run();
        assert_eq!((names(&home), names(&outside)), (vec![name.to_owned()], Vec::new()));
    }
}

#[test]
fn planted_file_is_neither_read_nor_written_through() {
    for name in ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl", "etc/mkzeoinst.toml"] {
        for target in ["secret", "missing"] {
            let Some((sandbox, home, outside)) = scene() else { return };
            fs::write(outside.join("secret"), "secret").unwrap();
            let link = home.join(name);
            fs::create_dir(link.parent().unwrap()).unwrap();
            chown(link.parent().unwrap(), Some(OTHER), Some(OTHER)).unwrap();
            plant(&outside.join(target), &link);
            for options in [&["--dry-run"][..], &["--diff"], &["--update", "--on-conflict", "overwrite"], &[]]
            {
                let run = mkzeoinst(&sandbox).args(options).args(["zeo", "19999"]);
                run.status(1).stderr(refusal(&link)).run();
            }
            assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
            assert_eq!((names(&outside), names(&home).len()), (vec!["secret".to_owned()], 1));
        }
    }
}

#[test]
fn planted_name_beside_a_file_is_refused() {
    let Some((sandbox, home, outside)) = scene() else { return };
    sandbox.write("zeo/etc/zeo.conf", "mine\n");
    chown(home.join("etc"), Some(OTHER), Some(OTHER)).unwrap();
    let link = home.join("etc/zeo.conf.new");
    plant(&outside.join("x"), &link);
    let run = mkzeoinst(&sandbox).args(["--on-conflict", "new", "zeo", "19999"]);
    run.status(1).stderr(refusal(&link)).run();
    // A number that is taken is passed over.
    plant(&outside.join("x"), &home.join("etc/zeo.conf.~1~"));
    let outcome = mkzeoinst(&sandbox).args(["--on-conflict", "backup", "zeo", "19999"]).output();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert_eq!(sandbox.read("zeo/etc/zeo.conf.~2~"), "mine\n");
    assert_eq!(names(&outside), [""; 0]);
}

#[test]
fn record_that_another_can_write_makes_no_directory_elsewhere() {
    let Some((sandbox, home, outside)) = scene() else { return };
    let record = sandbox.write("zeo/etc/mkzeoinst.toml", format!("blobs = '{}/b'\n", outside.display()));
    chown(&record, Some(OTHER), Some(OTHER)).unwrap();
    let why = "it names a directory outside the home, and another user can write in it";
    let error = format!("mkzeoinst: cannot use '{}': {why}\n", record.display());
    mkzeoinst(&sandbox).args(["zeo", "19999"]).status(1).stderr(error).run();
    assert_eq!((names(&home), names(&outside)), (vec!["etc".to_owned()], Vec::new()));
    chown(&record, Some(0), Some(0)).unwrap();
    fs::set_permissions(&record, fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = mkzeoinst(&sandbox).args(["zeo", "19999"]).output();
    assert!(outcome.status == 0 && outcome.stderr.contains(" does not serve blobs yet"), "{outcome:?}");
    assert_eq!(names(&outside), ["b"]);
}

#[test]
fn fifo_does_not_hold_up_a_run() {
    let Some((sandbox, home, _)) = scene() else { return };
    for name in ["etc/zeo.conf", "etc/mkzeoinst.toml"] {
        let fifo = home.join(name);
        fs::create_dir_all(fifo.parent().unwrap()).unwrap();
        mkfifo(&fifo, Mode::from_bits_truncate(0o666)).unwrap();
        let outcome = mkzeoinst(&sandbox).args(["zeo"]).output();
        assert_eq!(outcome.status, 1);
        let line = format!("'{}': it is not a regular file\n", fifo.display());
        assert!(outcome.stderr.ends_with(&line) && outcome.stderr.lines().count() == 1, "{}", outcome.stderr);
        fs::remove_file(&fifo).unwrap();
    }
}

#[test]
fn administrators_own_link_is_followed() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let (home, disk) = (sandbox.path("zeo"), sandbox.path("disk"));
    for directory in [&home, &disk] {
        fs::create_dir(directory).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["etc", "log", "var"] {
        fs::create_dir(disk.join(name)).unwrap();
        symlink(disk.join(name), home.join(name)).unwrap();
    }
    let made = |name: &str| {
        ["", "/etc\n", "/log\n", "/var\n"].iter().all(|end| end.is_empty() || !name.ends_with(end))
    };
    let all = first_run(&home);
    let expected: String = all.split_inclusive('\n').filter(|line| made(line)).skip(1).collect();
    mkzeoinst(&sandbox).args(["zeo", "19999"]).stdout(expected).run();
    assert_eq!(names(&disk.join("etc")), [PRISTINE, "zeo.conf", "zeoctl.conf"]);
    mkzeoinst(&sandbox).args(["zeo", "19999"]).stdout("All done.\n").run();
}

/// A run that stops at the first of these calls.
fn stopped_at(sandbox: &Sandbox, calls: &str) -> (Running, Pid) {
    let log = sandbox.path("strace.log");
    let inject = format!("inject={calls}:signal=STOP:when=1");
    let strace = sandbox.command("strace").arg("-qq").arg("-o").arg(&log).args(["-e", &inject]);
    let running = strace.arg(sandbox.path("bin/mkzeoinst")).args(["zeo", "19999"]).spawn();
    eventually(SOON, || fs::read_to_string(&log).is_ok_and(|log| log.contains("--- stopped by SIGSTOP ---")));
    let children = format!("/proc/{0}/task/{0}/children", running.pid());
    let child = eventually_some(SOON, || fs::read_to_string(&children).ok()?.trim().parse().ok());
    (running, Pid::from_raw(child))
}

#[test]
fn directory_that_is_exchanged_in_the_middle_of_a_run_leads_nowhere() {
    if !can_trace() {
        return;
    }
    let Some((sandbox, home, outside)) = scene() else { return };
    let (running, child) = stopped_at(&sandbox, "renameat2");
    fs::rename(home.join("etc"), home.join("away")).unwrap();
    plant(&outside, &home.join("etc"));
    kill(child, Signal::SIGCONT).unwrap();
    let outcome = running.wait(SOON);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert_eq!(names(&home.join("away")), [PRISTINE, "zeo.conf", "zeoctl.conf"]);
    assert_eq!(names(&outside), [""; 0]);
}

#[test]
fn link_that_is_planted_in_the_middle_of_a_run_is_refused() {
    if !can_trace() {
        return;
    }
    let Some((sandbox, home, outside)) = scene() else { return };
    let (running, child) = stopped_at(&sandbox, "?mkdir,?mkdirat");
    plant(&outside, &home.join("etc"));
    kill(child, Signal::SIGCONT).unwrap();
    let outcome = running.wait(SOON);
    assert_eq!((outcome.status, outcome.stderr), (1, refusal(&home.join("etc"))));
    assert_eq!((names(&home), names(&outside)), (vec!["bin".to_owned(), "etc".to_owned()], Vec::new()));
}
