//! The shell on a terminal: golden transcripts, as the screen shows them in the end.

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::terminal::Terminal;

/// The shell for a detached program, in a usual window.
fn shell(sandbox: &Sandbox, program: &str) -> Terminal {
    zdctl(sandbox, program).on_terminal(60, 80)
}

/// Types each line at the prompt, and expects the screen to become the sum of all; the last answer ends the shell.
fn converse(shell: &mut Terminal, banner: &str, dialogue: &[(&str, &str)]) {
    let prompt = "zdctl> ";
    let mut shown = format!("{banner}{prompt}");
    shell.shows(&shown);
    for (index, (line, answer)) in dialogue.iter().enumerate() {
        shell.line(line);
        let next = if index + 1 < dialogue.len() { prompt } else { "" };
        // The screen has no blanks at the ends of lines.
        shown = format!("{}\n{answer}{next}", format!("{shown}{line}").trim_end());
        shell.shows(&shown);
    }
}

const DOWN: &str = "daemon manager not running\n";

#[test]
fn session_of_the_founding_document() {
    let sandbox = Sandbox::new();
    let mut shell = shell(&sandbox, SLEEP);
    let help = "
Documented commands (type help <topic>):
========================================
EOF             fg              foreground      help            kill
logreopen       logtail         quit            reload          restart
shell           show            start           status          stop
wait

Additional commands:
====================
check               condrestart         exit                force-reload
reexec              reopen_transcript   try-restart

";
    let start = "start -- Start the daemon process.\n         If it is already running, do nothing.\n";
    let dialogue = [
        ("help", help),
        ("help start", start),
        ("start", "daemon process started, pid=[..]\n"),
        ("status", "program running; pid=[..]\n"),
        ("", "program running; pid=[..]\n"),
        ("stop", "daemon process stopped\n"),
        ("quit", DOWN),
    ];
    converse(&mut shell, &format!("program: sleep 1000\n{DOWN}"), &dialogue);
    assert_eq!(shell.wait(), 0);
    sandbox.assert_no_process_left();
}

#[test]
fn shell_of_a_generated_instance_says_zeoctl() {
    let sandbox = Sandbox::new();
    sandbox.mkzeoinst().args(["--server", "/bin/true", "home", "19999"]).stdout("...\n").run();
    let mut shell = sandbox.command(sandbox.path("home/bin/zeoctl")).on_terminal(20, 200);
    let home = sandbox.path("home").display().to_string();
    shell.shows(&format!("program: /bin/true -C {home}/etc/zeo.conf\n{DOWN}zeoctl> "));
    shell.keys("\x04");
    assert_eq!(shell.wait(), 0);
}

#[test]
fn prompt_is_that_of_the_configuration_that_was_read_last() {
    let sandbox = Sandbox::new();
    let conf = |prompt: &str| configured(&sandbox, &format!("  program {SLEEP}\n  prompt {prompt}"));
    let mut shell = conf("one>").on_terminal(20, 80);
    shell.ends_with("one> ");
    drop(conf("two>"));
    shell.line("reload");
    shell.ends_with("one> reload\nConfiguration reloaded from zdctl.conf\ntwo> ");
}

#[test]
fn end_of_input_leaves_the_program_alone() {
    let sandbox = Sandbox::new();
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
    let mut shell = shell(&sandbox, SLEEP);
    shell.ends_with("zdctl> ");
    shell.keys("\x04");
    assert_eq!(shell.wait(), 0);
    shell.shows("program: sleep 1000\nprogram running; pid=[..]\nzdctl>\n\n");
    zdctl(&sandbox, SLEEP).arg("status").stdout("program running; pid=[..]\n").run();
}

#[test]
fn status_is_coloured_on_a_terminal_that_may_have_colours() {
    let sandbox = Sandbox::new();
    let status = || zdctl(&sandbox, SLEEP).arg("status");
    let painted = |run: Run| {
        let mut terminal = run.on_terminal(5, 80);
        terminal.wait();
        terminal.raw()
    };
    assert_eq!(painted(status()), "\x1b[31mdaemon manager not running\x1b[m\r\n");
    assert_eq!(painted(status().env("NO_COLOR", "")), "\x1b[31mdaemon manager not running\x1b[m\r\n");
    assert_eq!(painted(status().env("NO_COLOR", "1")), "daemon manager not running\r\n");
    assert_eq!(painted(status().env("TERM", "dumb")), "daemon manager not running\r\n");
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
    let running = painted(status());
    assert!(matches("\x1b[32mprogram running; pid=[..]\x1b[m\r\n", &running), "{running:?}");
    status().stdout("program running; pid=[..]\n").run();
}

