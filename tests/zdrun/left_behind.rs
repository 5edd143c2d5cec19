//! Those whom a program left behind when it ended, and whom no manager could see to: it was killed at that, or before.

use std::fmt::Write as _;

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::{eventually, have};

/// A child that ends at the second SIGTERM and notes the first: what it does before it says that it is there, and after.
const STUBBORN: [&str; 2] = ["trap 'trap \"exit 0\" TERM; : >asked' TERM", "while :; do sleep 0.02; done"];
/// One that ends at the first.
const MEEK: [&str; 2] = ["", "exec sleep 1000"];

/// A program that puts itself into `program` and, for each of these ways to run it, a child into `child1` and so on. Once
/// they are there it works, as a sleep.
fn program(sandbox: &Sandbox, [before, after]: [&str; 2], ways: &[&str]) -> Vec<String> {
    sandbox.write("child", format!("{before}\necho $$ >new$1; mv new$1 child$1\n{after}\n"));
    let mut script = "echo $$ >program\n".to_owned();
    for (way, number) in ways.iter().zip(1..) {
        let _ = writeln!(script, "{way} sh ./child {number} &");
    }
    for number in 1..=ways.len() {
        let _ = writeln!(script, "until [ -e child{number} ]; do sleep 0.01; done");
    }
    ["sh", "-c", &format!("{script}: >ready\nexec sleep 1000")].map(str::to_owned).to_vec()
}

/// In its session; in another group of that; in a session of its own.
const WAYS: &[&str] = &["", "set -m;", "setsid"];

pub(super) fn start<'a>(sandbox: &'a Sandbox, runner: &str, words: &[String]) -> Manager<'a> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let root = sandbox.root().display();
    Manager::start_with(sandbox, &format!("start-grace 0\ndirectory {root}\n{runner}"), &[], &words)
}

pub(super) fn kill_manager(manager: &Manager<'_>) {
    let pid = manager.manager_pid();
    signal(pid, Signal::SIGKILL);
    eventually(SOON, || !is_alive(pid));
}

/// The program with its children, ready.
fn family(sandbox: &Sandbox, ways: &[&str]) -> (i32, Vec<i32>) {
    eventually(SOON, || sandbox.path("ready").exists());
    let children = (1..=ways.len()).map(|number| pid_in(&sandbox.path(format!("child{number}")))).collect();
    (pid_in(&sandbox.path("program")), children)
}

/// A start whose program is a plain sleep.
pub(super) fn start_again(sandbox: &Sandbox) -> Manager<'_> {
    start(sandbox, "", &["sleep", "1000"].map(str::to_owned))
}

#[test]
fn what_a_killed_manager_was_ending_is_ended_before_the_next_start() {
    let sandbox = Sandbox::new();
    let first = start(&sandbox, "", &program(&sandbox, STUBBORN, WAYS));
    let (pid, children) = family(&sandbox, WAYS);
    signal(pid, Signal::SIGKILL);
    eventually(SOON, || sandbox.path("asked").exists());
    assert_eq!(first.pid(), 0);
    kill_manager(&first);
    assert!(children.iter().any(|child| is_alive(*child)));
    let second = start_again(&sandbox);
    let left: Vec<_> = children.iter().filter(|child| is_alive(**child)).collect();
    assert_eq!(left, Vec::<&i32>::new(), "they end before it starts");
    assert_ne!(second.pid(), 0);
    second.ask("stop");
    second.gone();
}

#[test]
fn what_a_killed_manager_was_ending_at_a_stop_is_ended_by_the_next() {
    let sandbox = Sandbox::new();
    let first = start(&sandbox, "", &program(&sandbox, STUBBORN, &[""]));
    let (pid, children) = family(&sandbox, &[""]);
    assert_eq!(first.ask("stop"), "Sent SIGTERM\n");
    eventually(SOON, || !is_alive(pid) && sandbox.path("asked").exists());
    kill_manager(&first);
    assert!(is_alive(children[0]));
    let second = start_again(&sandbox);
    assert!(!is_alive(children[0]));
    second.ask("stop");
    second.gone();
}

