//! Programs that do not want to be stopped, counted or heard.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::{eventually, have};

/// A python3(1) program: `script`, after the modules that it needs.
fn python(script: &str) -> Vec<String> {
    let modules = "import os, signal, sys, time\n\
        def note(name):\n open(name + '.new', 'w').write(f'{os.getpid()}\\n')\n os.rename(name + '.new', name)\n";
    ["python3", "-c", &format!("{modules}{script}")].map(str::to_owned).to_vec()
}

fn start<'a>(sandbox: &'a Sandbox, runner: &str, program: &[String]) -> Manager<'a> {
    let words: Vec<&str> = program.iter().map(String::as_str).collect();
    let root = sandbox.root().display().to_string();
    let runner = format!("start-grace 0\n directory {root}\n {runner}");
    Manager::start_with(sandbox, &runner, &[], &words)
}

/// A child that left the group, and the session, of the program and waits to be ended; `first` is done before.
fn escaped(first: &str) -> Vec<String> {
    let script = format!(
        "if os.fork() == 0:\n os.setsid()\n {first}\n note('escaped')\n while True: time.sleep(1000)\n\
         note('ready')\nwhile True: time.sleep(1000)"
    );
    python(&script)
}

#[test]
fn child_that_left_the_group_is_ended_with_the_program() {
    if !have("python3") {
        return;
    }
    for first in ["pass", "signal.signal(signal.SIGTERM, lambda *_: (note('asked'), os._exit(0)))"] {
        let sandbox = Sandbox::new();
        let manager = start(&sandbox, "", &escaped(first));
        let child = pid_in(&sandbox.path("escaped"));
        assert_eq!(manager.ask("stop"), "Sent SIGTERM\n");
        manager.gone();
        assert!(!is_alive(child));
        assert_eq!(sandbox.path("asked").exists(), first != "pass", "it is asked before it is killed");
    }
}

#[test]
fn child_that_left_the_group_and_ignores_sigterm_is_killed() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let manager = start(&sandbox, "", &escaped("signal.signal(signal.SIGTERM, signal.SIG_IGN)"));
    let (child, program) = (pid_in(&sandbox.path("escaped")), pid_in(&sandbox.path("ready")));
    assert_eq!(manager.ask("restart"), "Sent SIGTERM; will restart later\n");
    manager.next_pid(program);
    assert!(!is_alive(child), "the next program starts when it is gone");
    manager.ask("stop");
    manager.gone();
}

#[test]
fn what_a_crash_left_behind_is_ended_before_the_next_start() {
    if !have("python3") {
        return;
    }
    for first in ["pass", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"] {
        let sandbox = Sandbox::new();
        let manager = start(&sandbox, "backoff-limit 0", &escaped(first));
        let (child, program) = (pid_in(&sandbox.path("escaped")), pid_in(&sandbox.path("ready")));
        signal(program, Signal::SIGKILL);
        manager.next_pid(program);
        assert!(!is_alive(child), "the next program starts when it is gone");
        manager.ask("stop");
        manager.gone();
    }
}

#[test]
fn what_a_failed_first_start_left_behind_is_ended() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let conf = conf(&sandbox, "start-grace 60");
    let script = "if os.fork() == 0:\n note('child')\n while True: time.sleep(1000)\n\
        while not os.path.exists('child'): time.sleep(0.01)\nos._exit(3)";
    let run = sandbox.zdrun().arg("-C").arg(conf).args(["-d", "-s", "sock"]).args(python(script));
    let told = "zdrun: the program ended before it was up: exit status 3\n\
        zdrun:   (the daemon manager keeps trying, next when all that it left behind has ended; stop ends it)\n";
    run.status(1).stderr(told).run();
    let child = pid_in(&sandbox.path("child"));
    eventually(SOON, || !is_alive(child));
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    manager.ask("stop");
    manager.gone();
}

#[test]
fn child_that_was_orphaned_twice_is_ended_with_the_program() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "if os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n  note('escaped')\n  while True: \
        time.sleep(1000)\n os._exit(0)\nos.wait()\nwhile True: time.sleep(1000)";
    let manager = start(&sandbox, "", &python(script));
    let child = pid_in(&sandbox.path("escaped"));
    manager.ask("stop");
    manager.gone();
    assert!(!is_alive(child));
}

#[test]
fn child_of_an_adopted_program_that_left_its_group_is_ended_too() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let first = start(&sandbox, "", &escaped("pass"));
    let child = pid_in(&sandbox.path("escaped"));
    let own = first.manager_pid();
    signal(own, Signal::SIGKILL);
    eventually(SOON, || !is_alive(own));
    let second = start(&sandbox, "", &escaped("pass"));
    second.ask("stop");
    second.gone();
    assert!(!is_alive(child));
}

#[test]
fn child_that_left_the_group_is_left_alone_where_only_the_process_is_meant() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let manager = start(&sandbox, "stop-group false", &escaped("pass"));
    let (child, program) = (pid_in(&sandbox.path("escaped")), pid_in(&sandbox.path("ready")));
    let own = manager.manager_pid();
    manager.ask("stop");
    eventually(SOON, || !is_alive(own));
    assert!(is_alive(child) && !is_alive(program));
}

#[test]
fn stopped_program_goes_on_to_its_end() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "def bye(*_):\n note('bye')\n os._exit(0)\nsignal.signal(signal.SIGTERM, bye)\nnote('ready')\n\
        os.kill(os.getpid(), signal.SIGSTOP)\nwhile True: time.sleep(1000)";
    let manager = start(&sandbox, "", &python(script));
    let program = pid_in(&sandbox.path("ready"));
    let state = || fs::read_to_string(format!("/proc/{program}/stat")).unwrap_or_default();
    eventually(SOON, || state().contains(") T "));
    let begun = Instant::now();
    manager.ask("stop");
    manager.gone();
    assert_eq!(pid_in(&sandbox.path("bye")), program);
    assert!(begun.elapsed() < SOON, "it does not wait for the stop timeout");
}