#[test]
fn no_colour_means_none_in_the_shell_too() {
    let sandbox = Sandbox::new();
    let mut shell = zdctl(&sandbox, SLEEP).env("NO_COLOR", "1").on_terminal(20, 80);
    shell.ends_with("zdctl> ");
    shell.keys("kil");
    shell.ends_with("zdctl> kil");
    shell.keys("l\x15status\r");
    shell.ends_with("zdctl> status\ndaemon manager not running\nzdctl> ");
    // Select Graphic Rendition: ESC [ numbers m.
    let raw = shell.raw();
    let painted = raw
        .split("\x1b[")
        .skip(1)
        .any(|code| code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'));
    assert!(!painted, "{raw:?}");
}

#[test]
fn dumb_terminal_gets_no_escape_and_keeps_its_interrupts() {
    let sandbox = Sandbox::new();
    let mut shell = zdctl(&sandbox, SLEEP).env("TERM", "dumb").on_terminal(20, 80);
    shell.ends_with("zdctl> ");
    shell.keys("sto");
    shell.ends_with("zdctl> sto");
    shell.keys("\x03");
    shell.ends_with("zdctl> sto^C\nzdctl> ");
    shell.line("status");
    shell.ends_with("zdctl> status\ndaemon manager not running\nzdctl> ");
    shell.line("start");
    shell.ends_with("daemon process started, pid=[..]\nzdctl> ");
    let sockets = shell.sockets();
    shell.line("wait");
    shell.ends_with("zdctl> wait\n");
    // Here the terminal shows the line before it is read, and drops it with a ^C.
    eventually(SOON, || shell.sockets() > sockets);
    shell.keys("\x03");
    shell.ends_with("zdctl> wait\n^C\nzdctl> ");
    shell.line("quit");
    assert_eq!(shell.wait(), 0);
    assert!(!shell.raw().contains('\x1b'), "{:?}", shell.raw());
}

#[test]
fn narrow_window_is_wide_enough() {
    let sandbox = Sandbox::new();
    let mut shell = zdctl(&sandbox, SLEEP).on_terminal(60, 20);
    shell.shows("program: sleep 1000\ndaemon manager not r\nunning\nzdctl> ");
    shell.line("status");
    shell.ends_with("zdctl> status\ndaemon manager not r\nunning\nzdctl> ");
    shell.line("help");
    shell.ends_with("====================\nEOF\nfg\nforeground\nhelp\n...\ntry-restart\n\nzdctl> ");
    // A line longer than the window is edited as one.
    shell.keys("shell echo 0123456789 abcdefgh");
    shell.ends_with("zdctl> shell echo 01\n23456789 abcdefgh");
    shell.keys("\x01\x1bf\x1bf!\x05.\r");
    shell.ends_with("zdctl> shell echo! 0\n123456789 abcdefgh.\n/bin/sh: 1: echo!: n\not found\nzdctl> ");
}

#[test]
fn long_start_shows_its_progress_and_takes_it_back() {
    let sandbox = Sandbox::new();
    let go = sandbox.path("go");
    let runner = format!(
        "  program {SLEEP}\n  start-test-program sh -c 'test -e {}'\n  start-timeout 100",
        go.display()
    );
    let mut shell = configured(&sandbox, &runner).on_terminal(20, 80);
    shell.ends_with("zdctl> ");
    shell.line("start");
    shell.ends_with("zdctl> start\nstarting: [..] s elapsed, [..] s remaining");
    let so_far = shell.screen();
    eventually(SOON, || shell.screen() != so_far);
    shell.ends_with("zdctl> start\nstarting: [..] s elapsed, [..] s remaining");
    sandbox.write("go", "");
    shell.shows(
        "program: sleep 1000\ndaemon manager not running\nzdctl> start\n\
        daemon process started, pid=[..]\nzdctl> ",
    );
}

/// A program that ends when there is a file `end`, and not by SIGTERM.
const STUBBORN: &str = "sh -c 'trap \"\" TERM; : >ready; until test -e end; do sleep 0.02; done'";

#[test]
fn long_stop_shows_its_progress_in_a_narrow_window_and_none_elsewhere() {
    let sandbox = Sandbox::new();
    let conf = || configured(&sandbox, &format!("  program {STUBBORN}\n  stop-timeout 90"));
    let started = "daemon process started, pid=[..]\n";
    conf().arg("start").stdout(started).run();
    wait_for(&sandbox.path("ready"));
    let elsewhere = conf().arg("stop").spawn();
    let json = || conf().args(["status", "--json"]).output().stdout;
    eventually(SOON, || json().contains("\"state\":\"stopping\""));
    let mut stop = conf().arg("stop").on_terminal(20, 20);
    stop.shows("[..] s, [..] s left");
    // The other one has waited for longer.
    sandbox.write("end", "");
    assert_eq!(stop.wait(), 0);
    stop.shows("daemon process stopp\ned\n");
    assert_eq!(elsewhere.wait(SOON).stdout, "daemon process stopped\n");
}

#[test]
fn log_is_followed_in_the_shell_until_an_interrupt() {
    let sandbox = Sandbox::new();
    let log = sandbox.write("log", "one\ntwo\nthree\n");
    let mut shell = zdctl(&sandbox, SLEEP).args(["-l", "log"]).on_terminal(40, 80);
    shell.ends_with("zdctl> ");
    shell.line("logtail -n 2");
    shell.ends_with("zdctl> logtail -n 2\ntwo\nthree\n");
    std::fs::rename(&log, sandbox.path("log.1")).unwrap();
    sandbox.write("log", "four\n");
    shell.ends_with("three\n==> File replaced <==\nfour\n");
    sandbox.write("log", "");
    shell.ends_with("four\n==> File truncated <==\n");
    shell.keys("\x03");
    shell.ends_with("==> File truncated <==\n^C\nzdctl> ");
    shell.line("status");
    shell.ends_with("zdctl> status\ndaemon manager not running\nzdctl> ");
}

/// Has the shell wait for the program's end, and interrupts it.
fn wait_and_interrupt(shell: &mut Terminal) {
    shell.line("wait");
    shell.ends_with("zdctl> wait\n");
    shell.is_given_back();
    shell.keys("\x03");
    shell.ends_with("zdctl> wait\n^C\nzdctl> ");
}

/// Waits for the program sleep(1) itself: a shell that is about to run it may overhear a ^C.
fn await_sleep(sandbox: &Sandbox) {
    let is_sleep = |process: &String| process.split(' ').skip(1).eq(["sleep", "1000"]);
    eventually(SOON, || sandbox.leftovers().iter().any(is_sleep));
}

#[test]
fn interrupt_ends_a_wait_and_reaches_no_program_that_the_shell_started() {
    for mode in ["-d", "--no-daemon"] {
        let sandbox = Sandbox::new();
        let program = "sh -c 'trap \"echo hit >>hit\" INT; : >ready; while :; do sleep 0.05; done'";
        let zdctl = || sandbox.zdctl().args([mode, "-s", "sock", "-p", program]);
        let mut shell = zdctl().on_terminal(60, 120);
        shell.ends_with("zdctl> ");
        shell.line("start");
        let hint =
            "zdctl: the program runs on this terminal and ends with it; -d or 'daemon true' detaches it\n";
        let hint = if mode == "-d" { "" } else { hint };
        shell.ends_with(&format!("daemon process started, pid=[..]\n{hint}zdctl> "));
        wait_for(&sandbox.path("ready"));
        let pid = zdctl().arg("status").stdout("program running; pid=[..]\n").run().pid();
        let running = format!("program running; pid={pid}\n");
        wait_and_interrupt(&mut shell);
        shell.keys("half a line\x03");
        shell.ends_with("zdctl> half a line\nzdctl> ");
        // Not by a key: nothing is to be cancelled then.
        shell.signal(Signal::SIGINT);
        shell.line("shell sleep 1000");
        shell.ends_with("zdctl> shell sleep 1000\n");
        await_sleep(&sandbox);
        shell.keys("\x03");
        shell.ends_with("zdctl> shell sleep 1000\n^C\nzdctl> ");
        shell.line("status");
        shell.ends_with(&format!("zdctl> status\n{running}zdctl> "));
        assert!(!sandbox.path("hit").exists(), "{mode}: the program got a SIGINT");
        zdctl().arg("stop").stdout("daemon process stopped\n").run();
    }
}

#[test]
fn interrupt_ends_the_check_before_a_restart_and_stops_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("checker", "#!/bin/sh\n: >checking\nexec sleep 1000\n");
    sandbox.command("chmod").args(["a+x", "checker"]).run();
    let program = "  program sleep 1001";
    configured(&sandbox, program).arg("start").stdout("daemon process started, pid=[..]\n").run();
    let before = configured(&sandbox, program).arg("status").output().stdout;
    let checked = format!("{program}\n  check-program ./checker");
    let mut shell = configured(&sandbox, &checked).on_terminal(60, 120);
    shell.ends_with("zdctl> ");
    shell.line("restart");
    wait_for(&sandbox.path("checking"));
    await_sleep(&sandbox);
    shell.keys("\x03");
    shell.ends_with("zdctl> restart\n^C\nzdctl> ");
    let is_check = |process: &String| process.split(' ').skip(1).eq(["sleep", "1000"]);
    assert!(!sandbox.leftovers().iter().any(is_check));
    shell.line("status");
    shell.ends_with(&format!("zdctl> status\n{before}zdctl> "));
    shell.line("stop");
    shell.ends_with("daemon process stopped\nzdctl> ");
}

