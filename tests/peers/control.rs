//! Our `zdctl` and the manager of zdaemon 5.
//!
//! (The other direction, its client and our manager, is the manager's business.)

use std::path::PathBuf;

use crate::peers;
use crate::sandbox::run::Run;
use crate::sandbox::{SOON, Sandbox, eventually, matches};

/// A configuration under which `zdctl` starts zdaemon's manager; `None` where there is no zdaemon.
#[track_caller]
fn configuration(sandbox: &Sandbox, program: &str) -> Option<PathBuf> {
    let python = peers::python()?;
    let script = sandbox.write("zdrun.py", "from zdaemon.zdrun import main\nmain()\n");
    let text = format!(
        "<runner>\n  program {program}\n  socket-name {}\n  python {}\n  zdrun {}\n  daemon on\n</runner>\n",
        sandbox.path("sock").display(),
        python.display(),
        script.display()
    );
    Some(sandbox.write("zdctl.conf", text))
}

fn zdctl(sandbox: &Sandbox) -> Run {
    sandbox.zdctl().args(["-C", "zdctl.conf"])
}

#[test]
fn python_manager_is_started_asked_and_stopped() {
    let sandbox = Sandbox::new();
    if configuration(&sandbox, "sleep 1000").is_none() {
        return;
    }
    let zdctl = || zdctl(&sandbox);
    let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    zdctl().arg("start").stdout(format!("daemon process already running; pid={pid}\n")).run();
    let raw = zdctl().args(["status", "-l"]).output();
    let expected = format!(
        "program running; pid={pid}\nstatus=running\n...\nargs=['sleep', '1000']\n\nuptime: 00:[..]\n"
    );
    assert!(matches(&expected, &raw.stdout), "{}", raw.stdout);
    zdctl().args(["kill", "0"]).stdout(format!("kill({pid}, 0)\nsignal 0 sent to process {pid}\n")).run();
    zdctl().arg("reopen_transcript").run();
    let why = "zdctl: daemon manager not replaced: it does not know how; stop and start do it\n";
    zdctl().arg("reexec").stderr(why).status(1).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    zdctl().arg("status").stdout("daemon manager not running\n").status(3).run();
    sandbox.assert_no_process_left();
}

#[test]
fn python_manager_restarts_its_program() {
    let sandbox = Sandbox::new();
    if configuration(&sandbox, "./program").is_none() {
        return;
    }
    // The manager loses a SIGTERM that comes before the program is in place, hence the wait for the program's word.
    sandbox.write("program", "#!/bin/sh\n: >ready\nexec sleep 1000\n");
    sandbox.command("chmod").args(["+x", "program"]).run();
    let first = zdctl(&sandbox).arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    eventually(SOON, || sandbox.path("ready").exists());
    let second = zdctl(&sandbox).arg("restart").stdout("daemon process restarted, pid=[..]\n").run().pid();
    assert_ne!(first, second);
    zdctl(&sandbox).arg("status").stdout(format!("program running; pid={second}\n")).run();
}

#[test]
fn python_manager_in_back_off_is_started_again_and_ended() {
    let sandbox = Sandbox::new();
    if configuration(&sandbox, "false").is_none() {
        return;
    }
    let died = "zdctl: program not started: the program ended before it was up\n\
        zdctl:   (the daemon manager keeps trying, next [..]; stop ends it)\n";
    zdctl(&sandbox).arg("start").stderr(died).status(1).run();
    let down = "daemon manager running; daemon process not running\n";
    eventually(SOON, || zdctl(&sandbox).arg("status").output().stdout == down);
    let session = "program: false\n[..]\nzdctl> daemon process not running; stopping daemon manager\n\
        daemon manager stopped\n";
    zdctl(&sandbox).stdin("quit\n").stdout(session).run();
    zdctl(&sandbox).arg("stop").stdout("daemon manager not running\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn python_manager_that_cannot_start_says_so_itself() {
    let sandbox = Sandbox::new();
    if configuration(&sandbox, "no-such-program").is_none() {
        return;
    }
    let told = "Error: can't find program 'no-such-program' on PATH [..]\nFor help, use [..] -h\n";
    zdctl(&sandbox).arg("start").stderr(told).status(1).run();
    zdctl(&sandbox).arg("status").stdout("daemon manager not running\n").status(3).run();
}

#[test]
fn python_manager_that_exits_with_its_program_is_a_failed_start() {
    let sandbox = Sandbox::new();
    if configuration(&sandbox, "true").is_none() {
        return;
    }
    let start = zdctl(&sandbox).arg("start").output();
    // The program may be gone before it is seen.
    let gone = "zdctl: program not started: [..]daemon manager [..]\n";
    assert!((start.status, matches(gone, &start.stderr)) == (1, true), "{start:?}");
    eventually(SOON, || zdctl(&sandbox).arg("status").output().status == 3);
}
