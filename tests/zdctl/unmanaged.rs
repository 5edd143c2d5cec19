//! A program whose manager was killed.

use super::*;
use crate::sandbox::can_trace;

/// Starts a program and kills its manager; gives the program's number.
fn orphan(sandbox: &Sandbox) -> String {
    zdctl(sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
    sandbox.kill_manager()
}

fn lives(pid: &str) -> bool {
    // Whoever is to reap it takes his time.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn warning(pid: &str) -> String {
    format!(
        "zdctl: the program runs without a manager; pid={pid}; start has a new manager take it over, stop ends it\n"
    )
}

#[test]
fn status_tells_of_it_and_its_line_stays_as_it_was() {
    let sandbox = Sandbox::new();
    let pid = orphan(&sandbox);
    let zdctl = || zdctl(&sandbox, SLEEP);
    let none = "daemon manager not running\n";
    zdctl().arg("status").stdout(none).stderr(warning(&pid)).status(4).run();
    let json = zdctl().args(["status", "--json"]).output();
    assert!(json.stdout.starts_with(r#"{"state":"unmanaged","should_be_up":false,"pid":"#), "{json:?}");
    assert!(json.stdout.contains(&format!("\"pid\":{pid},\"manager_pid\":null,")), "{json:?}");
    assert_eq!((json.status, &*json.stderr), (4, ""));
    zdctl().arg("fg").stderr(warning(&pid)).status(1).run();
    zdctl().arg("reload").stdout(none).stderr(warning(&pid)).status(7).run();
    zdctl().arg("quit").stdout(none).stderr(warning(&pid)).run();
    let begun = zdctl().stdin("help fg\nEOF\n").output();
    assert!(begun.stdout.starts_with(&format!("program: sleep 1000\n{none}zdctl> ")), "{begun:?}");
    assert!(begun.stderr.starts_with(&warning(&pid)), "{begun:?}");
    assert!(lives(&pid));
    zdctl().arg("start").stdout(format!("daemon process started, pid={pid}\n")).run();
    zdctl().arg("status").stdout(format!("program running; pid={pid}\n")).run();
}

#[test]
fn program_of_a_manager_that_has_come_since_is_not_taken_for_it() {
    if !can_trace() {
        return;
    }
    let sandbox = Sandbox::new();
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
    // As if it had not been there yet.
    let absent = ["-qq", "-o", "trace", "-e", "inject=connect:error=ENOENT:when=1"];
    let status = sandbox.command("strace").args(absent).arg(env!("CARGO_BIN_EXE_zdctl"));
    let status = status.args(["-d", "-s", "sock", "-p", SLEEP, "status", "--json"]).status(3);
    status.stdout("{\"state\":\"no-manager\",[..]\n").run();
    assert!(sandbox.read("trace").contains("(INJECTED)"));
}

#[test]
fn stop_ends_it() {
    let sandbox = Sandbox::new();
    let pid = orphan(&sandbox);
    zdctl(&sandbox, SLEEP).arg("stop").stdout("daemon process stopped\n").run();
    assert!(!lives(&pid));
    zdctl(&sandbox, SLEEP).arg("status").stdout("daemon manager not running\n").status(3).run();
    sandbox.assert_no_process_left();
}

#[test]
fn restart_starts_another() {
    let sandbox = Sandbox::new();
    for action in ["restart", "try-restart"] {
        let pid = orphan(&sandbox);
        let next =
            zdctl(&sandbox, SLEEP).arg(action).stdout("daemon process restarted, pid=[..]\n").run().pid();
        assert_ne!(next.to_string(), pid);
        assert!(!lives(&pid));
        zdctl(&sandbox, SLEEP).arg("stop").stdout("daemon process stopped\n").run();
    }
}

#[test]
fn signals_reach_it_and_wait_waits_for_it() {
    let sandbox = Sandbox::new();
    let pid = orphan(&sandbox);
    let waiting = zdctl(&sandbox, SLEEP).arg("wait").spawn();
    let watches = |link: std::io::Result<std::path::PathBuf>| {
        link.is_ok_and(|link| link.to_string_lossy().contains("pidfd"))
    };
    // It opens little else.
    let links = || (3..8).map(|fd| std::fs::read_link(format!("/proc/{}/fd/{fd}", waiting.pid())));
    eventually(SOON, || links().any(watches));
    zdctl(&sandbox, SLEEP)
        .arg("logreopen")
        .stdout("daemon manager not running\n")
        .stderr(format!(
            "zdctl: SIGUSR2 not sent to process {pid}: it would end the program, which does not handle it\n"
        ))
        .status(1)
        .run();
    let sent = format!("kill({pid}, 15)\nsignal SIGTERM sent to process {pid}\n");
    zdctl(&sandbox, SLEEP).arg("kill").stdout(sent).stderr(warning(&pid)).run();
    let waited = waiting.wait(SOON);
    assert_eq!(waited.stdout, "daemon process stopped\ndaemon manager not running\n");
    zdctl(&sandbox, SLEEP).arg("kill").stdout("daemon process not running\n").status(1).run();
}

/// A program that leaves a child behind which ends at once, or only by force, when it and its manager are killed; gives
/// the child.
fn left_behind(sandbox: &Sandbox, child: &str) -> String {
    let script = format!("sh -c 'echo $$ >new; mv new child; {child}' & exec sleep 1000");
    let script = sandbox.write("script", script);
    zdctl(sandbox, &format!("sh {}", script.display()))
        .arg("start")
        .stdout("daemon process started, pid=[..]\n")
        .run();
    eventually(SOON, || sandbox.path("child").exists());
    sandbox.leave_behind();
    let child = sandbox.read("child").trim().to_owned();
    std::fs::remove_file(sandbox.path("child")).expect("it is there");
    child
}

#[test]
fn what_a_program_left_behind_is_told_of_and_ended() {
    let sandbox = Sandbox::new();
    let child = left_behind(&sandbox, "exec sleep 1000");
    let zdctl = || zdctl(&sandbox, SLEEP);
    let none = "daemon manager not running\n";
    let warning = format!(
        "zdctl: what the program left behind runs without a manager; pids={child}; start and stop end it\n"
    );
    zdctl().arg("status").stdout(none).stderr(&warning).status(4).run();
    let json = zdctl().args(["status", "--json"]).output();
    assert!(
        json.stdout.starts_with(r#"{"state":"left-behind","should_be_up":false,"pid":null,"#),
        "{json:?}"
    );
    assert!(json.stdout.ends_with(&format!("\"left_behind\":[{child}]}}\n")), "{json:?}");
    assert_eq!((json.status, &*json.stderr), (4, ""));
    zdctl().arg("fg").stderr(&warning).status(1).run();
    zdctl().arg("quit").stdout(none).stderr(&warning).run();
    zdctl().arg("kill").stdout("daemon process not running\n").stderr(&warning).status(1).run();
    zdctl().arg("try-restart").stdout("daemon process not running\n").stderr(&warning).run();
    zdctl().arg("wait").stdout(format!("daemon process stopped\n{none}")).stderr(&warning).run();
    assert!(lives(&child));
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    assert!(!lives(&child));
    zdctl().arg("status").stdout(none).status(3).run();
    zdctl().arg("stop").stdout(none).run();
    let child = left_behind(&sandbox, "exec sleep 1000");
    zdctl().arg("restart").stdout("daemon process started, pid=[..]\n").run();
    assert!(!lives(&child));
}

#[test]
fn what_a_program_left_behind_is_ended_by_force_if_need_be() {
    let sandbox = Sandbox::new();
    let child = left_behind(&sandbox, "trap : TERM; while :; do sleep 0.05; done");
    zdctl(&sandbox, SLEEP).arg("stop").stdout("daemon process stopped\n").run();
    assert!(!lives(&child));
    sandbox.assert_no_process_left();
}
