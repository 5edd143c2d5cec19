//! A program that starts another daemon: that is no part of it.

use nix::sys::signal::Signal;

use super::left_behind::{kill_manager, start, start_again};
use super::*;
use crate::sandbox::eventually;

/// A program that starts another manager for a program of its own, which is in `inner`, and then works.
fn outer_program() -> Vec<String> {
    let zdrun = env!("CARGO_BIN_EXE_zdrun");
    let script = format!(
        "[ -e ready ] || {zdrun} -d -s inner.sock -C runner.conf sh -c 'echo $$ >new; mv new inner; exec sleep 1000'\n\
         : >ready\nexec sleep 1000"
    );
    ["sh", "-c", &script].map(str::to_owned).to_vec()
}

#[test]
fn what_has_a_manager_of_its_own_is_never_left_behind() {
    for end in ["stop", "restart", "crash", "killed manager", "both killed"] {
        let sandbox = Sandbox::new();
        let outer = start(&sandbox, "backoff-limit 0", &outer_program());
        let inner_program = pid_in(&sandbox.path("inner"));
        let inner = Manager { sandbox: &sandbox, socket: sandbox.path("inner.sock") };
        eventually(SOON, || sandbox.path("ready").exists() && inner.pid() == inner_program);
        let program = outer.pid();
        match end {
            "stop" => drop(outer.ask("stop")),
            "restart" => drop(outer.ask("restart")),
            "crash" => signal(program, Signal::SIGKILL),
            "killed manager" => kill_manager(&outer),
            _ => {
                kill_manager(&outer);
                signal(program, Signal::SIGKILL);
                eventually(SOON, || !is_alive(program));
                drop(start_again(&sandbox));
            }
        }
        match end {
            "stop" => outer.gone_alone(),
            "restart" | "crash" => drop(outer.next_pid(program)),
            "killed manager" => {
                let second = start_again(&sandbox);
                assert_eq!(second.pid(), program);
                second.ask("stop");
                second.gone_alone();
            }
            _ => drop(outer.next_pid(0)),
        }
        assert_eq!(inner.pid(), inner_program, "{end}");
        inner.ask("stop");
        inner.gone_alone();
    }
}

/// An end of the outer program, or of one of the two managers, after which the inner program runs as it did.
fn ends_outer(sandbox: &Sandbox, outer: &Manager<'_>, end: &str) {
    let program = outer.pid();
    match end {
        "stop" => drop(outer.ask("stop")),
        "restart" => drop(outer.ask("restart")),
        "crash" => signal(program, Signal::SIGKILL),
        _ => {
            kill_manager(outer);
            let second = start_again(sandbox);
            assert_eq!(second.pid(), program);
            second.ask("stop");
        }
    }
    match end {
        "restart" | "crash" => drop(outer.next_pid(program)),
        _ => outer.gone_alone(),
    }
}

/// The controls of a daemon in `inner.conf` by `zdctl`.
fn inner(sandbox: &Sandbox, action: &str) -> String {
    sandbox.zdctl().args(["-C", "inner.conf", action]).output().stdout
}

fn write_inner(sandbox: &Sandbox) {
    let text =
        "<runner>\nprogram sleep 2000\ndaemon true\nsocket-name inner.sock\nstart-grace 0\n</runner>\n";
    sandbox.write("inner.conf", text);
}

#[test]
fn daemon_that_the_program_started_with_zdctl_is_not_its_own() {
    for end in ["stop", "restart", "crash", "killed manager"] {
        for inner_manager_killed in [false, true] {
            let sandbox = Sandbox::new();
            write_inner(&sandbox);
            let zdctl = env!("CARGO_BIN_EXE_zdctl");
            let script = format!("[ -e ready ] || {zdctl} -C inner.conf start\n: >ready\nexec sleep 1000");
            let outer = start(&sandbox, "backoff-limit 0", &["sh", "-c", &script].map(str::to_owned));
            eventually(SOON, || sandbox.path("ready").exists());
            let running = inner(&sandbox, "status");
            assert!(running.starts_with("program running; pid="), "{running}");
            if inner_manager_killed {
                kill_manager(&Manager { sandbox: &sandbox, socket: sandbox.path("inner.sock") });
            }
            ends_outer(&sandbox, &outer, end);
            // Where its manager was killed, the next one adopts it.
            inner(&sandbox, "start");
            assert_eq!(inner(&sandbox, "status"), running, "{end}");
            inner(&sandbox, "stop");
            if outer.socket.exists() {
                outer.ask("stop");
            }
            outer.gone();
        }
    }
}

#[test]
fn daemon_of_python_s_manager_is_not_the_program_s_own() {
    for manager in ["env DAEMON_MANAGER_MODE=1 setsid sh ./manager", "setsid sh ./zdrun.py"] {
        for end in ["stop", "crash"] {
            let sandbox = Sandbox::new();
            for name in ["manager", "zdrun.py"] {
                sandbox.write(name, "sleep 1000 & echo $! >new; mv new inner; wait");
            }
            let script = format!(
                "[ -e ready ] || {manager} &\nuntil [ -e inner ]; do sleep 0.01; done; : >ready\nexec sleep 1000"
            );
            let outer = start(&sandbox, "backoff-limit 0", &["sh", "-c", &script].map(str::to_owned));
            eventually(SOON, || sandbox.path("ready").exists());
            let program = pid_in(&sandbox.path("inner"));
            ends_outer(&sandbox, &outer, end);
            assert!(is_alive(program), "{manager}, {end}");
        }
    }
}

#[test]
fn program_of_a_manager_in_the_foreground_is_the_outer_program_s_too() {
    let sandbox = Sandbox::new();
    let zdrun = env!("CARGO_BIN_EXE_zdrun");
    let words = [zdrun, "-s", "inner.sock", "sh", "-c", "echo $$ >new; mv new inner; exec sleep 1000"];
    let outer = start(&sandbox, "", &words.map(str::to_owned));
    let program = pid_in(&sandbox.path("inner"));
    signal(outer.pid(), Signal::SIGKILL);
    eventually(SOON, || !is_alive(program));
    outer.ask("stop");
    outer.gone();
}
