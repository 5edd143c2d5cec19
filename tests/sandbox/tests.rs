//! The sandbox keeps its own promises.

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{SOON, Sandbox, eventually, eventually_some, matches};

fn message_of_panic(action: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(action)).expect_err("it should have panicked");
    panic.downcast_ref::<String>().cloned().expect("the message is text")
}

#[test]
fn output_and_status_are_asserted_whole_and_empty_by_default() {
    let sandbox = Sandbox::new();
    sandbox.command("true").run();
    sandbox
        .command("sh")
        .args(["-c", "echo out; echo err >&2; exit 3"])
        .status(3)
        .stdout("out\n")
        .stderr("err\n")
        .run();
    for script in ["echo x", "echo x >&2", "exit 1", "kill -9 $$"] {
        let message = message_of_panic(|| {
            sandbox.command("sh").args(["-c", script]).run();
        });
        assert!(message.starts_with(&format!("sh -c {script}\n--- expected\n+++ seen\n")), "{message}");
    }
}

#[test]
fn our_programs_are_at_hand() {
    let sandbox = Sandbox::new();
    for program in [sandbox.mkzeoinst(), sandbox.zdctl(), sandbox.zdrun()] {
        program.arg("--no-such-option").status(2).stderr("...").run();
    }
}

#[test]
fn end_by_a_signal_is_128_and_its_number() {
    let sandbox = Sandbox::new();
    sandbox.command("sh").args(["-c", "kill -9 $$"]).status(137).run();
    let running = sandbox.command("sleep").arg("1000").spawn();
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait(SOON).status, 143);
}

#[test]
fn command_gets_its_input_arguments_directory_and_a_bare_environment() {
    let sandbox = Sandbox::new();
    sandbox.write("below/file", "text");
    assert_eq!(sandbox.read("below/file"), "text");
    let home = sandbox.root().display().to_string();
    sandbox.command("cat").stdin("from stdin\n").stdout("from stdin\n").run();
    sandbox.command("pwd").current_dir(sandbox.path("below")).stdout(format!("{home}/below\n")).run();
    let script = "echo \"$HOME $COLOUR ${CARGO_MANIFEST_DIR-none}\"";
    let expected = format!("{home} red none\n");
    sandbox.command("sh").arg("-c").arg(script).env("COLOUR", "red").stdout(expected).run();
}

#[test]
fn command_out_of_time_is_killed_and_what_it_printed_is_shown() {
    let sandbox = Sandbox::new();
    let running = sandbox.command("sh").args(["-c", "echo begun; echo trouble >&2; sleep 1000"]).spawn();
    eventually(SOON, || running.stdout() == "begun\n" && running.stderr() == "trouble\n");
    let message = message_of_panic(|| drop(running.wait(Duration::from_millis(30))));
    assert!(message.contains("has not ended after 30ms"), "{message}");
    assert!(message.contains("begun") && message.contains("trouble"), "{message}");
    sandbox.assert_no_process_left();
}

#[test]
fn daemon_that_keeps_the_output_open_does_not_hold_up_the_test() {
    let sandbox = Sandbox::new();
    let begin = Instant::now();
    sandbox.command("sh").args(["-c", "sleep 1000 & echo started"]).stdout("started\n").run();
    assert!(begin.elapsed() < SOON);
}

#[test]
fn detached_daemon_is_seen_and_dies_with_the_sandbox() {
    let sandbox = Sandbox::new();
    let pid = sandbox.command("sh").args(["-c", "setsid sleep 1000 & echo pid=$!"]).output().pid();
    let daemon = format!("{pid} sleep 1000");
    eventually(SOON, || sandbox.leftovers() == [daemon.as_str()]);
    let mark = sandbox.mark.clone();
    drop(sandbox);
    assert!(super::process::marked(&mark).is_empty());
}

#[test]
fn process_without_the_mark_dies_with_its_group() {
    let sandbox = Sandbox::new();
    let script = "env -i sleep 1000 & echo pid=$!; exec sleep 1000";
    let running = sandbox.command("sh").args(["-c", script]).spawn();
    let whole = || running.stdout().strip_prefix("pid=")?.strip_suffix('\n').map(ToOwned::to_owned);
    let line = eventually_some(SOON, whole);
    let unmarked = format!("/proc/{}/environ", line.trim());
    // An ended process has no environment, nor has one that was started without: tell them apart by the command line.
    let alive = || std::fs::read(unmarked.replace("environ", "cmdline")).is_ok_and(|words| !words.is_empty());
    eventually(SOON, || std::fs::read(&unmarked).is_ok_and(|variables| variables.is_empty()) && alive());
    assert_eq!(running.stderr(), "");
    assert_ne!(running.pid().to_string(), line.trim());
    drop(sandbox);
    eventually(SOON, || !alive());
}

#[test]
fn ports_differ_and_are_free_and_stay_so() {
    let sandboxes = [Sandbox::new(), Sandbox::new()];
    let ports: Vec<u16> = sandboxes.iter().flat_map(|sandbox| [sandbox.port(), sandbox.port()]).collect();
    for (index, port) in ports.iter().enumerate() {
        assert!(!ports[..index].contains(port), "{ports:?}");
        TcpListener::bind(("127.0.0.1", *port)).expect("the port is free");
    }
}

#[test]
fn missed_deadline_fails_the_test() {
    let message = message_of_panic(|| eventually(Duration::from_millis(10), || false));
    assert_eq!(message, "still waiting after 10ms");
}

#[test]
fn pattern_fits_parts_of_lines_and_whole_lines() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "x", false),
        ("a\n", "a\n", true),
        ("a\n", "a", false),
        ("a\n", "a\nb\n", false),
        ("pid=[..]\n", "pid=17\n", true),
        ("pid=[..]\n", "pid=17\nmore\n", false),
        ("[..]b[..]b\n", "abab\n", true),
        ("[..]b[..]b\n", "ab\n", false),
        ("a[..]a\n", "a\n", false),
        ("...\n", "", true),
        ("a\n...\nd\n", "a\nb\nc\nd\n", true),
        ("a\n...\nd\n", "a\nb\nc\n", false),
        ("...", "a\nb", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern:?} against {text:?}");
    }
}
