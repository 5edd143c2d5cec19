//! Actions on our own manager.

use super::*;

#[test]
fn session_of_the_founding_document() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, SLEEP);
    zdctl().arg("status").stdout("daemon manager not running\n").status(3).run();
    let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    zdctl().arg("status").stdout(format!("program running; pid={pid}\n")).run();
    zdctl().arg("start").stdout(format!("daemon process already running; pid={pid}\n")).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    zdctl().arg("status").stdout("daemon manager not running\n").status(3).run();
    zdctl().arg("stop").stdout("daemon manager not running\n").run();
    sandbox.assert_no_process_left();
    assert!(!sandbox.path("sock").exists());
}

#[test]
fn start_follows_at_once_on_stop() {
    let sandbox = Sandbox::new();
    for _ in 0..5 {
        zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
        zdctl(&sandbox, SLEEP).arg("stop").stdout("daemon process stopped\n").run();
    }
}

#[test]
fn restart_is_a_stop_and_a_start() {
    let sandbox = Sandbox::new();
    let restart = || zdctl(&sandbox, SLEEP).arg("restart");
    let first = restart().stdout("daemon process started, pid=[..]\n").run().pid();
    let second = restart().stdout("daemon process restarted, pid=[..]\n").run().pid();
    assert_ne!(first, second);
    zdctl(&sandbox, SLEEP).arg("status").stdout(format!("program running; pid={second}\n")).run();
}

#[test]
fn raw_status_follows_the_line() {
    let sandbox = Sandbox::new();
    let pid = zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    let raw = zdctl(&sandbox, SLEEP).args(["status", "-l"]).output();
    let expected = format!(
        "program running; pid={pid}\nstatus=running\nnow=[..]\nargs=['sleep', '1000']\n...\n\n\
         uptime: 00:[..]\nrestarts: 0\n"
    );
    assert!(matches(&expected.replace("now=[..]\n", "now=[..]\n...\n"), &raw.stdout), "{}", raw.stdout);
    let why = "zdctl: status argument must be absent, -l or --json\n";
    zdctl(&sandbox, SLEEP).args(["status", "-x"]).stderr(why).status(2).run();
}

#[test]
fn failed_start_says_why_at_once() {
    let sandbox = Sandbox::new();
    let why = "zdctl: program not started: can't find program 'no-such-program' on PATH [..]\n";
    zdctl(&sandbox, "no-such-program x").arg("start").stderr(why).status(1).run();
    sandbox.write("odd", "not a program");
    zdctl(&sandbox, "./odd").arg("start").stderr("zdctl: program not started: [..]\n").status(1).run();
    sandbox.assert_no_process_left();
    zdctl(&sandbox, SLEEP).arg("status").stdout("daemon manager not running\n").status(3).run();
}

#[test]
fn words_after_start_are_more_arguments() {
    let sandbox = Sandbox::new();
    let script = "sh -c 'echo \"$@\" >words; exec sleep 1000' sh";
    zdctl(&sandbox, script).args(["start", "a b", "-c"]).stdout("daemon process started, pid=[..]\n").run();
    let words = eventually_some(SOON, || {
        std::fs::read_to_string(sandbox.path("words")).ok().filter(|words| words.ends_with('\n'))
    });
    assert_eq!(words, "a b -c\n");
    // They do not make it another program.
    zdctl(&sandbox, script).arg("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn manager_of_another_program_is_warned_about() {
    let sandbox = Sandbox::new();
    let pid = zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    let warning = format!(
        "WARNING! zdrun is managing a different program!\nour program   = ['sleep', '999']\n\
         daemon's args = ['sleep', '1000']\nprogram running; pid={pid}\n"
    );
    zdctl(&sandbox, "sleep 999").arg("status").stdout(warning).run();
}

#[test]
fn back_off_can_be_seen_and_ended() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, LASTS_ONCE);
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    sandbox.write("end", "");
    let down = "daemon manager running; daemon process not running\n";
    let seen =
        eventually_some(SOON, || Some(zdctl().arg("status").output()).filter(|seen| seen.stdout == down));
    assert_eq!((seen.status, seen.stderr.as_str()), (3, ""));
    let refusal = "To run the program in the foreground, please stop it first.\n";
    zdctl().arg("fg").stdout(refusal).status(1).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn stop_and_wait_take_their_time_in_silence() {
    let sandbox = Sandbox::new();
    let stubborn = "sh -c 'trap \"\" TERM; : >ready; sleep 5; sleep 0'";
    zdctl(&sandbox, stubborn).arg("start").stdout("daemon process started, pid=[..]\n").run();
    wait_for(&sandbox.path("ready"));
    let waiting = zdctl(&sandbox, stubborn).arg("wait").spawn();
    zdctl(&sandbox, stubborn).arg("stop").stdout("daemon process stopped\n").run();
    let waited = waiting.wait(SOON);
    let expected = "daemon process stopped\ndaemon manager [..]running[..]\n";
    assert!(matches(expected, &waited.stdout), "{}", waited.stdout);
    assert_eq!((waited.status, waited.stderr.as_str()), (0, ""));
}

