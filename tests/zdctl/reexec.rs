//! `reexec`.

use super::*;

#[test]
fn manager_is_replaced_and_the_program_goes_on() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, SLEEP);
    zdctl().arg("reexec").stdout("daemon manager not running\n").status(1).run();
    let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    let replaced = concat!("daemon manager replaced; version=", env!("CARGO_PKG_VERSION"), "\n");
    for times in 1..=3 {
        zdctl().arg("reexec").stdout(replaced).run();
        let status = zdctl().args(["status", "--json"]).output().stdout;
        assert!(status.contains(&format!("\"replaced\":{times},")), "{status}");
        assert!(status.contains(&format!("\"pid\":{pid},")), "{status}");
    }
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn those_who_wait_go_on_waiting_through_a_replacement() {
    let sandbox = Sandbox::new();
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
    let mut waiting = zdctl(&sandbox, SLEEP).arg("wait").on_terminal(20, 80);
    waiting.shows("waiting: [..] s elapsed");
    zdctl(&sandbox, SLEEP).arg("reexec").stdout("daemon manager replaced; version=[..]\n").run();
    let so_far = waiting.screen();
    eventually(SOON, || waiting.screen() != so_far);
    waiting.shows("waiting: [..] s elapsed");
    zdctl(&sandbox, SLEEP).arg("stop").stdout("daemon process stopped\n").run();
    assert_eq!(waiting.wait(), 0);
    waiting.shows("daemon process stopped\ndaemon manager [..]\n");
}

#[test]
fn refused_replacement_says_why() {
    let sandbox = Sandbox::new();
    let zdctl = |runner: &str| configured(&sandbox, &format!("  program sleep 1000\n{runner}"));
    let pid = zdctl("").arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    sandbox.write("zdctl.conf", "<runner>\n  no-such-key\n</runner>\n");
    let why =
        "zdctl: daemon manager not replaced: the program file '[..]' would not run: [..]no-such-key[..]\n";
    let sock = || sandbox.zdctl().args(["-s", "sock", "-p", SLEEP]);
    sock().arg("reexec").stderr(why).status(1).run();
    sock().arg("status").stdout(format!("program running; pid={pid}\n")).run();
}
