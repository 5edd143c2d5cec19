//! `logreopen`: manager and program each reopen their logs, whatever becomes of the other's, and no other process gets the
//! signal.

use super::*;
use crate::sandbox::can_unshare;

#[test]
fn program_reopens_its_logs_though_the_manager_cannot_reopen_its_own() {
    let files = ["events", "out"];
    for broken in [&files[..1], &files[1..], &files[..]] {
        let sandbox = Sandbox::new();
        let root = sandbox.root().display().to_string();
        let runner = format!(
            "  program {NOTER}\n  transcript {root}/out\n  <eventlog>\n    <logfile>\n      path {root}/events\n    \
            </logfile>\n  </eventlog>"
        );
        let zdctl = || configured(&sandbox, &runner);
        let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
        wait_for(&sandbox.path("ready"));
        for file in broken {
            std::fs::remove_file(sandbox.path(file)).expect("it is there");
            std::fs::create_dir(sandbox.path(file)).expect("directories can be made");
        }
        let done = zdctl().arg("logreopen").output();
        assert_eq!(
            done.stdout,
            format!("kill({pid}, 12)\nsignal SIGUSR2 sent to process {pid}\n"),
            "{done:?}"
        );
        for file in broken {
            assert!(done.stderr.contains(&format!("{root}/{file}")), "each is named: {done:?}");
        }
        assert_eq!((done.status, done.stderr.lines().count()), (1, 1), "{done:?}");
        wait_for(&sandbox.path("usr2"));
        zdctl().arg("stop").stdout("daemon process stopped\n").run();
    }
}

#[test]
fn both_failures_are_reported() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display().to_string();
    let zdctl = || configured(&sandbox, &format!("  program {SLEEP}\n  transcript {root}/out"));
    let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    std::fs::remove_file(sandbox.path("out")).expect("it is there");
    std::fs::create_dir(sandbox.path("out")).expect("directories can be made");
    let said = format!(
        "zdctl: daemon manager refuses 'reopen_transcript': Transcript not reopened: [..]\n\
        zdctl: SIGUSR2 not sent to process {pid}: it would end the program, which does not handle it\n"
    );
    zdctl().arg("logreopen").stderr(said).status(1).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}

/// Two containers that share the socket's directory: in the first the manager is process 1 and the program 2, in the
/// second 2 is another process.
#[test]
fn process_of_that_number_in_another_container_does_not_matter() {
    let private = ["--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];
    if !can_unshare(&private) {
        return;
    }
    let noter = "trap 'echo x >>usr2' USR2; trap 'exit 0' TERM; : >ready; while :; do sleep 0.02; done";
    let deaf = ": >ready; exec sleep 1000";
    for (program, other) in [(noter, deaf), (deaf, noter)] {
        let sandbox = Sandbox::new();
        sandbox.write("program", program);
        sandbox.write("other", format!("cd other.d; {other}"));
        std::fs::create_dir(sandbox.path("other.d")).expect("directories can be made");
        let sock = sandbox.path("sock");
        let command = |name| sandbox.command("unshare").args(private).arg(name);
        let zdrun = command(env!("CARGO_BIN_EXE_zdrun"));
        let running = zdrun.arg("-s").arg(&sock).args(["sh", "./program"]).spawn();
        wait_for(&sandbox.path("ready"));
        let zdctl = format!("{} -s sock -p 'sh ./program'", env!("CARGO_BIN_EXE_zdctl"));
        let script = format!(
            "sh ./other & until [ -e other.d/ready ]; do sleep 0.01; done\n{zdctl} logreopen\n{zdctl} status"
        );
        let done = command("sh").args(["-c", &script]).output();
        let (status, said) = if program == noter {
            ("kill(2, 12)\nsignal SIGUSR2 sent to process 2\n", "")
        } else {
            ("", "zdctl: SIGUSR2 not sent to process 2: it would end the program, which does not handle it\n")
        };
        assert_eq!(done.stdout, format!("{status}program running; pid=2\n"), "{done:?}");
        assert_eq!(done.stderr, said, "{done:?}");
        if program == noter {
            wait_for(&sandbox.path("usr2"));
        }
        assert!(!sandbox.path("other.d/usr2").exists());
        sandbox
            .zdctl()
            .args(["-s", "sock", "-p", "sh ./program", "stop"])
            .stdout("daemon process stopped\n")
            .run();
        running.wait(SOON);
    }
}

/// A manager and its program that were killed with their container have left a lock file.
#[test]
fn lock_file_of_another_container_names_no_process_here() {
    let private = ["--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];
    if !can_unshare(&private) {
        return;
    }
    let sandbox = Sandbox::new();
    let pid = zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    sandbox.kill_manager();
    let inside = sandbox.command("unshare").args(private).arg(env!("CARGO_BIN_EXE_zdctl"));
    inside.args(["-s", "sock", "-p", SLEEP, "status"]).stdout("daemon manager not running\n").status(3).run();
    let here = zdctl(&sandbox, SLEEP).arg("start").output();
    assert_eq!(here.pid(), pid, "{here:?}");
    zdctl(&sandbox, SLEEP).arg("stop").stdout("daemon process stopped\n").run();
}
