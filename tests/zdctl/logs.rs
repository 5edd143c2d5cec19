//! `logtail`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

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
fn log_that_is_not_there_yet_is_waited_for() {
    let sandbox = Sandbox::new();
    for lines in ["10", "0"] {
        let log = sandbox.path("dir/log");
        let tail = zdctl(&sandbox, SLEEP).args(["logtail", "-n", lines, "dir/log"]).spawn();
        let mut output = String::from("==> Waiting for dir/log <==\n");
        eventually(SOON, || tail.stdout() == output);
        fs::create_dir(sandbox.path("dir")).expect("a directory");
        fs::write(sandbox.path("dir/new"), "1\n2\n").expect("a file");
        fs::rename(sandbox.path("dir/new"), &log).expect("it can be renamed");
        output += "1\n2\n";
        eventually(SOON, || tail.stdout() == output);
        append(&log, "3\n");
        output += "3\n";
        eventually(SOON, || tail.stdout() == output);
        tail.signal(Signal::SIGINT);
        let ended = tail.wait(SOON);
        assert_eq!((ended.status, ended.stdout, ended.stderr), (0, output + "\n", String::new()));
        fs::remove_dir_all(sandbox.path("dir")).expect("it can be removed");
    }
}

#[test]
fn interrupt_ends_the_wait_for_a_log_which_costs_no_time() {
    let sandbox = Sandbox::new();
    let tail = zdctl(&sandbox, SLEEP).args(["logtail", "log"]).spawn();
    eventually(SOON, || !tail.stdout().is_empty());
    // Fields 14 and 15 of stat are the time of the processor, in ticks (proc(5)): a loop that is busy uses it all.
    let stat = || fs::read_to_string(format!("/proc/{}/stat", tail.pid())).expect("it runs");
    let ticks = || -> u64 {
        let stat = stat();
        let fields = stat.rsplit_once(')').expect("a name").1.split_ascii_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    };
    let before = ticks();
    let begun = Instant::now();
    eventually(SOON, || begun.elapsed() > Duration::from_secs(1));
    assert!(ticks() - before < 30, "it is busy");
    tail.signal(Signal::SIGINT);
    let ended = tail.wait(SOON);
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "==> Waiting for log <==\n\n"));
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
    for (file, why) in
        [("/dev/null/log", "Not a directory"), ("/", "Is a directory"), ("/dev/null", "not a regular file")]
    {
        let why = format!("zdctl: cannot read log file '{file}': {why}\n");
        zdctl(&sandbox, SLEEP).args(["logtail", file]).stderr(why).status(1).run();
    }
}
