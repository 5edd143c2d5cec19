//! `--start`, with a stand-in for `zdctl` and the server in the test's own hands.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::{first_run, install, mkzeoinst};
use crate::sandbox::{SOON, Sandbox, eventually, eventually_some};

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

/// A server that greets everyone; on a busy machine an attempt can time out before it is served.
struct Server {
    address: String,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn at(address: &str) -> Self {
        // Programs that other tests are just starting hold a listener that was closed here until their exec.
        let listener = eventually_some(SOON, || TcpListener::bind(address).ok());
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Acquire) {
                // The client may have given up already.
                let _ = listener.accept().unwrap().0.write_all(b"\0\0\0\x02Z5");
            }
        });
        Self { address: address.to_owned(), done, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        drop(TcpStream::connect(&self.address));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the server failed");
    }
}

/// What is said at the end of a start, where the server listens on this machine alone.
fn closing(sandbox: &Sandbox, address: &str) -> String {
    let home = sandbox.path("zeo");
    let home = home.display();
    let port = address.rsplit(':').next().unwrap();
    format!(
        "ZEO server is listening on {address}
It can be reached from this machine alone, without authentication
To control it: {home}/bin/zeoctl status, or restart, stop, help
To connect from Python: import ZEO; db = ZEO.DB(('127.0.0.1', {port}))
To stop and remove it, with all that is in it: {home}/bin/zeoctl stop && rm -r {home}
"
    )
}

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
    drop(listener);
    let server = Server::at(&address);
    let outcome = running.wait(SOON);
    drop(server);
    let expected = format!(
        "{}daemon process started, pid=1\n{}",
        first_run(&sandbox.path("zeo")),
        closing(&sandbox, &address)
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
    let stderr = format!("mkzeoinst: not starting the instance: {why}; nothing was done\n");
    let port = port.to_string();
    let start = || mkzeoinst(&sandbox).args(["--start", "zeo", &port]).status(1).stderr(&stderr);
    start().run();
    assert!(!sandbox.path("zeo").exists());
    // Neither for a home that is there.
    let warning = format!("mkzeoinst: warning: {why}\n");
    mkzeoinst(&sandbox).args(["zeo", &port]).stdout(first_run(&sandbox.path("zeo"))).stderr(warning).run();
    std::fs::remove_file(sandbox.path("zeo/etc/zeoctl.conf")).unwrap();
    start().run();
    assert!(!sandbox.path("zeo/etc/zeoctl.conf").exists());
}

#[test]
fn address_is_that_of_the_configuration_that_is_there() {
    let sandbox = Sandbox::new();
    install(&sandbox, WILLING);
    let address = format!("127.0.0.1:{}", sandbox.port());
    let text = format!("%define a {address}\n<zeo>\n  ADDRESS $a\n</zeo>\n<mappingstorage 1/>\n");
    sandbox.write("zeo/etc/zeo.conf", text);
    let running = mkzeoinst(&sandbox).args(["--start", "zeo", "19999"]).spawn();
    eventually(SOON, || sandbox.path("started").exists());
    let server = Server::at(&address);
    let outcome = running.wait(SOON);
    drop(server);
    let home = sandbox.path("zeo");
    let warning = format!(
        "mkzeoinst: warning: the instance keeps {address}, and does not get port 19999; to change it: mkzeoinst \
         --update {} 19999\n",
        home.display()
    );
    assert_eq!((outcome.status, outcome.stderr), (0, warning), "{}", outcome.stdout);
    let end = format!("daemon process started, pid=1\n{}", closing(&sandbox, &address));
    assert!(outcome.stdout.ends_with(&end), "{}", outcome.stdout);
}

