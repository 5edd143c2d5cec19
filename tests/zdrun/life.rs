//! The program's life: crashes, restarts, stops, and what it leaves behind.

use nix::sys::signal::Signal;

use super::*;

#[test]
fn crashed_program_comes_back() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let first = manager.pid();
    signal(first, Signal::SIGSEGV);
    let second = manager.next_pid(first);
    assert!(is_alive(second));
    assert_eq!(manager.status()["backoff"], "1");
}

#[test]
fn listed_exit_status_is_the_managers_own() {
    let sandbox = Sandbox::new();
    for (codes, status) in [("3", 3), ("0,2", 2), ("0", 0)] {
        let script = format!("exit {status}");
        let conf = conf(&sandbox, "start-grace 0");
        let run = sandbox.zdrun().arg("-C").arg(conf).args(["-s", "sock", "-x", codes, "sh", "-c", &script]);
        run.status(status).run();
        assert!(!sandbox.path("sock").exists());
    }
}

#[test]
fn standard_descriptor_that_was_closed_is_no_file_of_the_manager() {
    let sandbox = Sandbox::new();
    let conf = conf(&sandbox, "start-grace 0");
    let script =
        r#"exec "$0" -C "$1" -s sock sh -c 'readlink /proc/$$/fd/0 /proc/$$/fd/1 | cat > found' <&- >&-"#;
    sandbox.command("sh").args(["-c", script, env!("CARGO_BIN_EXE_zdrun")]).arg(conf).run();
    assert_eq!(sandbox.read("found"), "/dev/null\n/dev/null\n");
}

#[test]
fn program_that_keeps_dying_is_given_up() {
    let sandbox = Sandbox::new();
    let conf = conf(&sandbox, "start-grace 0");
    let run = sandbox.zdrun().arg("-C").arg(conf).args(["-s", "sock", "-b", "2"]);
    let run = run.args(["sh", "-c", "echo x >> runs; exit 1"]);
    run.status(1).stderr("zdrun: restarting too frequently; quit\n").run();
    assert_eq!(sandbox.read("runs"), "x\nx\n");
}

#[test]
fn limit_zero_restarts_at_once_and_for_ever() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &["-b", "0"], &["sh", "-c", "echo x >> runs; exit 1"]);
    eventually_some(SOON, || {
        (fs::read_to_string(sandbox.path("runs")).is_ok_and(|runs| runs.len() >= 10)).then_some(())
    });
    manager.ask("stop");
    manager.gone();
}

#[test]
fn program_that_ignores_sigterm_is_killed_at_its_time() {
    let sandbox = Sandbox::new();
    let script = "trap '' TERM; echo $$ > ready; while :; do sleep 1000; done";
    let manager = Manager::start_with(&sandbox, "stop-timeout 1\nstart-grace 0", &[], &["sh", "-c", script]);
    let program = pid_in(&sandbox.path("ready"));
    assert_eq!(manager.ask("stop"), "Sent SIGTERM\n");
    manager.gone();
    assert!(!is_alive(program));
}

#[test]
fn stop_ends_the_programs_children_too() {
    let sandbox = Sandbox::new();
    let script = "(trap '' TERM; echo $BASHPID > child; while :; do sleep 1000; done) & sleep 1000";
    let manager = Manager::start(&sandbox, &[], &["bash", "-c", script]);
    let child = pid_in(&sandbox.path("child"));
    assert_eq!(manager.ask("stop"), "Sent SIGTERM\n");
    manager.gone();
    assert!(!is_alive(child));
}

#[test]
fn signal_to_the_manager_stops_the_program_in_order() {
    for by in [Signal::SIGTERM, Signal::SIGINT] {
        let sandbox = Sandbox::new();
        let script = "trap 'echo bye > told; exit 7' TERM; echo $$ > ready; while :; do sleep 0.05; done";
        let manager = Manager::start(&sandbox, &[], &["sh", "-c", script]);
        pid_in(&sandbox.path("ready"));
        signal(manager.manager_pid(), by);
        manager.gone();
        assert_eq!(sandbox.read("told"), "bye\n");
    }
}

#[test]
fn other_signals_do_not_end_the_manager() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let (own, program) = (manager.manager_pid(), manager.pid());
    for harmless in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM, Signal::SIGQUIT] {
        signal(own, harmless);
    }
    assert_eq!((manager.manager_pid(), manager.pid()), (own, program));
}

#[test]
fn foreground_manager_passes_the_programs_output_on_and_ends_by_sigterm() {
    let sandbox = Sandbox::new();
    let running = sandbox.zdrun().args(["-s", "sock", "sh", "-c", "echo up; exec sleep 1000"]).spawn();
    eventually_some(SOON, || (running.stdout() == "up\n").then_some(()));
    running.signal(Signal::SIGTERM);
    let ended = running.wait(SOON);
    assert_eq!((ended.status, ended.stdout.as_str(), ended.stderr.as_str()), (0, "up\n", ""));
    sandbox.assert_no_process_left();
}

#[test]
fn orphans_of_the_program_are_reaped() {
    let sandbox = Sandbox::new();
    let script = "sh -c 'sleep 0.01 & echo $! > orphan'; exec sleep 1000";
    let manager = Manager::start(&sandbox, &[], &["sh", "-c", script]);
    let orphan = pid_in(&sandbox.path("orphan"));
    eventually_some(SOON, || (!Path::new(&format!("/proc/{orphan}")).exists()).then_some(()));
    assert_ne!(manager.pid(), 0);
}

#[test]
fn start_test_holds_the_start_until_it_passes() {
    let sandbox = Sandbox::new();
    let conf = conf(&sandbox, "start-grace 0\nstart-test-program test -e passed");
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    let starting = sandbox.zdrun().arg("-C").arg(conf).args(["-d", "-s", "sock"]).args(SLEEP).spawn();
    eventually_some(SOON, || manager.socket.exists().then_some(()));
    let status = manager.status();
    assert_eq!((status["testing"].as_str(), status["ready"].as_str()), ("1", "0"));
    sandbox.write("passed", "");
    assert_eq!(starting.wait(SOON).status, 0);
    let status = manager.status();
    assert_eq!((status["testing"].as_str(), status["ready"].as_str()), ("0", "1"));
}

#[test]
fn manager_is_reported_to_a_starter_that_listens() {
    let sandbox = Sandbox::new();
    let zdrun = env!("CARGO_BIN_EXE_zdrun");
    for mode in ["-d", ""] {
        let script = format!("ZDRUN_READY_FD=3 '{zdrun}' {mode} -s sock sleep 1000 3>report");
        let running = sandbox.command("bash").args(["-c", &script]).spawn();
        let report = eventually_some(SOON, || {
            fs::read_to_string(sandbox.path("report")).ok().filter(|text| text.ends_with('\n'))
        });
        let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
        let program = manager.pid();
        assert_eq!(report, format!("started {program}\n"));
        let environment = fs::read(format!("/proc/{program}/environ")).expect("it lives");
        assert!(!String::from_utf8_lossy(&environment).contains("ZDRUN_READY_FD"));
        manager.ask("stop");
        assert_eq!(running.wait(SOON).status, 0);
        manager.gone();
        fs::remove_file(sandbox.path("report")).expect("it is there");
        let script = format!("ZDRUN_READY_FD=3 '{zdrun}' {mode} -s sock /no/such 3>report");
        sandbox.command("bash").args(["-c", &script]).status(2).run();
        let expected = "failed can't stat program '/no/such': No such file or directory\n";
        assert_eq!(sandbox.read("report"), expected);
        fs::remove_file(sandbox.path("report")).expect("it is there");
    }
}
