//! What outlives a manager: the program that a killed one left, and the manager that its next binary goes on with.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::chance::Chance;
use crate::sandbox::{eventually, is_long};

/// Kills the manager and waits until it is gone.
fn kill_manager(manager: &Manager<'_>) {
    let pid = manager.manager_pid();
    signal(pid, Signal::SIGKILL);
    eventually(SOON, || !is_alive(pid));
}

#[test]
fn program_of_a_killed_manager_is_adopted_by_the_next() {
    let sandbox = Sandbox::new();
    let first = Manager::start(&sandbox, &[], SLEEP);
    let program = first.pid();
    kill_manager(&first);
    assert!(is_alive(program));
    let second = Manager::start(&sandbox, &[], SLEEP);
    assert_eq!(second.pid(), program);
    assert_eq!(second.status()["ready"], "1");
    assert_eq!(second.ask("start"), "Application already started\n");
    signal(program, Signal::SIGKILL);
    let next = second.next_pid(program);
    assert_eq!(second.status()["lastexit"], "'ended; how is only known to the manager that started it'");
    second.ask("stop");
    second.gone();
    assert!(!is_alive(next));
}

#[test]
fn adopted_program_is_stopped_with_its_children() {
    let sandbox = Sandbox::new();
    let script = "(trap '' TERM; echo $BASHPID > child; while :; do sleep 1000; done) & sleep 1000";
    let first = Manager::start(&sandbox, &[], &["bash", "-c", script]);
    let child = pid_in(&sandbox.path("child"));
    kill_manager(&first);
    let second = Manager::start(&sandbox, &[], &["bash", "-c", script]);
    assert_eq!(second.ask("stop"), "Sent SIGTERM\n");
    second.gone();
    assert!(!is_alive(child));
}

#[test]
fn adopted_program_is_told_by_its_own_words() {
    let sandbox = Sandbox::new();
    let first = Manager::start(&sandbox, &[], SLEEP);
    let program = first.pid();
    kill_manager(&first);
    let second = Manager::start(&sandbox, &[], &["sleep", "2000"]);
    assert_eq!(second.status()["args"], "['sleep', '1000']");
    assert_eq!(second.ask("restart"), "Sent SIGTERM; will restart later\n");
    second.next_pid(program);
    assert_eq!(second.status()["args"], "['sleep', '2000']");
}

#[test]
fn script_that_became_the_server_is_still_the_program() {
    let sandbox = Sandbox::new();
    let script = sandbox.write("wrapper", "#!/bin/sh\n: >ready\nexec sleep 1000\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).expect("a mode");
    let words = [script.to_str().expect("text"), "a b"];
    let first = Manager::start(&sandbox, &[], &words);
    eventually(SOON, || sandbox.path("ready").exists());
    kill_manager(&first);
    let second = Manager::start(&sandbox, &[], &words);
    assert_eq!(second.status()["args"], format!("['{}', 'a b']", words[0]));
}

#[test]
fn transcript_that_cannot_be_opened_refuses_the_next_binary() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display();
    let runner = format!("start-grace 0\ntranscript {root}/out");
    let manager = Manager::start_with(&sandbox, &runner, &[], SLEEP);
    let program = manager.pid();
    fs::remove_file(sandbox.path("out")).expect("it is there");
    fs::create_dir(sandbox.path("out")).expect("a directory");
    let reply = manager.ask("reexec");
    assert!(reply.ends_with("out': Is a directory\n"), "{reply}");
    assert_eq!((manager.pid(), &*manager.status()["replaced"]), (program, "0"));
}

#[test]
fn output_in_a_gap_between_managers_is_kept() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display();
    let runner = format!("start-grace 0\ntranscript {root}/out");
    let script =
        "echo one; until [ -e go ]; do sleep 0.02; done; echo two; echo done > said; exec sleep 1000";
    let first = Manager::start_with(&sandbox, &runner, &[], &["sh", "-c", script]);
    eventually(SOON, || sandbox.path("out").exists() && sandbox.read("out") == "one\n");
    kill_manager(&first);
    sandbox.write("go", "");
    eventually(SOON, || sandbox.path("said").exists());
    assert_eq!(sandbox.read("out"), "one\n");
    let _second = Manager::start_with(&sandbox, &runner, &[], &["sh", "-c", script]);
    eventually(SOON, || sandbox.read("out") == "one\ntwo\n");
}

#[test]
fn pipe_that_an_adopted_program_made_for_itself_is_left_to_it() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display();
    let runner = format!("start-grace 0\ndirectory {root}\ntranscript {root}/out");
    let script = "exec > >(while read -r line; do echo \"$line\" >>own; done); echo $$ >new; mv new ready\n\
        until [ -e go ]; do sleep 0.02; done; for n in $(seq 100); do echo $n; done; echo said >&2; exec sleep 1000";
    let words = ["bash", "-c", script];
    let first = Manager::start_with(&sandbox, &runner, &[], &words);
    pid_in(&sandbox.path("ready"));
    kill_manager(&first);
    let _second = Manager::start_with(&sandbox, &runner, &[], &words);
    sandbox.write("go", "");
    let all: String = (1..=100).map(|number: u32| number.to_string() + "\n").collect();
    let own = || fs::read_to_string(sandbox.path("own")).unwrap_or_default();
    // What it writes elsewhere comes the usual way.
    eventually(SOON, || own() == all && sandbox.read("out") == "said\n");
}