#[test]
fn kill_takes_names_and_numbers() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, NOTER);
    zdctl().arg("kill").stdout("daemon process not running\n").status(1).run();
    let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    wait_for(&sandbox.path("ready"));
    let sent =
        |number: i32, name: &str| format!("kill({pid}, {number})\nsignal {name} sent to process {pid}\n");
    zdctl().args(["kill", "usr2"]).stdout(sent(12, "SIGUSR2")).run();
    wait_for(&sandbox.path("usr2"));
    zdctl().args(["kill", "12"]).stdout(sent(12, "SIGUSR2")).run();
    zdctl().args(["kill", "0"]).stdout(sent(0, "0")).run();
    zdctl().args(["kill", "foo"]).stdout("invalid signal 'foo'\n").status(2).run();
    zdctl().args(["kill", "-9"]).stdout("invalid signal '-9'\n").status(2).run();
    zdctl().arg("kill").stdout(sent(15, "SIGTERM")).run();
    // Its exit status 0 ends the manager.
    sandbox.assert_no_process_left();
}

#[test]
fn log_reopening_spares_a_program_that_does_not_know_it() {
    let sandbox = Sandbox::new();
    let down = "daemon manager not running\ndaemon process not running\n";
    zdctl(&sandbox, NOTER).arg("logreopen").stdout(down).status(1).run();
    zdctl(&sandbox, NOTER).arg("reopen_transcript").stdout("daemon manager not running\n").status(1).run();
    let pid = zdctl(&sandbox, NOTER).arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    wait_for(&sandbox.path("ready"));
    let sent = format!("kill({pid}, 12)\nsignal SIGUSR2 sent to process {pid}\n");
    zdctl(&sandbox, NOTER).arg("logreopen").stdout(sent).run();
    wait_for(&sandbox.path("usr2"));
    zdctl(&sandbox, NOTER).arg("reopen_transcript").run();
    zdctl(&sandbox, NOTER).arg("stop").stdout("daemon process stopped\n").run();
    let pid = zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    let why = format!(
        "zdctl: SIGUSR2 not sent to process {pid}: it would end the program, which does not handle it\n"
    );
    zdctl(&sandbox, SLEEP).arg("logreopen").stderr(why).status(1).run();
    zdctl(&sandbox, SLEEP).arg("status").stdout(format!("program running; pid={pid}\n")).run();
}

#[test]
fn start_without_daemon_mode_returns_and_leaves_the_manager() {
    let sandbox = Sandbox::new();
    let zdctl = || sandbox.zdctl().args(["-s", "sock", "-p", SLEEP]);
    let hint = "zdctl: the program runs on this terminal and ends with it; -d or 'daemon true' detaches it; until it ends it \
        keeps this output open\n";
    let started = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").stderr(hint).run();
    zdctl().arg("status").stdout(format!("program running; pid={}\n", started.pid())).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn configuration_file_names_program_and_socket() {
    let sandbox = Sandbox::new();
    sandbox.write("work/keep", "");
    let file = "<runner>\n  program sh -c 'pwd >where; exec sleep 1000'\n  daemon on\n  directory work\n  \
        socket-name sock\n</runner>\n<environment>\n  GREETING hello\n</environment>\n";
    let file = file.replace("work", sandbox.path("work").to_str().expect("UTF-8"));
    sandbox.write("zeoctl.conf", file);
    let zdctl = || sandbox.zdctl().args(["-C", "zeoctl.conf"]);
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    wait_for(&sandbox.path("work/where"));
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    zdctl().args(["shell", "echo", "$GREETING"]).stdout("hello\n").run();
}
