//! System calls that fail: each failure is told, waited out or counted, never a hang, and leaves nothing.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::counting::Counting;
use super::*;
use crate::sandbox::run::Running;
use crate::sandbox::{can_trace, eventually, matches};

/// strace(1) on a manager that runs, with these injections; ends with the manager.
/// Injects faults into the running manager, but not into what it executes.
fn attach(counting: &Counting, inject: &str) -> Running {
    attach_with(counting, &["-b", "execve"], inject)
}

fn attach_with(counting: &Counting, options: &[&str], inject: &str) -> Running {
    let manager = counting.manager().manager_pid().to_string();
    let inject = format!("inject={inject}");
    let arguments = ["-f", "-o", "attached", "-e", &inject, "-p", &manager];
    let running = counting.sandbox.command("strace").args(options).args(arguments).spawn();
    eventually(SOON, || running.stderr().contains("attached"));
    running
}

#[test]
fn failure_that_keeps_a_manager_from_starting_is_told_and_leaves_nothing() {
    if !can_trace() {
        return;
    }
    for (inject, complaint) in [
        ("bind:error=EACCES", "cannot make socket '[..]/sock': Permission denied"),
        ("bind:error=ENOSPC", "cannot make socket '[..]/sock': No space left on device"),
        ("listen:error=ENOBUFS", "cannot make socket '[..]/sock': No buffer space available"),
        ("pwrite64:error=ENOSPC:when=1", "cannot open lock file '[..]/sock.lock': No space left on device"),
        ("pwrite64:error=EIO:when=2", "cannot open lock file '[..]/sock.lock': I/O error"),
        ("signalfd4:error=EMFILE", "cannot receive signals: Too many open files"),
        ("?clone,?fork:error=EAGAIN:when=1", "cannot fork the daemon manager: Try again"),
        ("pipe2:error=EMFILE:when=1", "cannot fork the daemon manager: Too many open files"),
        ("?dup2,?dup3:error=EBUSY", "cannot open null device '/dev/null': Device or resource busy"),
        ("chdir:error=EACCES", "can't chdir into '[..]': Permission denied"),
    ] {
        let counting = Counting::new("start-grace 0");
        let outcome = counting.traced(&[inject]).output();
        let told = format!("zdrun: {complaint}\n");
        let as_expected = outcome.status == 1 && matches(&told, &outcome.stderr) && outcome.stdout.is_empty();
        assert!(as_expected, "{inject}: {outcome:?}");
        counting.check_nothing_left(inject);
    }
}

#[test]
fn failed_start_is_told_when_nothing_of_it_is_in_the_way_of_the_next() {
    if !can_trace() {
        return;
    }
    let counting = Counting::new("start-grace 60\n backoff-limit 1");
    let slowly = "inject=?unlink,?unlinkat:delay_enter=200000";
    let run = counting.sandbox.command("strace").args(["-f", "-qq", "-o", "trace", "-e", slowly]);
    let script = "\"$@\"; echo $?; for file in sock sock.lock; do test ! -e $file || echo $file; done";
    let run = run.args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_zdrun"), "-C", "conf", "false"]);
    run.stdout("1\n").stderr("zdrun: the program ended before it was up: exit status 1\n").run();
    counting.check_nothing_left("a failed start");
}

#[test]
fn file_system_without_hard_links_will_do() {
    if !can_trace() {
        return;
    }
    let counting = Counting::new("start-grace 0");
    let tracing = counting.traced(&["?link,?linkat:error=EPERM"]).spawn();
    eventually(SOON, || counting.manager_is_up());
    counting.check_one("without links");
    counting.manager().ask("stop");
    assert_eq!(tracing.wait(SOON).status, 0);
    counting.check_nothing_left("without links");
}

#[test]
fn file_that_cannot_be_opened_is_named() {
    if !can_trace() {
        return;
    }
    for (file, complaint) in [
        ("log", "cannot open log file '[..]/log'"),
        ("out", "cannot open transcript '[..]/out'"),
        ("sock.lock", "cannot open lock file '[..]/sock.lock'"),
    ] {
        let counting = Counting::new("start-grace 0");
        let path = counting.sandbox.path(file).display().to_string();
        let run = counting.sandbox.command("strace").args(["-f", "-b", "execve", "-qq", "-o", "trace"]);
        let run = run.args(["-P", &path, "-e", "inject=openat:error=ENFILE"]);
        let outcome = run.arg(env!("CARGO_BIN_EXE_zdrun")).args(["-C", "conf"]).output();
        let told = format!("zdrun: {complaint}: File table overflow\n");
        assert!(outcome.status == 1 && matches(&told, &outcome.stderr), "{file}: {outcome:?}");
        counting.check_nothing_left(file);
    }
}