#[test]
fn what_a_program_left_behind_while_it_had_no_manager_is_ended() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display().to_string();
    let words = program(&sandbox, MEEK, WAYS);
    let first = start(&sandbox, &format!("transcript {root}/out"), &words);
    let (pid, children) = family(&sandbox, WAYS);
    kill_manager(&first);
    signal(pid, Signal::SIGKILL);
    eventually(SOON, || !is_alive(pid));
    let second = start_again(&sandbox);
    assert!(!children.iter().any(|child| is_alive(*child)));
    second.ask("stop");
    second.gone();
}

#[test]
fn stop_and_end_of_an_adopted_program_reach_all_that_came_from_it() {
    for ends_itself in [false, true] {
        let sandbox = Sandbox::new();
        let first = start(&sandbox, "", &program(&sandbox, MEEK, WAYS));
        let (pid, children) = family(&sandbox, WAYS);
        kill_manager(&first);
        let second = start_again(&sandbox);
        assert_eq!(second.pid(), pid, "it is adopted");
        assert!(children.iter().all(|child| is_alive(*child)), "and nobody is hurt");
        if ends_itself {
            signal(pid, Signal::SIGKILL);
            second.next_pid(pid);
            assert!(!children.iter().any(|child| is_alive(*child)), "they end before the next start");
        }
        second.ask("stop");
        second.gone();
        assert!(!children.iter().any(|child| is_alive(*child)));
    }
}

#[test]
fn what_is_left_behind_is_left_alone_where_only_the_process_is_meant() {
    let sandbox = Sandbox::new();
    let first = start(&sandbox, "stop-group false", &program(&sandbox, MEEK, &[""]));
    let (pid, children) = family(&sandbox, &[""]);
    kill_manager(&first);
    signal(pid, Signal::SIGKILL);
    eventually(SOON, || !is_alive(pid));
    let second = start(&sandbox, "stop-group false", &["sleep", "1000"].map(str::to_owned));
    assert!(is_alive(children[0]) && second.pid() != 0);
    second.ask("stop");
    eventually(SOON, || !second.socket.exists() && !second.lock_file().exists());
    assert!(is_alive(children[0]));
}

#[test]
fn stop_while_an_earlier_program_s_rest_is_ended_is_a_stop() {
    let sandbox = Sandbox::new();
    let first = start(&sandbox, "", &program(&sandbox, STUBBORN, &[""]));
    let (pid, children) = family(&sandbox, &[""]);
    kill_manager(&first);
    signal(pid, Signal::SIGKILL);
    eventually(SOON, || !is_alive(pid));
    let socket = sandbox.path("sock");
    let starting = sandbox.zdrun().arg("-d").arg("-s").arg(&socket).args(SLEEP).spawn();
    // It notes the first SIGTERM and ends at the stop's.
    eventually(SOON, || sandbox.path("asked").exists());
    let second = Manager { sandbox: &sandbox, socket };
    assert_eq!(second.ask("start"), "Sent SIGTERM; will restart later\n");
    assert_eq!(second.ask("stop"), "Sent SIGTERM\n");
    let told = starting.wait(SOON);
    assert_eq!((told.status, &*told.stderr), (1, "zdrun: it was stopped by another request\n"));
    second.gone();
    assert!(!is_alive(children[0]));
}

/// A lock file as a manager of this start of the system leaves it, whose program had this number and birth.
fn note(sandbox: &Sandbox, pid: i32, birth: u64) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
    let lines = [format!("manager 1 {}", boot.trim()), format!("program {pid} {birth}")];
    sandbox.write("sock.lock", lines.map(|line| format!("{line:<63}\n")).concat());
}

fn birth(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)?.parse().ok()).expect("a number")
}

