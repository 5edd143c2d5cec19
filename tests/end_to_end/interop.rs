//! Our `zdctl` with the `zdrun` of the Python zdaemon, and the reverse.

use std::path::{Path, PathBuf};

use crate::peers;
use crate::sandbox::Sandbox;
use crate::sandbox::run::{Outcome, Run};

/// A configuration that both generations read, of a program that only sleeps.
fn configuration(sandbox: &Sandbox, more: &str) -> PathBuf {
    let root = sandbox.root().display();
    sandbox.write(
        "zdctl.conf",
        format!(
            "<runner>\n  program sleep 1000\n  daemon true\n  directory {root}\n  socket-name {root}/zdsock\n\
             {more}</runner>\n"
        ),
    )
}

fn python_zdctl(sandbox: &Sandbox, python: &Path, command: &[&str]) -> Run {
    let run = sandbox.command(python).args(["-m", "zdaemon.zdctl", "-C", "zdctl.conf"]);
    run.args(command)
}

fn our_zdctl(sandbox: &Sandbox, command: &[&str]) -> Run {
    sandbox.zdctl().args(["-C", "zdctl.conf"]).args(command)
}

/// What the Python zdctl prints when it waited: a line of dots, perhaps none, then the message.
fn after_dots(message: &str) -> String {
    format!("[..]\n{message}\n")
}

/// The value of a key of the status record in the output of `status -l`.
#[track_caller]
fn value<'a>(outcome: &'a Outcome, key: &str) -> &'a str {
    let line = outcome.stdout.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {key} in {:?}", outcome.stdout))
}

#[test]
fn python_zdctl_controls_our_zdrun() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    // The Python zdctl gives its `zdrun` to an interpreter; env(1) passes it on.
    let manager = format!("  python /usr/bin/env\n  zdrun {}\n", env!("CARGO_BIN_EXE_zdrun"));
    configuration(&sandbox, &manager);
    let zdctl = |command: &[&str]| python_zdctl(&sandbox, &python, command);

    zdctl(&["status"]).status(3).stdout("daemon manager not running\n").run();
    let pid = zdctl(&["start"]).stdout(after_dots("daemon process started, pid=[..]")).run().pid();
    zdctl(&["status"]).stdout(format!("program running; pid={pid}\n")).run();
    zdctl(&["start"]).stdout(format!("daemon process already running; pid={pid}\n")).run();
    let record = zdctl(&["status", "-l"]).stdout(format!("program running; pid={pid}\n...\n")).run();
    assert_eq!(value(&record, "args"), "['sleep', '1000']");
    assert_eq!(value(&record, "application"), pid.to_string());

    let next = zdctl(&["restart"]).stdout(after_dots("daemon process restarted, pid=[..]")).run().pid();
    assert_ne!(next, pid);
    let sent = format!("kill({next}, 15)\nsignal SIGTERM sent to process {next}\n");
    zdctl(&["kill"]).stdout(sent).run();
    zdctl(&["reopen_transcript"]).run();
    zdctl(&["stop"]).stdout(after_dots("daemon process stopped")).run();
    zdctl(&["status"]).status(3).stdout("daemon manager not running\n").run();
    sandbox.assert_no_process_left();
    assert_eq!(super::sockets_below(sandbox.root()), Vec::<PathBuf>::new());
}

#[test]
fn our_zdctl_controls_the_python_zdrun() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let script = "import zdaemon.zdrun; print(zdaemon.zdrun.__file__)";
    let zdrun = sandbox.command(&python).args(["-c", script]).stdout("[..]/zdaemon/zdrun.py\n").run().stdout;
    configuration(&sandbox, &format!("  python {}\n  zdrun {zdrun}", python.display()));
    let zdctl = |command: &[&str]| our_zdctl(&sandbox, command);

    zdctl(&["status"]).status(3).stdout("daemon manager not running\n").run();
    let pid = zdctl(&["start"]).stdout(super::STARTED).run().pid();
    zdctl(&["status"]).stdout(format!("program running; pid={pid}\n")).run();
    zdctl(&["start"]).stdout(format!("daemon process already running; pid={pid}\n")).run();
    let record = zdctl(&["status", "-l"]).stdout(format!("program running; pid={pid}\n...\n")).run();
    assert_eq!(value(&record, "args"), "['sleep', '1000']");
    let manager = value(&record, "manager").to_owned();
    let is_python = sandbox
        .leftovers()
        .iter()
        .any(|process| process.starts_with(&format!("{manager} ")) && process.contains("/zdaemon/zdrun.py "));
    assert!(is_python, "{:?}", sandbox.leftovers());

    let restarted = zdctl(&["restart"]).stdout("[..]daemon process restarted, pid=[..]\n").run();
    assert_ne!(restarted.pid(), pid);
    zdctl(&["stop"]).stdout(super::STOPPED).run();
    zdctl(&["status"]).status(3).stdout("daemon manager not running\n").run();
    sandbox.assert_no_process_left();
    assert_eq!(super::sockets_below(sandbox.root()), Vec::<PathBuf>::new());
}
