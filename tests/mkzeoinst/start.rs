//! `--start`, with a stand-in for `zdctl` and the server in the test's own hands.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{first_run, install, mkzeoinst};
use crate::sandbox::{SOON, Sandbox, eventually};

/// Says that it started something, and that it is running.
const WILLING: &str = r#"shift 2
case $1 in
start) echo "daemon process started, pid=1"; : >started ;;
status) echo "program running; pid=1" ;;
esac"#;

/// Started, but the manager is gone soon after.
const FLEETING: &str = r#"shift 2
case $1 in
start) echo "daemon process started, pid=1" ;;
status) echo "daemon manager not running"; exit 3 ;;
esac"#;

fn error(sandbox: &Sandbox, why: &str) -> String {
    let log = sandbox.path("zeo/log");
    let log = log.display();
    format!("mkzeoinst: cannot start the instance: {why}; see '{log}/zeoctl.log' and '{log}/zeo.log'\n")
}

#[test]
fn start_waits_until_the_server_answers() {
    let sandbox = Sandbox::new();
    install(&sandbox, WILLING);
    let address = format!("127.0.0.1:{}", sandbox.port());
    let running = mkzeoinst(&sandbox).args(["--start", "zeo", &address]).spawn();
    eventually(SOON, || sandbox.path("started").exists());
    // First something that is not ready yet, then the real greeting.
    let listener = TcpListener::bind(&address).unwrap();
    drop(listener.accept().unwrap());
    assert!(!running.stdout().contains("listening"), "{}", running.stdout());
    // It may take several: on a busy machine an attempt can time out.
    let done = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&done);
    let server = thread::spawn(move || {
        while !told.load(Ordering::Acquire) {
            // The client may have given up already.
            let _ = listener.accept().unwrap().0.write_all(b"\0\0\0\x02Z5");
        }
    });
    let outcome = running.wait(SOON);
    done.store(true, Ordering::Release);
    drop(TcpStream::connect(&address).unwrap());
    server.join().unwrap();
    let expected = format!(
        "{}daemon process started, pid=1\nZEO server is listening on {address}\n",
        first_run(&sandbox.path("zeo"))
    );
    assert_eq!((outcome.status, outcome.stdout, outcome.stderr), (0, expected, String::new()));
}

#[test]
fn start_that_fails_is_reported_with_the_logs() {
    let sandbox = Sandbox::new();
    install(&sandbox, "echo 'no such luck' >&2; exit 1");
    let port = sandbox.port().to_string();
    let why = format!("'{}' start: exit status: 1", sandbox.path("zeo/bin/zeoctl").display());
    let stderr = format!("no such luck\n{}", error(&sandbox, &why));
    let stdout = first_run(&sandbox.path("zeo"));
    mkzeoinst(&sandbox).args(["--start", "zeo", &port]).status(1).stdout(stdout).stderr(stderr).run();
}

#[test]
fn manager_that_gives_up_is_not_waited_for() {
    let sandbox = Sandbox::new();
    install(&sandbox, FLEETING);
    let port = sandbox.port().to_string();
    let stdout = format!("{}daemon process started, pid=1\n", first_run(&sandbox.path("zeo")));
    let stderr = error(&sandbox, "the daemon manager has ended");
    mkzeoinst(&sandbox).args(["--start", "zeo", &port]).status(1).stdout(stdout).stderr(stderr).run();
}

#[test]
fn stranger_on_the_port_is_not_taken_for_the_server() {
    let sandbox = Sandbox::new();
    install(&sandbox, FLEETING);
    let port = sandbox.port();
    let _stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let why = format!("a process is already listening on port {port}");
    let stderr = format!("mkzeoinst: warning: {why}\nmkzeoinst: not starting the instance: {why}\n");
    let stdout = first_run(&sandbox.path("zeo"));
    let port = port.to_string();
    mkzeoinst(&sandbox).args(["--start", "zeo", &port]).status(1).stdout(stdout).stderr(stderr).run();
}

#[test]
fn address_in_a_configuration_of_ones_own_is_not_guessed() {
    let sandbox = Sandbox::new();
    install(&sandbox, WILLING);
    let home = sandbox.path("zeo");
    mkzeoinst(&sandbox).args(["zeo", "19999"]).stdout(first_run(&home)).run();
    sandbox.write("zeo/etc/zeo.conf", "# mine\n");
    let stdout = format!(
        "Warning: not overwriting existing file '{}/etc/zeo.conf'\nAll done.\ndaemon process started, pid=1\n",
        home.display()
    );
    let stderr = "mkzeoinst: warning: not waiting for the server, because the existing zeo.conf may name another \
                  address\n";
    mkzeoinst(&sandbox).args(["--start", "zeo", "19999"]).stdout(stdout).stderr(stderr).run();
}