#[test]
fn session_that_may_be_another_program_s_is_left_alone() {
    let sandbox = Sandbox::new();
    // It does not bear the mark.
    let script = "sleep 1000 & echo $! >new; mv new child; echo $$ >program; exec sleep 1000";
    let running = sandbox.command("setsid").args(["sh", "-c", script]).spawn();
    let (leader, child) = (pid_in(&sandbox.path("program")), pid_in(&sandbox.path("child")));
    let born = birth(leader);
    let start_and_stop = || {
        sandbox.zdrun().args(["-d", "-s", "sock"]).args(SLEEP).run();
        let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
        manager.ask("stop");
        eventually(SOON, || !sandbox.path("sock.lock").exists());
    };
    // The number is another's now.
    note(&sandbox, leader, born - 1);
    start_and_stop();
    assert!(is_alive(leader) && is_alive(child));
    signal(leader, Signal::SIGKILL);
    running.wait(SOON);
    eventually(SOON, || !Path::new(&format!("/proc/{leader}")).exists());
    note(&sandbox, leader, born);
    start_and_stop();
    assert!(is_alive(child));
}

#[test]
fn manager_that_is_to_end_what_was_left_behind_starts_nothing() {
    for program_runs in [false, true] {
        let sandbox = Sandbox::new();
        let first = start(&sandbox, "", &program(&sandbox, MEEK, WAYS));
        let (pid, children) = family(&sandbox, WAYS);
        kill_manager(&first);
        if !program_runs {
            signal(pid, Signal::SIGKILL);
            eventually(SOON, || !is_alive(pid));
        }
        let run =
            || sandbox.zdrun().env("ZDRUN_END_ONLY", "1").args(["-d", "-s", "sock", "/no/such/program"]);
        assert_eq!(run().output().status, 0);
        assert!(!children.iter().chain([&pid]).any(|process| is_alive(*process)));
        run().run();
        first.gone();
    }
}

#[test]
fn program_that_could_not_note_itself_is_ended_before_the_next_start() {
    let sandbox = Sandbox::new();
    let first = start(&sandbox, "", &program(&sandbox, MEEK, WAYS));
    let (pid, children) = family(&sandbox, WAYS);
    // As on a full disk.
    let lock = fs::OpenOptions::new().write(true).open(first.lock_file()).expect("a lock file");
    std::os::unix::fs::FileExt::write_all_at(&lock, &[b' '; 63], 64).expect("it is no shorter");
    kill_manager(&first);
    let told = sandbox.zdctl().args(["-s", "sock", "-p", "sleep 1000", "status"]).output();
    assert_eq!((told.status, &*told.stdout), (4, "daemon manager not running\n"), "{told:?}");
    let second = start_again(&sandbox);
    assert!(!is_alive(pid) && !children.iter().any(|child| is_alive(*child)));
    second.ask("stop");
    second.gone();
}

#[test]
fn thousand_children_of_a_program_that_dies_are_ended_by_any_manager() {
    if !have("python3") {
        return;
    }
    let script = "import os, time\nfor n in range(1000):\n if os.fork() == 0: time.sleep(1000)\n\
        open('ready', 'w')\ntime.sleep(1000)";
    let words = ["python3", "-c", script].map(str::to_owned);
    for without_manager in [false, true] {
        let sandbox = Sandbox::new();
        let first = start(&sandbox, "backoff-limit 0", &words);
        eventually(SOON, || sandbox.path("ready").exists());
        let program = first.pid();
        if without_manager {
            kill_manager(&first);
        }
        signal(program, Signal::SIGKILL);
        let manager = if without_manager { start_again(&sandbox) } else { first };
        manager.next_pid(program);
        if without_manager {
            let left = sandbox.leftovers();
            assert!(
                !left.iter().any(|process| process.contains("python3")),
                "they end before it starts: {left:?}"
            );
        }
        manager.ask("stop");
        manager.gone();
    }
}

#[test]
fn program_whose_first_thread_has_ended_is_adopted() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "import ctypes, os, threading, time\n\
        threading.Thread(target=lambda: time.sleep(1000)).start()\nctypes.CDLL(None).pthread_exit(None)";
    let words = ["python3", "-c", script].map(str::to_owned);
    let first = start(&sandbox, "", &words);
    let pid = first.pid();
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    eventually(SOON, || stat().contains(") Z "));
    kill_manager(&first);
    let second = start(&sandbox, "", &words);
    assert_eq!(second.pid(), pid);
    second.ask("stop");
    second.gone();
    eventually(SOON, || stat().is_empty());
}
