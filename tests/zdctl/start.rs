//! Starts, restarts and stops that do not go as one would like.

use super::*;

/// Starts as long as there is no file `broken`. However slow it is to end, it is not up then.
const BREAKABLE: &str = "  program sh -c 'test -e broken && { echo port in use >&2; exit 3; }; exec sleep 1000'\n  \
     start-grace 0\n  start-test-program test ! -e broken\n";

const FAILED: &str = "zdctl: program not started: the program ended before it was up: exit status 3\n\
    zdctl:   port in use\n";

const KEEPS_TRYING: &str = "zdctl:   (the daemon manager keeps trying, next in 1 s; stop ends it)\n";

#[test]
fn start_of_a_program_that_ends_at_once_tells_its_last_words_and_where_more_is() {
    let sandbox = Sandbox::new();
    sandbox.write("broken", "");
    let log = sandbox.write("server.log", "port in use\n").display().to_string();
    // Another is not there, or has nothing to say.
    for (transcript, named) in [("absent", false), ("empty", false), ("out", true)] {
        let runner = match transcript {
            "absent" => format!("{BREAKABLE}  logfile {}", sandbox.path(transcript).display()),
            "empty" => format!("{BREAKABLE}  logfile {}", sandbox.write(transcript, "").display()),
            _ => format!("{BREAKABLE}  logfile {log}"),
        };
        let see = if named { format!("zdctl:   (see {log})\n") } else { String::new() };
        let why = format!("{FAILED}{see}{KEEPS_TRYING}");
        configured(&sandbox, &runner).arg("start").stderr(why).status(1).run();
        configured(&sandbox, &runner).arg("stop").stdout("daemon process stopped\n").run();
    }
    sandbox.assert_no_process_left();
}