#[test]
fn address_that_cannot_be_told_is_not_waited_for() {
    for (text, why) in [
        (
            "<zeo>\n  address localhost:\n</zeo>\n<mappingstorage 1/>\n",
            "'[HOME]/etc/zeo.conf' has an address without a port",
        ),
        ("<zeo>\n  address\n", "[HOME]/etc/zeo.conf:[..]"),
    ] {
        let sandbox = Sandbox::new();
        install(&sandbox, WILLING);
        let home = sandbox.path("zeo");
        mkzeoinst(&sandbox).args(["zeo", "19999"]).stdout(first_run(&home)).run();
        sandbox.write("zeo/etc/zeo.conf", text);
        let home_word = home.display();
        let kept = format!(
            "Warning: not overwriting existing file '{home_word}/etc/zeo.conf'; it was edited; to see how it differs: \
             mkzeoinst --diff {home_word}; to merge what is new: mkzeoinst --update {home_word}"
        );
        let stdout = format!("{kept}\nAll done.\ndaemon process started, pid=1\n");
        let why = why.replace("[HOME]", home.to_str().unwrap());
        let stderr = format!("mkzeoinst: warning: not waiting for the server: {why}\n");
        mkzeoinst(&sandbox).args(["--start", "zeo", "19999"]).stdout(stdout).stderr(stderr).run();
    }
}

#[test]
fn root_starts_nothing_that_another_user_can_change() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for name in ["", "bin", "bin/zeoctl", "etc", "etc/zeoctl.conf", "etc/zeo.conf"] {
        let sandbox = Sandbox::new();
        install(&sandbox, WILLING);
        let home = sandbox.path("zeo");
        let port = sandbox.port().to_string();
        mkzeoinst(&sandbox).args(["zeo", &port]).stdout(first_run(&home)).run();
        let theirs = home.join(name);
        let theirs = if name.is_empty() { home.clone() } else { theirs };
        // Nobody's, who could let others write in it too.
        chown(&theirs, Some(65534), None).unwrap();
        let why = format!(
            "another user can change '{}', and root would run what is there; nothing was done",
            theirs.display()
        );
        let stderr = format!("mkzeoinst: not starting the instance: {why}\n");
        let start = || mkzeoinst(&sandbox).args(["--start", "zeo", &port]).output();
        let outcome = start();
        assert_eq!((outcome.status, outcome.stdout.as_str(), outcome.stderr), (1, "", stderr));
        assert!(!sandbox.path("started").exists(), "{name}");
        // Root's again: a manager is asked for.
        chown(&theirs, Some(0), None).unwrap();
        let _server = Server::at(&format!("0.0.0.0:{port}"));
        let outcome = start();
        assert_eq!(outcome.status, 0, "{name}: {outcome:?}");
        assert!(sandbox.path("started").exists(), "{name}");
    }
}

#[test]
fn address_that_cannot_be_had_is_seen_before_anything_is_made() {
    let sandbox = Sandbox::new();
    install(&sandbox, FLEETING);
    let why = "cannot check that 192.0.2.1:19999 is free: Cannot assign requested address";
    let stderr = format!("mkzeoinst: not starting the instance: {why}; nothing was done\n");
    mkzeoinst(&sandbox).args(["--start", "zeo", "192.0.2.1:19999"]).status(1).stderr(stderr).run();
    assert!(!sandbox.path("zeo").exists());
}

#[test]
fn what_our_server_would_refuse_is_a_warning_and_is_not_started() {
    let sandbox = Sandbox::new();
    install(&sandbox, WILLING);
    let port = sandbox.port().to_string();
    let ours = sandbox.path("bin/runzeo").display().to_string();
    let python = sandbox.write("python/runzeo", "#!/usr/bin/python3\n");
    std::fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let why = format!(
        "{ours} does not serve blobs yet and will not start; leave -b out, or name the runzeo of Python's ZEO with --server"
    );
    let run = |more: &[&str]| mkzeoinst(&sandbox).args(more).args(["zeo", &port, "-b"]).output();
    let refused = run(&["--start"]);
    let expected = format!("mkzeoinst: not starting the instance: {why}; nothing was done\n");
    assert_eq!((refused.status, refused.stderr), (1, expected));
    assert!(!sandbox.path("zeo").exists());
    assert_eq!(run(&["--dry-run"]).stderr, format!("mkzeoinst: warning: {why}\n"));
    assert_eq!(run(&["--dry-run", "--server", python.to_str().unwrap()]).stderr, "");
}