#[test]
fn program_that_died_with_its_manager_is_not_adopted() {
    let sandbox = Sandbox::new();
    let first = Manager::start(&sandbox, &[], SLEEP);
    let program = first.pid();
    kill_manager(&first);
    signal(program, Signal::SIGKILL);
    eventually(SOON, || !is_alive(program));
    let second = Manager::start(&sandbox, &[], SLEEP);
    assert_ne!(second.pid(), program);
}

#[test]
fn next_binary_goes_on_with_program_socket_and_output() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display();
    let runner = format!("start-grace 0\ntranscript {root}/out");
    let script = "n=0; until [ -e enough ]; do n=$((n+1)); echo $n; done; echo done > said; exec sleep 1000";
    let manager = Manager::start_with(&sandbox, &runner, &[], &["sh", "-c", script]);
    let (own, program) = (manager.manager_pid(), manager.pid());
    for replaced in 1..=5 {
        assert_eq!(manager.ask("reexec"), "Replacing the daemon manager\n");
        eventually(SOON, || manager.status()["replaced"] == replaced.to_string());
        assert_eq!((manager.manager_pid(), manager.pid()), (own, program));
    }
    sandbox.write("enough", "");
    eventually(SOON, || sandbox.path("said").exists());
    signal(program, Signal::SIGKILL);
    manager.next_pid(program);
    assert_eq!(manager.status()["lastexit"], "'terminated by SIGKILL'");
    manager.ask("stop");
    manager.gone();
    let lines: Vec<u64> = sandbox.read("out").lines().filter_map(|line| line.parse().ok()).collect();
    let first_run = lines.iter().zip(1..).take_while(|(line, expected)| *line == expected).count();
    assert!(first_run > 100 && lines.len() == first_run, "no line is lost: {first_run} of {}", lines.len());
}

#[test]
fn signal_that_comes_during_a_replacement_is_not_lost() {
    let mut chance = Chance::new();
    for round in 0..if is_long() { 200 } else { 20 } {
        let delay = Duration::from_millis(25).mul_f64(chance.fraction());
        let place = format!("round {round}, after {delay:?} (seed {})", chance.seed());
        let sandbox = Sandbox::new();
        let manager = Manager::start(&sandbox, &[], SLEEP);
        let (own, program) = (manager.manager_pid(), manager.pid());
        let mut asking = manager.connect();
        asking.write_all(b"reexec\n").expect("it is taken");
        let begun = Instant::now();
        eventually(SOON, || begun.elapsed() >= delay);
        // These end nothing.
        for harmless in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM] {
            signal(own, harmless);
        }
        signal(own, if round % 2 == 0 { Signal::SIGTERM } else { Signal::SIGINT });
        eventually(SOON, || !is_alive(own));
        assert!(!is_alive(program), "{place}: the program is stopped first");
        manager.gone();
    }
}

#[test]
fn adopted_program_goes_on_under_the_next_binary_too() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display();
    let runner = format!("start-grace 0\ntranscript {root}/out\ndirectory {root}\nbackoff-limit 0");
    let script = "sleep 1000 & echo $! >new; mv new child; until [ -e go ]; do sleep 0.02; done\n\
        echo said; exec sleep 1000";
    let words = ["sh", "-c", script];
    let first = Manager::start_with(&sandbox, &runner, &[], &words);
    let (program, child) = (first.pid(), pid_in(&sandbox.path("child")));
    kill_manager(&first);
    let second = Manager::start_with(&sandbox, &runner, &[], SLEEP);
    for replaced in ["1", "2"] {
        assert_eq!(second.ask("reexec"), "Replacing the daemon manager\n");
        eventually(SOON, || second.status()["replaced"] == replaced);
        let status = second.status();
        assert_eq!((second.pid(), &*status["ready"]), (program, "1"));
        assert!(status["args"].starts_with("['sh', '-c', "), "{}", status["args"]);
    }
    sandbox.write("go", "");
    eventually(SOON, || sandbox.read("out") == "said\n");
    signal(program, Signal::SIGKILL);
    let next = second.next_pid(program);
    assert!(!is_alive(child));
    assert_eq!(second.status()["args"], "['sleep', '1000']");
    assert_eq!(second.ask("reexec"), "Replacing the daemon manager\n");
    eventually(SOON, || second.status()["replaced"] == "3");
    assert_eq!(second.pid(), next);
    second.ask("stop");
    second.gone();
}

#[test]
fn back_off_goes_on_in_the_next_binary() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &["-b", "1000"], &["sh", "-c", "exit 1"]);
    eventually(SOON, || manager.status()["backoff"] == "2" && manager.pid() == 0);
    assert_eq!(manager.ask("reexec"), "Replacing the daemon manager\n");
    eventually(SOON, || manager.status()["replaced"] == "1");
    assert_ne!(manager.status()["backoff"], "0");
    eventually(SOON, || manager.status()["backoff"] == "3");
}

#[test]
fn binary_that_would_not_run_does_not_take_over() {
    let sandbox = Sandbox::new();
    let conf = conf(&sandbox, "start-grace 0");
    let manager = Manager::start_from(&sandbox, &conf, &[], SLEEP);
    let program = manager.pid();
    sandbox.write("runner.conf", "<runner>\n no-such-key\n</runner>\n");
    let reply = manager.ask("reexec");
    assert!(reply.starts_with("Daemon manager not replaced: the program file '"), "{reply}");
    assert!(reply.contains("no-such-key"), "{reply}");
    assert_eq!((manager.pid(), manager.status()["replaced"].as_str()), (program, "0"));
}
