//! Steps of the wall clock: they are seen in the record, and nowhere else.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::{eventually, have};

/// The library that faketime(1) has programs preload.
fn library(sandbox: &Sandbox) -> String {
    let told = sandbox.command("faketime").args(["-f", "+0d", "env"]).output().stdout;
    let line = told.lines().find_map(|line| line.strip_prefix("LD_PRELOAD="));
    line.expect("that is how it works").to_owned()
}

/// Sets the manager's wall clock off by `offset`, and waits until it has seen that.
fn step(manager: &Manager<'_>, offset: i64) {
    manager.sandbox.write("offset.new", format!("{offset:+}\n"));
    fs::rename(manager.sandbox.path("offset.new"), manager.sandbox.path("offset")).expect("it is there");
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    eventually(SOON, || {
        let told: f64 = manager.status()["now"].parse().expect("a number");
        #[expect(clippy::cast_precision_loss, reason = "some years in seconds are exact")]
        let off = told - now().as_secs_f64() - offset as f64;
        off.abs() < 100.0
    });
}

const YEAR: i64 = 365 * 86_400;

#[test]
fn steps_of_the_clock_change_no_back_off_and_no_time_out() {
    if !have("faketime") {
        return;
    }
    let sandbox = Sandbox::new();
    let preload = library(&sandbox);
    sandbox.write("offset", "+0\n");
    // What it leaves behind does not ignore SIGTERM.
    let script = "trap '' TERM; echo $$ > ready; while :; do (trap - TERM; exec sleep 1000); done";
    let conf = conf(&sandbox, "start-grace 0\n stop-timeout 5\n backoff-limit 100\n hang-around true");
    let socket = sandbox.path("sock");
    let run = sandbox.zdrun().arg("-C").arg(conf).args(["-d", "-s", "sock", "sh", "-c", script]);
    let run = run.env("LD_PRELOAD", preload).env("FAKETIME_TIMESTAMP_FILE", sandbox.path("offset"));
    run.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").run();
    let manager = Manager { sandbox: &sandbox, socket };
    let mut program = pid_in(&sandbox.path("ready"));
    for (crash, offset) in [(1, YEAR), (2, -YEAR)] {
        let begun = Instant::now();
        signal(program, Signal::SIGKILL);
        eventually(SOON, || manager.status()["backoff"] == crash.to_string());
        step(&manager, offset);
        program = manager.next_pid(program);
        // By then it has started, and ignores SIGTERM.
        eventually(SOON, || pid_in(&sandbox.path("ready")) == program);
        let took = begun.elapsed();
        assert!(took > Duration::from_secs(crash), "{took:?}");
    }
    signal(program, Signal::SIGKILL);
    let last = manager.next_pid(program);
    eventually(SOON, || pid_in(&sandbox.path("ready")) == last);
    step(&manager, 0);
    let begun = Instant::now();
    assert_eq!(manager.ask("stop"), "Sent SIGTERM\n");
    step(&manager, 10 * YEAR);
    step(&manager, -YEAR);
    eventually(SOON, || manager.pid() == 0);
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(5), "it is killed before its time: {took:?}");
    manager.ask("exit");
    manager.gone();
}