#[test]
fn program_in_another_group_of_its_session_is_stopped() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    // A leader cannot leave its group's number to others, but its children can.
    let script = "if os.fork() == 0:\n os.setpgid(0, 0)\n signal.signal(signal.SIGTERM, signal.SIG_IGN)\n \
        note('child')\n while True: time.sleep(1000)\nwhile True: time.sleep(1000)";
    let manager = start(&sandbox, "", &python(script));
    let child = pid_in(&sandbox.path("child"));
    manager.ask("stop");
    manager.gone();
    assert!(!is_alive(child));
}

#[test]
fn program_that_goes_to_the_background_has_ended() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "if os.fork(): os._exit(0)\nos.setsid()\nnote('daemon')\nwhile True: time.sleep(1000)";
    let conf = conf(&sandbox, "start-grace 60");
    let run = sandbox.zdrun().arg("-C").arg(conf).args(["-d", "-s", "sock"]).args(python(script));
    run.status(1)
        .stderr(
            "zdrun: the program ended before it was up: exit status 0; if it puts itself in the background, \
             have it stay in the foreground\n",
        )
        .run();
    // Who started it is told before the manager has gone.
    eventually(SOON, || !sandbox.path("sock").exists() && !sandbox.path("sock.lock").exists());
    assert!(is_alive(pid_in(&sandbox.path("daemon"))), "who it was is not known for sure; it is left alone");
}

#[test]
fn flood_of_output_delays_no_answer_and_no_stop() {
    if !have("python3") {
        return;
    }
    // On a disk it must end some time.
    for (transcript, chunks) in [("", "1e9"), ("transcript /dev/null", "1e9"), ("transcript out", "5e3")] {
        let sandbox = Sandbox::new();
        let script = format!(
            "note('ready')\nfor n in range(int({chunks})):\n os.write(1, b'x' * 65536)\nwhile True: time.sleep(1000)"
        );
        let manager = start(&sandbox, transcript, &python(&script));
        eventually(SOON, || sandbox.path("ready").exists());
        for _ in 0..20 {
            assert_ne!(manager.pid(), 0, "{transcript}");
        }
        assert_eq!(manager.ask("stop"), "Sent SIGTERM\n");
        manager.gone();
    }
}

#[test]
fn program_that_closes_its_output_is_not_taken_for_ended() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "for n in 0, 1, 2: os.close(n)\nnote('ready')\nwhile True: time.sleep(1000)";
    let manager = start(&sandbox, "transcript out", &python(script));
    let program = pid_in(&sandbox.path("ready"));
    let ticks = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
        let fields: Vec<String> = stat.split(' ').map(str::to_owned).collect();
        fields[13].parse::<u64>().expect("a number") + fields[14].parse::<u64>().expect("a number")
    };
    let (own, begun) = (manager.manager_pid(), Instant::now());
    let before = ticks(own);
    eventually(SOON, || begun.elapsed() > Duration::from_millis(300));
    assert!(ticks(own) - before < 10, "the manager sleeps");
    assert_eq!(manager.pid(), program);
    manager.ask("stop");
    manager.gone();
}

#[test]
fn end_of_any_kind_is_told() {
    if !have("python3") {
        return;
    }
    for (how, told) in [
        ("os._exit(77)", "exit status 77"),
        ("os.kill(os.getpid(), 9)", "terminated by SIGKILL"),
        ("os.kill(os.getpid(), 34)", "terminated by SIGRTMIN"),
        ("os.kill(os.getpid(), 64)", "terminated by SIGRTMAX"),
        (
            "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nos.abort()",
            "terminated by SIGABRT",
        ),
    ] {
        let sandbox = Sandbox::new();
        let manager = start(&sandbox, "", &python(&format!("time.sleep(0.05)\n{how}")));
        let last = || manager.status().get("lastexit").cloned();
        let seen = eventually_some(SOON, || last().filter(|last| last != "None"));
        let whole = format!("'{told}'");
        assert!(seen == whole || seen.starts_with(&format!("'{told} (core")), "{how}: {seen}");
        manager.ask("stop");
        manager.gone();
    }
}

#[test]
fn long_list_of_arguments_is_passed_on_and_told() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let long: Vec<String> = (0..1000).map(|n| format!("{n:0100}")).collect();
    let mut words = python("note(str(len(sys.argv)))\nwhile True: time.sleep(1000)");
    words.extend(long);
    let manager = start(&sandbox, "", &words);
    pid_in(&sandbox.path("1001"));
    assert!(manager.status()["args"].len() > 100_000);
    manager.ask("stop");
    manager.gone();
}

#[test]
fn arguments_that_no_program_can_take_are_told_at_once() {
    let sandbox = Sandbox::new();
    // One word may have 128 KiB (execve(2)); the manager itself gets them from its configuration.
    let conf = conf(&sandbox, &format!("program sleep {}", "x".repeat(200_000)));
    let file = "can't exec '[..]/sleep': Argument list too long";
    let run = sandbox.zdrun().arg("-C").arg(conf).args(["-d", "-s", "sock", "-b", "1"]);
    run.status(1).stderr(format!("zdrun: {file}\n")).run();
    sandbox.assert_no_process_left();
    assert!(!sandbox.path("sock").exists());
}