#[test]
fn shortage_at_a_start_is_waited_out() {
    if !can_trace() {
        return;
    }
    // The first fork makes the daemon; counts are the process's own.
    for inject in [
        "?clone,?clone3,?vfork,?fork:error=EAGAIN:when=1",
        "?clone,?clone3,?vfork,?fork:error=ENOMEM:when=1",
        // A second descriptor of the output, for the program to take.
        "fcntl:error=EMFILE:when=1",
    ] {
        let counting = Counting::new("start-grace 0");
        counting.zdrun().run();
        let first = counting.manager().pid();
        let tracing = attach(&counting, inject);
        signal(first, Signal::SIGKILL);
        counting.manager().next_pid(first);
        let injected = fs::read_to_string(counting.sandbox.path("attached")).expect("strace writes");
        assert!(injected.contains("(INJECTED)"), "{inject}: {injected}");
        counting.check_one(inject);
        counting.manager().ask("stop");
        tracing.wait(SOON);
        counting.check_nothing_left(inject);
    }
}

#[test]
fn shortage_at_the_first_start_holds_the_starter_until_the_program_is_up() {
    if !can_trace() {
        return;
    }
    for error in ["EAGAIN", "ENOMEM"] {
        let counting = Counting::new("start-grace 0\n backoff-limit 1");
        // Not a daemon, whose own fork would be the first.
        let calls = "?clone,?clone3,?fork,?vfork";
        let tracing = counting.traced(&[&format!("{calls}:error={error}:when=1..2")]);
        let tracing = tracing.arg("--no-daemon").spawn();
        eventually(SOON, || counting.manager_is_up());
        let tried = counting.sandbox.read("log").matches("sleep 1 to avoid rapid restarts").count();
        assert_eq!(tried, 2, "{error}");
        counting.check_one(error);
        counting.manager().ask("stop");
        let outcome = tracing.wait(SOON);
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{error}: {outcome:?}");
        counting.check_nothing_left(error);
    }
}

#[test]
fn program_file_that_is_being_written_is_waited_for() {
    let counting = Counting::new("start-grace 0\n backoff-limit 1");
    let program = counting.sandbox.path("busy");
    fs::copy("/bin/sleep", &program).expect("it can be copied");
    let writer = fs::OpenOptions::new().append(true).open(&program).expect("it is ours");
    let starting = counting.zdrun().arg("./busy").arg("1000").spawn();
    eventually(SOON, || {
        let log = fs::read_to_string(counting.sandbox.path("log")).unwrap_or_default();
        log.contains("Text file busy")
    });
    drop(writer);
    assert_eq!(starting.wait(SOON).status, 0);
    assert_ne!(counting.manager().pid(), 0);
    counting.manager().ask("stop");
    counting.sandbox.assert_no_process_left();
}

#[test]
fn exec_that_fails_is_told_with_its_reason() {
    if !can_trace() {
        return;
    }
    for (error, reason) in [("EACCES", "Permission denied"), ("EIO", "I/O error")] {
        let counting = Counting::new("start-grace 0\n backoff-limit 1");
        // The first is that of strace(1) itself.
        let program = counting.sandbox.path("count").display().to_string();
        let run = counting.sandbox.command("strace").args(["-f", "-qq", "-o", "trace", "-P", &program]);
        let run = run.args(["-e", &format!("inject=execve:error={error}")]);
        let run = run.arg(env!("CARGO_BIN_EXE_zdrun")).args(["-C", "conf"]);
        let told = format!("zdrun: can't exec '{program}': {reason}\n");
        run.status(1).stderr(told).run();
        counting.check_nothing_left(error);
    }
}

#[test]
fn log_that_cannot_be_written_costs_records_and_not_the_manager() {
    if !can_trace() {
        return;
    }
    let counting = Counting::new("start-grace 0");
    counting.zdrun().run();
    let first = counting.manager().pid();
    // Replies are not written but sent.
    let tracing = attach(&counting, "write:error=ENOSPC:when=1..4");
    signal(first, Signal::SIGKILL);
    counting.manager().next_pid(first);
    eventually(SOON, || {
        signal(counting.manager().next_pid(0), Signal::SIGKILL);
        counting.sandbox.read("log").contains(" records: No space left on device")
    });
    counting.manager().ask("stop");
    tracing.wait(SOON);
    counting.check_nothing_left("log");
}

