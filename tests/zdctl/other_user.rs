//! What another user than that of the program may ask for.

use crate::sandbox::Sandbox;

/// The number of no account that is named below, without any right.
const STRANGER: &str = "65533";

#[test]
fn actions_that_start_nothing_do_not_ask_who_may_become_the_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write(
        "c",
        "<runner>\n  program sleep 1000\n  daemon true\n  socket-name s\n  user nobody\n</runner>\n",
    );
    // The directory of the program under test may be closed to others.
    std::fs::copy(env!("CARGO_BIN_EXE_zdctl"), sandbox.path("zdctl")).unwrap();
    sandbox.command("chmod").args(["a+rx", "."]).run();
    let options = ["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups", "./zdctl", "-C", "c"];
    let stranger = |action: &str| sandbox.command("setpriv").args(options).arg(action).output();
    let status = stranger("status");
    assert_eq!(
        (status.status, status.stdout.as_str(), status.stderr.as_str()),
        (3, "daemon manager not running\n", "")
    );
    let stop = stranger("stop");
    assert_eq!((stop.stdout.as_str(), stop.stderr.as_str()), ("daemon manager not running\n", ""));
    let line =
        "zdctl: only root can start a program as user 'nobody' (key user); become that user, or root\n";
    for action in ["start", "fg"] {
        let outcome = stranger(action);
        assert_eq!(
            (outcome.status, outcome.stdout.as_str(), outcome.stderr.as_str()),
            (2, "", line),
            "{action}"
        );
    }
    // In the shell too, which does the others.
    let shell =
        sandbox.command("setpriv").args(options).stdin("status\nstart\nrestart\nfg\nstatus\n").output();
    let not_running = "zdctl> daemon manager not running\n";
    assert_eq!(shell.status, 0, "{}", shell.stderr);
    assert!(
        shell.stdout.ends_with(&format!("{not_running}zdctl> zdctl> zdctl> {not_running}zdctl> \n")),
        "{}",
        shell.stdout
    );
    assert_eq!(shell.stderr, line.repeat(3));
}

#[test]
fn manager_of_another_user_is_asked_with_the_rights_of_the_caller() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write(
        "c",
        "<runner>\n  program sleep 1000\n  daemon true\n  socket-name run/s\n  user nobody\n</runner>\n",
    );
    std::fs::copy(env!("CARGO_BIN_EXE_zdctl"), sandbox.path("zdctl")).unwrap();
    sandbox.command("chmod").args(["a+rx", "."]).run();
    let root = |action: &str| sandbox.zdctl().args(["-C", "c", action]);
    root("start").stdout("daemon process started, pid=[..]\n").run();
    let as_user = |user: &str, group: &str, action: &str| {
        let options = ["--reuid", user, "--regid", group, "--clear-groups", "./zdctl", "-C", "c", action];
        sandbox.command("setpriv").args(options).output()
    };
    let nobody = nix::unistd::User::from_name("nobody").unwrap().expect("the system has it");
    let (uid, gid) = (nobody.uid.to_string(), nobody.gid.to_string());
    let refused = "zdctl: cannot connect to daemon manager at socket 'run/s': Permission denied; 'run/s' belongs to user 'nobody'; \
                   act as that user, or remove it if no manager of that user runs\n";
    let status = as_user(STRANGER, STRANGER, "status");
    assert_eq!((status.status, status.stdout.as_str(), status.stderr.as_str()), (4, "", refused));
    let stop = as_user(STRANGER, STRANGER, "stop");
    assert_eq!((stop.status, stop.stdout.as_str(), stop.stderr.as_str()), (1, "", refused));
    let status = as_user(&uid, &gid, "status");
    assert_eq!((status.status, status.stderr.as_str()), (0, ""));
    assert_eq!(root("status").output().stdout, status.stdout);
    let stop = as_user(&uid, &gid, "stop");
    assert_eq!(
        (stop.status, stop.stdout.as_str(), stop.stderr.as_str()),
        (0, "daemon process stopped\n", "")
    );
    sandbox.assert_no_process_left();
}