#[test]
fn manager_of_an_action_before_the_shell_hears_no_interrupt_either() {
    let sandbox = Sandbox::new();
    let zdctl = || sandbox.zdctl().args(["--no-daemon", "-s", "sock", "-p", SLEEP]);
    let mut shell = zdctl().args(["-i", "start"]).on_terminal(30, 80);
    shell.ends_with("program running; pid=[..]\nzdctl> ");
    wait_and_interrupt(&mut shell);
    zdctl().arg("status").stdout("program running; pid=[..]\n").run();
}

#[test]
fn interrupt_ends_a_program_in_the_foreground_and_not_the_shell() {
    let sandbox = Sandbox::new();
    let mut shell = shell(&sandbox, "sh -c 'stty -echo; : >ready; exec sleep 1000'");
    shell.ends_with("zdctl> ");
    shell.line("fg");
    wait_for(&sandbox.path("ready"));
    await_sleep(&sandbox);
    shell.keys("\x03");
    shell.ends_with("zdctl> fg\nsh -c [..]\n[..]\nzdctl> ");
    // The terminal echoes again.
    shell.line("shell cat");
    shell.ends_with("zdctl> shell cat\n");
    shell.is_given_back();
    shell.keys("x\r");
    shell.ends_with("zdctl> shell cat\nx\nx\n");
    shell.keys("\x04");
    shell.ends_with("x\nx\nzdctl> ");
}