#[test]
fn transcript_that_cannot_be_written_costs_bytes_and_says_so() {
    if !can_trace() {
        return;
    }
    let counting = Counting::new("start-grace 0");
    counting.zdrun().run();
    eventually(SOON, || counting.sandbox.read("out").lines().count() > 2);
    let out = counting.sandbox.path("out").display().to_string();
    let tracing = attach_with(&counting, &["-b", "execve", "-P", &out], "write:error=EIO:when=1..5");
    eventually(SOON, || counting.sandbox.read("log").contains("bytes were dropped"));
    let log = counting.sandbox.read("log");
    let told = log.matches("I/O error; output of the program is dropped").count();
    assert!((1..=5).contains(&told), "{log}");
    let pid = counting.manager().pid();
    eventually(SOON, || counting.sandbox.read("out").lines().count() > 5);
    assert_eq!(counting.manager().pid(), pid);
    counting.manager().ask("stop");
    tracing.wait(SOON);
    counting.check_nothing_left("out");
}

#[test]
fn callers_are_heard_again_when_descriptors_are_back() {
    if !can_trace() {
        return;
    }
    let counting = Counting::new("start-grace 0");
    counting.zdrun().run();
    let pid = counting.manager().pid();
    let tracing = attach(&counting, "accept4:error=EMFILE:when=1..2");
    let begun = std::time::Instant::now();
    assert_eq!(counting.manager().pid(), pid);
    assert!(begun.elapsed() < Duration::from_secs(10));
    eventually(SOON, || {
        fs::read_to_string(counting.sandbox.path("attached")).is_ok_and(|t| t.contains("INJECTED"))
    });
    assert!(counting.sandbox.read("log").contains("cannot accept a connection: Too many open files"));
    counting.manager().ask("stop");
    tracing.wait(SOON);
    counting.check_nothing_left("accept");
}

#[test]
fn program_that_cannot_be_adopted_is_named_and_not_started_twice() {
    if !can_trace() {
        return;
    }
    let counting = Counting::new("start-grace 0");
    counting.zdrun().run();
    let program = counting.manager().pid();
    counting.kill_managers();
    for inject in ["pidfd_open:error=EMFILE", "bind:error=EACCES", "pwrite64:error=EIO"] {
        let outcome = counting.traced(&[inject]).output();
        assert_eq!(outcome.status, 1, "{inject}: {}", outcome.stderr);
        if inject.starts_with("pidfd") {
            let told = format!("still runs as process {program} and cannot be adopted");
            assert!(outcome.stderr.contains(&told), "{}", outcome.stderr);
        }
        assert_eq!(counting.copies(), [program], "{inject}");
    }
    counting.zdrun().run();
    assert_eq!(counting.manager().pid(), program);
    counting.recover("after refusals", 0);
}

#[test]
fn manager_that_cannot_wait_any_more_leaves_its_program_to_the_next() {
    if !can_trace() {
        return;
    }
    let counting = Counting::new("start-grace 0");
    counting.zdrun().run();
    let program = counting.manager().pid();
    let tracing = attach(&counting, "poll:error=ENOMEM:when=1");
    tracing.wait(SOON);
    assert_eq!((counting.answers(), counting.copies()), (false, vec![program]));
    counting.zdrun().run();
    assert_eq!(counting.manager().pid(), program);
    counting.recover("after the end of a manager", 0);
}

#[test]
fn next_binary_that_fails_leaves_the_program_to_the_next_manager() {
    if !can_trace() {
        return;
    }
    let counting = Counting::new("start-grace 0");
    counting.zdrun().run();
    let program = counting.manager().pid();
    // Its trial passes, as that takes no lock.
    let tracing = attach_with(&counting, &[], "flock:error=EAGAIN:when=1");
    assert_eq!(counting.manager().ask("reexec"), "Replacing the daemon manager\n");
    tracing.wait(SOON);
    assert!(!counting.answers());
    assert_eq!(counting.copies(), [program]);
    counting.zdrun().run();
    assert_eq!(counting.manager().pid(), program);
    counting.manager().ask("stop");
    counting.check_nothing_left("after a failed replacement");
}
