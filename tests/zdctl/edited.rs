//! A configuration file that is edited while the program runs: each action that starts the program anew takes it as it is
//! now, or refuses before it stops anything.

use super::*;

/// What a start of the program shows of the configuration, in the file `seen`.
const SHOW: &str = "#!/bin/sh\n{ echo $1; umask; echo ${KEPT-none} ${GONE-none} ${NEW-none}; pwd; } >$AT.new\n\
    mv $AT.new $AT\nexec sleep 1000\n";

fn write(sandbox: &Sandbox, runner: &str, environment: &str) {
    let root = sandbox.root().display();
    sandbox.write("show", SHOW);
    let text = format!(
        "<runner>\n  daemon true\n  socket-name sock\n  start-grace 0\n{runner}\n</runner>\n\
        <environment>\n  AT {root}/seen\n{environment}\n</environment>\n"
    );
    sandbox.write("zdctl.conf", text);
}

fn before(sandbox: &Sandbox) -> u32 {
    std::fs::create_dir_all(sandbox.path("there")).expect("directories can be made");
    let root = sandbox.root().display().to_string();
    write(
        sandbox,
        &format!("  program sh {root}/show one\n  backoff-limit 600\n  hang-around true"),
        "  KEPT a\n  GONE b",
    );
    let pid = sandbox
        .zdctl()
        .args(["-C", "zdctl.conf", "start"])
        .stdout("daemon process started, pid=[..]\n")
        .run()
        .pid();
    assert_eq!(seen(sandbox), format!("one\n0022\na b none\n{root}\n"));
    pid
}

/// All that can be seen of the file changed, and what is to be seen then.
fn edit(sandbox: &Sandbox) -> String {
    let root = sandbox.root().display().to_string();
    write(
        sandbox,
        &format!(
            "  program sh {root}/show two\n  umask 027\n  directory {root}/there\n  transcript {root}/out\n  exit-codes 7"
        ),
        "  KEPT c\n  NEW d",
    );
    format!("two\n0027\nc none d\n{root}/there\n")
}

fn seen(sandbox: &Sandbox) -> String {
    wait_for(&sandbox.path("seen"));
    let text = sandbox.read("seen");
    std::fs::remove_file(sandbox.path("seen")).expect("it is there");
    text
}

fn act(sandbox: &Sandbox, action: &str) -> crate::sandbox::run::Outcome {
    sandbox.zdctl().args(["-C", "zdctl.conf", action]).output()
}

#[test]
fn each_action_that_starts_the_program_anew_takes_the_file_as_it_is() {
    for action in ["restart", "try-restart", "condrestart", "force-reload"] {
        let sandbox = Sandbox::new();
        let pid = before(&sandbox);
        let expected = edit(&sandbox);
        let done = act(&sandbox, action);
        assert_eq!((done.status, &*done.stderr), (0, ""), "{action}: {done:?}");
        assert!(done.stdout.starts_with("daemon process restarted, pid="), "{action}: {done:?}");
        assert_ne!(done.pid(), pid, "{action}");
        assert_eq!(seen(&sandbox), expected, "{action}");
        assert_eq!(sandbox.read("out"), "", "{action}: the transcript is there");
        act(&sandbox, "stop");
        sandbox.assert_no_process_left();
    }
}

#[test]
fn program_that_starts_after_a_reload_is_that_of_the_file() {
    let sandbox = Sandbox::new();
    let pid = before(&sandbox);
    let expected = edit(&sandbox);
    sandbox
        .zdctl()
        .args(["-C", "zdctl.conf", "reload"])
        .stdout("daemon manager has reloaded its configuration\n")
        .run();
    let status = act(&sandbox, "status").stdout;
    assert!(status.contains(&format!("pid={pid}\n")), "{status}");
    assert!(status.contains("our program   = ") && status.contains("show', 'one']"), "it runs on: {status}");
    act(&sandbox, "kill");
    assert_eq!(seen(&sandbox), expected);
    act(&sandbox, "stop");
    sandbox.assert_no_process_left();
}

#[test]
fn start_under_a_manager_that_waits_takes_the_file_as_it_is() {
    for waits in ["stop", "crash"] {
        let sandbox = Sandbox::new();
        let root = sandbox.root().display().to_string();
        before(&sandbox);
        if waits == "stop" {
            act(&sandbox, "stop");
        } else {
            sandbox.write("show", "exit 3\n");
            act(&sandbox, "kill");
            eventually(SOON, || act(&sandbox, "status").stdout.starts_with("daemon manager running"));
        }
        let expected = edit(&sandbox);
        let done = act(&sandbox, "start");
        assert_eq!((done.status, &*done.stderr), (0, ""), "{waits}: {done:?}");
        assert_eq!(seen(&sandbox), expected, "{waits}: {root}");
        act(&sandbox, "stop");
    }
}

#[test]
fn file_that_would_not_work_stops_nothing() {
    let refused = |sandbox: &Sandbox, action: &str, why: &str| {
        let what =
            "the configuration as it is now would not work: the program file '[..]' would not run: zdrun: ";
        let said = format!("zdctl: {what}{why}; nothing was stopped or started\n");
        let done = act(sandbox, action);
        assert!(matches(&said, &done.stderr) && done.status == 1, "{action}: {done:?}");
    };
    for action in ["restart", "try-restart", "force-reload"] {
        let sandbox = Sandbox::new();
        let root = sandbox.root().display().to_string();
        let pid = before(&sandbox);
        let changed = "which takes a stop and a start";
        for (runner, why) in [
            ("  program no-such-program".to_owned(), "can't find program 'no-such-program'[..]".to_owned()),
            (
                format!("  program sleep 1\n  directory {root}/none"),
                "can't chdir into '[..]': No such file or directory".to_owned(),
            ),
            ("  program sleep 1\n  user nobody".to_owned(), format!("'user' has changed, {changed}")),
        ] {
            if runner.contains("user") && !nix::unistd::Uid::effective().is_root() {
                continue;
            }
            write(&sandbox, &runner, "");
            refused(&sandbox, action, &why);
        }
        before_again(&sandbox, pid);
        act(&sandbox, "stop");
    }
}

/// The program runs as it did.
fn before_again(sandbox: &Sandbox, pid: u32) {
    let root = sandbox.root().display().to_string();
    write(sandbox, &format!("  program sh {root}/show one"), "");
    let status = act(sandbox, "status");
    assert_eq!(status.stdout, format!("program running; pid={pid}\n"));
}

#[test]
fn restart_that_cannot_take_the_file_says_so() {
    let sandbox = Sandbox::new();
    let file = |program: &str| {
        let text = format!(
            "<runner>\n daemon true\n socket-name sock\n notify true\n start-timeout 1\n stop-timeout 1\n program {program}\n</runner>\n"
        );
        sandbox.write("zdctl.conf", text);
    };
    file("sleep 1000");
    act(&sandbox, "start");
    file("sleep 1001");
    let done = act(&sandbox, "restart");
    let said = "zdctl: the configuration file has changed, and the daemon manager has not read it again: the program is \
        being started, tested or stopped; try again when that is over\nzdctl: Program took too long to start\n\
        zdctl:   (it is left running; stop ends it)\n";
    assert_eq!(done.stderr, said, "{done:?}");
}