#[test]
fn shell_outlives_managers() {
    let sandbox = Sandbox::new();
    let mut shell = shell(&sandbox, SLEEP);
    shell.ends_with("zdctl> ");
    shell.line("start");
    shell.ends_with("daemon process started, pid=[..]\nzdctl> ");
    shell.line("reexec");
    shell.ends_with("daemon manager replaced; version=[..]\nzdctl> ");
    shell.line("status");
    shell.ends_with("program running; pid=[..]\nzdctl> ");
    // Killed, it leaves its program to the next one, and the shell tells of that.
    let managers = sandbox.leftovers();
    let manager = managers.iter().find(|process| process.contains("zdrun")).expect("a manager");
    let pid = manager.split(' ').next().and_then(|pid| pid.parse().ok()).expect("its number");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
    eventually(SOON, || !sandbox.leftovers().iter().any(|process| process.contains("zdrun")));
    shell.line("status");
    let told =
        "daemon manager not running\nzdctl: the program runs without a manager; pid=[..]\n[..]stop ends it\n";
    shell.ends_with(&format!("zdctl> status\n{told}zdctl> "));
    shell.line("start");
    shell.ends_with("zdctl> start\ndaemon process [..], pid=[..]\nzdctl> ");
    shell.line("stop");
    shell.ends_with("daemon process stopped\nzdctl> ");
    shell.line("quit");
    assert_eq!(shell.wait(), 0);
    sandbox.assert_no_process_left();
}

#[test]
fn socket_that_hangs_is_told_and_an_interrupt_does_not_wait_for_it() {
    let sandbox = Sandbox::new();
    // Nobody ever accepts; the kernel takes the connection.
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.path("sock")).expect("a socket");
    let mut shell = shell(&sandbox, SLEEP);
    let silent = "zdctl: daemon manager does not answer; waited 8 seconds\n";
    shell.shows(&format!("program: sleep 1000\n{silent}zdctl> "));
    shell.line("status");
    shell.ends_with("zdctl> status\n");
    shell.is_given_back();
    shell.keys("\x03");
    // Had it waited, it would tell of that.
    shell.ends_with("zdctl> status\n^C\nzdctl> ");
    shell.line("help wait");
    shell.ends_with("wait -- Wait for the daemon process to exit.\nzdctl> ");
}
