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
}
