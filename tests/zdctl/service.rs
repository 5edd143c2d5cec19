//! The actions of init scripts: `try-restart` and its other names, and `reload` on the command line.

use super::*;

#[test]
fn try_restart_leaves_alone_what_does_not_run() {
    let sandbox = Sandbox::new();
    for action in ["try-restart", "condrestart", "force-reload"] {
        zdctl(&sandbox, SLEEP).arg(action).stdout("daemon process not running\n").run();
        zdctl(&sandbox, SLEEP).arg("status").stdout("daemon manager not running\n").status(3).run();
    }
    assert_eq!(sandbox.leftovers(), Vec::<String>::new());
}

#[test]
fn try_restart_restarts_what_runs() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, SLEEP);
    let mut pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    for action in ["try-restart", "condrestart", "force-reload"] {
        let next = zdctl().arg(action).stdout("daemon process restarted, pid=[..]\n").run().pid();
        assert_ne!(next, pid);
        pid = next;
    }
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn try_restart_starts_at_once_what_waits_for_its_next_start() {
    let sandbox = Sandbox::new();
    let runner =
        "  program sh -c 'test -e broken && exit 3; exec sleep 1000'\n  backoff-limit 600\n  forever true";
    let zdctl = || configured(&sandbox, runner);
    let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    sandbox.write("broken", "");
    zdctl()
        .args(["kill", "9"])
        .stdout(format!("kill({pid}, 9)\nsignal SIGKILL sent to process {pid}\n"))
        .run();
    eventually(SOON, || zdctl().args(["status", "--json"]).output().stdout.contains("\"backoff\":3,"));
    std::fs::remove_file(sandbox.path("broken")).expect("it is there");
    zdctl().arg("try-restart").stdout("daemon process started, pid=[..]\n").run();
}

#[test]
fn reload_gives_the_manager_its_configuration_anew_and_leaves_the_program_alone() {
    let sandbox = Sandbox::new();
    let zdctl = |limit: u32| configured(&sandbox, &format!("  program sleep 1000\n  backoff-limit {limit}"));
    let pid = zdctl(10).arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    zdctl(77).arg("reload").stdout("daemon manager has reloaded its configuration\n").run();
    let status = zdctl(77).args(["status", "-l"]).output().stdout;
    assert!(status.contains(&format!("program running; pid={pid}\n")), "{status}");
    assert!(status.contains("\nbackofflimit=77\n"), "{status}");
}

#[test]
fn reload_of_a_configuration_that_is_wrong_changes_nothing() {
    let sandbox = Sandbox::new();
    let pid = configured(&sandbox, "  program sleep 1000").arg("start").output().pid();
    let wrong = || configured(&sandbox, "  program sleep 1000\n  no-such-key 1");
    wrong().arg("reload").stderr("zdctl: zdctl.conf:5: [..]'no-such-key'[..]\n").status(2).run();
    let still = configured(&sandbox, "  program sleep 1000");
    still.arg("status").stdout(format!("program running; pid={pid}\n")).run();
}

#[test]
fn reload_has_nothing_to_reload_without_a_manager() {
    let sandbox = Sandbox::new();
    zdctl(&sandbox, SLEEP).arg("reload").stdout("daemon manager not running\n").status(7).run();
    let complaint = "zdctl: reload takes options only in the shell\n";
    zdctl(&sandbox, SLEEP).args(["reload", "-b", "5"]).stderr(complaint).status(2).run();
}
