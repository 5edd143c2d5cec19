//! `logtail`.

use std::fs::{self, OpenOptions};
use std::io::Write;

use nix::sys::signal::Signal;

use super::*;

fn append(file: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(file).expect("the file is there");
    file.write_all(text.as_bytes()).expect("it can be written");
}

#[test]
fn log_is_followed_across_rotation_and_truncation() {
    let sandbox = Sandbox::new();
    let lines = |from: u32| (from..=12).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
    let log = sandbox.write("log", lines(1));
    let tail = zdctl(&sandbox, SLEEP).args(["logtail", "log"]).spawn();
    let mut output = lines(3);
    let mut shows = |more: &str| {
        output += more;
        eventually(SOON, || tail.stdout() == output);
    };
    shows("");
    append(&log, "more\nhalf");
    shows("more\nhalf");
    append(&log, " a line\n");
    shows(" a line\n");
    fs::rename(&log, sandbox.path("log.1")).expect("it can be renamed");
    append(&sandbox.path("log.1"), "late\n");
    shows("late\n");
    fs::write(&log, "new\n").expect("it can be written");
    shows("==> File replaced <==\nnew\n");
    OpenOptions::new().write(true).truncate(true).open(&log).expect("it can be truncated");
    shows("==> File truncated <==\n");
    append(&log, "again\n");
    shows("again\n");
    tail.signal(Signal::SIGINT);
    let ended = tail.wait(SOON);
    assert_eq!((ended.status, ended.stdout, ended.stderr), (0, output + "\n", String::new()));
}

#[test]
fn configured_log_is_the_default() {
    let sandbox = Sandbox::new();
    sandbox.write("log", "1\n2\n3\n");
    let tail = zdctl(&sandbox, SLEEP).args(["-l", "log", "logtail", "-n", "2"]).spawn();
    eventually(SOON, || tail.stdout() == "2\n3\n");
    tail.signal(Signal::SIGINT);
    assert_eq!(tail.wait(SOON).status, 0);
}

#[test]
fn log_that_cannot_be_shown_is_an_error() {
    let sandbox = Sandbox::new();
    let none = "No default log file specified; use logtail <logfile>\n";
    zdctl(&sandbox, SLEEP).arg("logtail").stdout(none).status(2).run();
    for (file, why) in [
        ("no-such-file", "No such file or directory"),
        ("/", "Is a directory"),
        ("/dev/null", "not a regular file"),
    ] {
        let why = format!("zdctl: cannot read log file '{file}': {why}\n");
        zdctl(&sandbox, SLEEP).args(["logtail", file]).stderr(why).status(1).run();
    }
}