#[test]
fn program_that_is_late_comes_up_at_a_later_try() {
    let sandbox = Sandbox::new();
    sandbox.write("broken", "");
    let zdctl = || configured(&sandbox, BREAKABLE);
    zdctl().arg("start").stderr(format!("{FAILED}{KEEPS_TRYING}")).status(1).run();
    std::fs::remove_file(sandbox.path("broken")).expect("it is there");
    eventually(SOON, || zdctl().args(["status", "--json"]).output().stdout.contains("\"ready\":true"));
    zdctl().arg("start").stdout("daemon process already running; pid=[..]\n").run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn start_in_a_back_off_tries_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write("broken", "");
    let zdctl = || configured(&sandbox, &format!("{BREAKABLE}  backoff-limit 1000"));
    let pause = || zdctl().args(["status", "--json"]).output().stdout;
    zdctl().arg("start").stderr(format!("{FAILED}{KEEPS_TRYING}")).status(1).run();
    // The pauses grow; a start that is asked for does not wait for the next.
    eventually(SOON, || pause().contains("\"backoff\":3"));
    std::fs::remove_file(sandbox.path("broken")).expect("it is there");
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn start_that_keeps_failing_ends_with_its_manager_and_wait_sees_that() {
    let sandbox = Sandbox::new();
    let zdctl = || configured(&sandbox, "  program sh -c 'echo x >>tries; exit 3'\n  backoff-limit 2");
    let why = "zdctl: program not started: the program ended before it was up: exit status 3\n";
    zdctl().arg("start").stderr(format!("{why}{KEEPS_TRYING}")).status(1).run();
    let stopped = "daemon process stopped\ndaemon manager not running\n";
    zdctl().arg("wait").stdout(stopped).run();
    assert_eq!(sandbox.read("tries"), "x\nx\n");
    sandbox.assert_no_process_left();
}

#[test]
fn escape_sequences_of_a_failing_program_do_not_reach_the_terminal() {
    let sandbox = Sandbox::new();
    let program = r"printf \033[31mred\033[0m\033]0;title\007\\n; exit 3";
    let zdctl = || configured(&sandbox, &format!("  program sh -c '{}'", program.replace('\\', "\\\\")));
    let started = zdctl().arg("start").output();
    assert!(!started.stderr.contains('\u{1b}'), "{started:?}");
    assert!(started.stderr.contains("zdctl:   red\n"), "{started:?}");
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn start_that_another_request_stops_says_so() {
    let sandbox = Sandbox::new();
    let zdctl = || configured(&sandbox, "  program sleep 1000\n  start-grace 1000");
    let starting = zdctl().arg("start").spawn();
    eventually(SOON, || zdctl().args(["status", "--json"]).output().stdout.contains("\"pid\":"));
    eventually(SOON, || !zdctl().args(["status", "--json"]).output().stdout.contains("\"pid\":null"));
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    let started = starting.wait(SOON);
    let why = "zdctl: program not started: it was stopped by another request\n";
    assert_eq!((started.status, started.stderr.as_str()), (1, why));
    let starting = sandbox.zdrun().args(["-C", "zdctl.conf"]).spawn();
    eventually(SOON, || !zdctl().args(["status", "--json"]).output().stdout.contains("\"pid\":null"));
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    let started = starting.wait(SOON);
    let why = "zdrun: it was stopped by another request\n";
    assert_eq!((started.status, started.stderr.as_str()), (1, why));
}

#[test]
fn start_that_is_broken_off_leaves_nothing_that_keeps_the_callers_output_open() {
    let sandbox = Sandbox::new();
    for (runner, broken_off) in [("start-test-program false\n start-timeout 1", false), ("notify true", true)]
    {
        let zdctl = || configured(&sandbox, &format!("  program sleep 1000\n {runner}"));
        let start = format!("'{}' -C zdctl.conf start", env!("CARGO_BIN_EXE_zdctl"));
        let start = if broken_off { format!("timeout -s KILL 1 {start}") } else { start };
        drop(zdctl());
        // The pipe ends when the last that has it open ends.
        let seen = sandbox.command("sh").args(["-c", &format!("({start}) 2>&1 | cat")]).output();
        assert_eq!(seen.status, 0, "{seen:?}");
        eventually(SOON, || zdctl().arg("status").output().status == 0);
        zdctl().arg("stop").stdout("daemon process stopped\n").run();
        sandbox.assert_no_process_left();
    }
}

#[test]
fn restart_into_a_program_that_ends_at_once_fails_at_once() {
    let sandbox = Sandbox::new();
    let zdctl = || configured(&sandbox, BREAKABLE);
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    sandbox.write("broken", "");
    let why = format!("{FAILED}{KEEPS_TRYING}");
    zdctl().arg("restart").stderr(why.clone()).status(1).run();
    // The manager goes on trying, and a start that is asked for fails as well.
    zdctl().arg("start").stderr(why).status(1).run();
    std::fs::remove_file(sandbox.path("broken")).expect("it is there");
    zdctl().arg("restart").stdout("daemon process started, pid=[..]\n").run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn restart_into_a_program_that_cannot_be_executed_says_why() {
    let sandbox = Sandbox::new();
    sandbox.write("program", "#!/bin/sh\nexec sleep 1000\n");
    sandbox.command("chmod").args(["+x", "program"]).run();
    let program = sandbox.path("program").display().to_string();
    let zdctl = || zdctl(&sandbox, &program);
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    sandbox.command("chmod").args(["-x", "program"]).run();
    let why =
        format!("zdctl: program not started: can't exec '{program}': Permission denied\n{KEEPS_TRYING}");
    zdctl().arg("restart").stderr(why.clone()).status(1).run();
    zdctl().arg("start").stderr(why).status(1).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn program_that_is_not_ready_in_time_goes_on() {
    let sandbox = Sandbox::new();
    let runner = "  program sleep 1000\n  notify true\n  start-timeout 1";
    let zdctl = || configured(&sandbox, runner);
    let why = "zdctl: Program took too long to start\nzdctl:   (it is left running; stop ends it)\n";
    zdctl().arg("start").stderr(why).status(1).run();
    // On a busy machine it may have been too long even for the manager.
    let running = || Some(zdctl().arg("status").output()).filter(|seen| seen.status == 0);
    let pid = eventually_some(SOON, running).pid();
    // A second start waits for the same program.
    zdctl().arg("start").stderr(why).status(1).run();
    zdctl().arg("status").stdout(format!("program running; pid={pid}\n")).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn start_waits_for_the_test_program() {
    let sandbox = Sandbox::new();
    let runner = "  program sleep 1000\n  start-grace 0\n  start-test-program test -e up\n  start-timeout 60";
    let zdctl = || configured(&sandbox, runner);
    let starting = zdctl().arg("start").spawn();
    eventually(SOON, || zdctl().args(["status", "--json"]).output().stdout.contains("\"testing\":true"));
    // It is there, and not up: another start waits for the same.
    let second = zdctl().arg("start").spawn();
    assert_eq!(starting.stdout().trim_end_matches(['.', ' ']), "");
    sandbox.write("up", "");
    let (started, second) = (starting.wait(SOON), second.wait(SOON));
    assert!(matches("[..]daemon process started, pid=[..]\n", &started.stdout), "{started:?}");
    assert!(matches("[..]daemon process already running; pid=[..]\n", &second.stdout), "{second:?}");
    assert_eq!((started.status, second.status, started.pid()), (0, 0, second.pid()));
    std::fs::remove_file(sandbox.path("up")).expect("it is there");
    let restarting = zdctl().arg("restart").spawn();
    eventually(SOON, || zdctl().args(["status", "--json"]).output().stdout.contains("\"testing\":true"));
    sandbox.write("up", "");
    let restarted = restarting.wait(SOON);
    assert!(matches("[..]daemon process restarted, pid=[..]\n", &restarted.stdout), "{restarted:?}");
    assert_ne!(restarted.pid(), started.pid());
}

#[test]
fn test_program_that_hangs_or_floods_holds_up_the_start_and_nothing_else() {
    for test in ["sleep 1000", "sh -c 'while :; do echo y; done'", "sh -c 'while :; do echo y >&2; done'"] {
        let sandbox = Sandbox::new();
        let with_test = || {
            let runner = format!(
                "program {SLEEP}\n start-timeout 2\n start-test-program {test}\n transcript /dev/null"
            );
            configured(&sandbox, &runner)
        };
        let took_too_long =
            "zdctl: Program took too long to start\nzdctl:   (it is left running; stop ends it)\n";
        with_test().arg("start").stderr(took_too_long).status(1).run();
        let json = with_test().args(["status", "--json"]).output().stdout;
        assert!(
            json.starts_with("{\"state\":\"starting\"") && json.contains("\"testing\":true"),
            "{test}: {json}"
        );
        with_test().arg("stop").stdout("daemon process stopped\n").run();
        sandbox.assert_no_process_left();
    }
}

#[test]
fn manager_that_hangs_around_starts_again() {
    let sandbox = Sandbox::new();
    let zdctl = || configured(&sandbox, &format!("{BREAKABLE}  hang-around true"));
    let first = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    let down = "daemon manager running; daemon process not running\n";
    zdctl().arg("status").stdout(down).status(3).run();
    zdctl().arg("stop").stdout("daemon process not running\n").run();
    sandbox.write("broken", "");
    let why = format!("{FAILED}{KEEPS_TRYING}");
    zdctl().arg("start").stderr(why).status(1).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    std::fs::remove_file(sandbox.path("broken")).expect("it is there");
    let second = zdctl().arg("restart").stdout("daemon process started, pid=[..]\n").run().pid();
    assert_ne!(first, second);
}

#[test]
fn stop_that_reaches_its_timeout_kills() {
    let sandbox = Sandbox::new();
    let program = "sh -c 'trap \"\" TERM; : >ready; while :; do sleep 0.1; done'";
    let zdctl = || configured(&sandbox, &format!("  program {program}\n  stop-timeout 1"));
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    wait_for(&sandbox.path("ready"));
    zdctl().arg("stop").stdout("[..]daemon process stopped\n").run();
    zdctl().arg("status").stdout("daemon manager not running\n").status(3).run();
    sandbox.assert_no_process_left();
}

#[test]
fn stop_waits_for_what_the_program_leaves_behind() {
    let sandbox = Sandbox::new();
    let program = "sh -c '(trap \"\" TERM; : >ready; while ! test -e go; do sleep 0.02; done; : >gone) & \
        while :; do sleep 0.02; done'";
    zdctl(&sandbox, program).arg("start").stdout("daemon process started, pid=[..]\n").run();
    wait_for(&sandbox.path("ready"));
    let stopping = zdctl(&sandbox, program).arg("stop").spawn();
    let json = || zdctl(&sandbox, program).args(["status", "--json"]).output().stdout;
    eventually(SOON, || json().contains("\"state\":\"stopping\",\"should_be_up\":false,\"pid\":null"));
    assert_eq!(stopping.stdout(), "");
    sandbox.write("go", "");
    let stopped = stopping.wait(SOON);
    assert_eq!(stopped.stdout, "daemon process stopped\n");
    assert!(sandbox.path("gone").exists());
}

#[test]
fn wait_ends_when_the_manager_has_gone_and_not_with_the_program() {
    let sandbox = Sandbox::new();
    let zdctl = || configured(&sandbox, "  program sleep 1000\n  start-grace 0");
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    let mut waiting = zdctl().arg("wait").on_terminal(20, 80);
    // The wait is under way when it shows that time passes.
    waiting.shows("waiting: [..] s elapsed");
    zdctl().arg("restart").stdout("daemon process restarted, pid=[..]\n").run();
    zdctl().args(["kill", "9"]).stdout("[..]\nsignal SIGKILL sent to process [..]\n").run();
    eventually(SOON, || zdctl().args(["status", "--json"]).output().stdout.contains("\"restarts\":1"));
    let so_far = waiting.screen();
    eventually(SOON, || waiting.screen() != so_far);
    waiting.shows("waiting: [..] s elapsed");
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    assert_eq!(waiting.wait(), 0);
    waiting.shows("daemon process stopped\ndaemon manager not running\n");
}

#[test]
fn wait_ends_where_the_manager_stays_without_a_program() {
    let sandbox = Sandbox::new();
    let zdctl = || configured(&sandbox, "  program sleep 1000\n  hang-around true");
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    let waiting = zdctl().arg("wait").spawn();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    let down = "daemon manager running; daemon process not running\n";
    assert_eq!(waiting.wait(SOON).stdout, format!("daemon process stopped\n{down}"));
}

#[test]
fn program_may_run_zdctl_itself() {
    let sandbox = Sandbox::new();
    let inner = format!("'{}' -d -s inner -p 'sleep 1000'", env!("CARGO_BIN_EXE_zdctl"));
    let script = format!("#!/bin/sh\n{inner} start >told 2>&1\n: >ready\nexec sleep 1000\n");
    sandbox.write("program", script);
    sandbox.command("chmod").args(["+x", "program"]).run();
    let outer = || zdctl(&sandbox, "./program");
    outer().arg("start").stdout("daemon process started, pid=[..]\n").run();
    wait_for(&sandbox.path("ready"));
    assert!(matches("daemon process started, pid=[..]\n", &sandbox.read("told")), "{}", sandbox.read("told"));
    let inner = || sandbox.zdctl().args(["-d", "-s", "inner", "-p", SLEEP]);
    inner().arg("restart").stdout("daemon process restarted, pid=[..]\n").run();
    outer().arg("status").stdout("program running; pid=[..]\n").run();
    // What has a manager of its own goes on.
    outer().arg("stop").stdout("[..]daemon process stopped\n").run();
    inner().arg("status").stdout("program running; pid=[..]\n").run();
    inner().arg("stop").stdout("[..]daemon process stopped\n").run();
    assert!(!sandbox.path("inner").exists());
    sandbox.assert_no_process_left();
}

#[test]
fn start_test_that_cannot_be_run_fails_the_start_early_with_its_reason() {
    let sandbox = Sandbox::new();
    sandbox.write("unfit", "text");
    let unfit = sandbox.path("unfit").display().to_string();
    for (test, reason) in [
        ("/no/such", "can't stat program '/no/such': No such file or directory".to_owned()),
        ("no-such-test", "can't find program 'no-such-test' on PATH '[..]'".to_owned()),
        (&unfit, format!("no permission to run program '{unfit}'")),
    ] {
        let zdctl = || configured(&sandbox, &format!("  program {SLEEP}\n  start-test-program {test}"));
        let why = format!("the start test cannot be run: {reason}\n");
        let left = "  (it is left running; stop ends it)\n";
        let told = format!("zdctl: program not started: {why}zdctl: {left}");
        zdctl().arg("start").stderr(told.clone()).status(1).run();
        zdctl().arg("start").stderr(told.clone()).status(1).run();
        zdctl().arg("restart").stderr(told).status(1).run();
        zdctl().arg("status").stdout("program running; pid=[..]\n").run();
        zdctl().arg("stop").stdout("[..]daemon process stopped\n").run();
        let told = format!("zdrun: {why}zdrun: {left}");
        sandbox.zdrun().args(["-C", "zdctl.conf"]).stderr(told).status(1).run();
        zdctl().arg("stop").stdout("[..]daemon process stopped\n").run();
        sandbox.assert_no_process_left();
    }
}

#[test]
fn how_a_start_test_failed_reaches_what_waits_for_the_start() {
    let sandbox = Sandbox::new();
    // What the program writes meanwhile is not the test's.
    let program = "sh -c 'while echo noise; do sleep 0.01; done'";
    let test = r#"sh -c 'echo first; printf "\\033[1mrefused\\033[m\n" >&2; exit 4'"#;
    let runner = format!(
        "  program {program}\n  start-test-program {test}\n  start-timeout 3\n  stop-timeout 1\n  transcript out"
    );
    let zdctl = || configured(&sandbox, &runner);
    let known = ["start test: exit status 4: refused", "(it is left running; stop ends it)"];
    let told = |name: &str, first: &str| {
        format!("{name}: {first}\n{name}:   {}\n{name}:   {}\n", known[0], known[1])
    };
    let slow = told("zdctl", "Program took too long to start");
    for action in ["start", "start", "restart"] {
        zdctl().arg(action).stderr(slow.clone()).status(1).run();
    }
    zdctl().arg("stop").stdout("[..]daemon process stopped\n").run();
    let slow = told("zdrun", "program took too long to start");
    sandbox.zdrun().args(["-C", "zdctl.conf"]).stderr(slow).status(1).run();
    zdctl().arg("stop").stdout("[..]daemon process stopped\n").run();
    assert!(sandbox.read("out").contains("first\n"), "the transcript has it too");
    sandbox.assert_no_process_left();
}

#[test]
fn start_that_is_not_detached_says_so_and_check_says_what_that_costs() {
    let sandbox = Sandbox::new();
    let zdctl = |more: &str| {
        let runner = format!(
            "<runner>\n  program {SLEEP}\n  socket-name sock\n  start-grace 0\n  {more}\n</runner>\n"
        );
        sandbox.write("zdctl.conf", runner);
        sandbox.zdctl().args(["-C", "zdctl.conf"])
    };
    let hint =
        "zdctl: the program runs on this terminal and ends with it; -d or 'daemon true' detaches it[..]\n";
    zdctl("").arg("start").stdout("daemon process started, pid=[..]\n").stderr(hint).run();
    zdctl("").arg("restart").stdout("daemon process restarted, pid=[..]\n").run();
    zdctl("").arg("stop").stdout("daemon process stopped\n").run();
    zdctl("daemon true").arg("start").stdout("daemon process started, pid=[..]\n").run();
    zdctl("daemon true").arg("stop").stdout("daemon process stopped\n").run();
    let warning = "zdctl: warning: transcript has no effect: [..]; -d or 'daemon true' detaches it\n";
    zdctl("transcript t.log").arg("check").stdout("configuration OK\n").stderr(warning).run();
    for quiet in ["transcript t.log\n  daemon true", ""] {
        zdctl(quiet).arg("check").stdout("configuration OK\n").run();
    }
}

#[test]
fn path_that_is_meant_for_a_shell_is_named_as_such() {
    let sandbox = Sandbox::new();
    let undefined =
        "zdctl: zdctl.conf:4: 'HOME' is not defined; the variable of the environment is $(HOME)\n";
    configured(&sandbox, "  program $HOME/bin/run").arg("start").stderr(undefined).status(2).run();
    for path in ["$HOME/bin/run", "~/bin/run"] {
        let why = format!(
            "zdctl: program not started: can't stat program '{path}': No such file or directory; no shell reads it: write \
             the whole path\n"
        );
        zdctl(&sandbox, path).arg("start").stderr(why).status(1).run();
    }
}
