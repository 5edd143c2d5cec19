//! The first process of a container: nobody else reaps orphans, hands signals on, or tells how the program ended.

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::run::Running;
use crate::sandbox::{can_unshare, eventually};

/// Runs `zdrun` in the foreground as process 1 of a new process namespace; `None` where that is not allowed.
fn container(sandbox: &Sandbox, script: &str) -> Option<Running> {
    let private = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !can_unshare(&private) {
        return None;
    }
    let conf = conf(sandbox, "start-grace 0");
    let zdrun = env!("CARGO_BIN_EXE_zdrun");
    // With --fork, unshare waits for the first process and passes its end on; with --kill-child it takes it along.
    let run = sandbox.command("unshare").args(private).arg(zdrun);
    Some(run.arg("-C").arg(conf).args(["-s", "sock", "sh", "-c", script]).spawn())
}

/// The process outside whose number inside is 1: the child of unshare.
fn first_process(container: &Running) -> i32 {
    eventually_some(SOON, || {
        let children = format!("/proc/{0}/task/{0}/children", container.pid());
        fs::read_to_string(children).ok()?.trim().parse().ok()
    })
}

#[test]
fn signals_are_handed_on_and_the_programs_status_too() {
    let sandbox = Sandbox::new();
    let script = "trap 'echo usr1 >>told' USR1; trap 'echo hup >>told' HUP; trap 'exit 7' TERM; \
        echo ready >told; while :; do sleep 0.05; done";
    let Some(running) = container(&sandbox, script) else { return };
    let first = first_process(&running);
    let told =
        |text: &str| eventually(SOON, || fs::read_to_string(sandbox.path("told")).is_ok_and(|t| t == text));
    told("ready\n");
    signal(first, Signal::SIGUSR1);
    told("ready\nusr1\n");
    signal(first, Signal::SIGHUP);
    told("ready\nusr1\nhup\n");
    signal(first, Signal::SIGTERM);
    assert_eq!(running.wait(SOON).status, 7);
}

#[test]
fn orphans_of_a_container_are_reaped_and_a_death_by_signal_is_told() {
    let sandbox = Sandbox::new();
    let script = "(setsid sh -c 'sleep 0.01 & exit' &); sleep 0.2; \
        grep -l '^State:.Z' /proc/[0-9]*/status | wc -l >zombies; echo >done; exec sleep 1000";
    let Some(running) = container(&sandbox, script) else { return };
    let first = first_process(&running);
    eventually(SOON, || sandbox.path("done").exists());
    assert_eq!(sandbox.read("zombies"), "0\n");
    signal(first, Signal::SIGTERM);
    assert_eq!(running.wait(SOON).status, 143);
}
