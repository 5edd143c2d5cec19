//! What whoever manages the manager hears of it: `sd_notify(3)`, and a line on a descriptor.

use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;

use super::readiness::notifying;
use super::*;
use crate::sandbox::run::Running;
use crate::sandbox::{eventually, have};

/// A service manager's socket.
struct Listener(UnixDatagram);

impl Listener {
    fn bind(sandbox: &Sandbox) -> Self {
        let socket = UnixDatagram::bind(sandbox.path("notify")).expect("a socket can be made");
        socket.set_read_timeout(Some(SOON)).expect("a time-out can be set");
        Self(socket)
    }

    /// The next message.
    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("a message comes in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// The first message that says so, after others.
    fn until(&self, word: &str) -> String {
        std::iter::repeat_with(|| self.next())
            .find(|message| message.contains(word))
            .expect("it repeats for ever")
    }

    fn has_nothing(&self) -> bool {
        self.0.set_nonblocking(true).expect("it can be set");
        self.0.recv(&mut [0; 64]).is_err()
    }
}

/// A manager in the foreground that is told of the listener.
fn foreground(sandbox: &Sandbox, runner: &str, program: &[&str]) -> Running {
    let conf = conf(sandbox, runner);
    let run = sandbox.zdrun().env("NOTIFY_SOCKET", sandbox.path("notify")).env("WATCHDOG_PID", "1");
    run.args(["-s", "sock", "-C"]).arg(conf).args(program).spawn()
}

fn manager(sandbox: &Sandbox) -> Manager<'_> {
    Manager { sandbox, socket: sandbox.path("sock") }
}

#[test]
fn service_manager_hears_of_start_reload_and_end() {
    let sandbox = Sandbox::new();
    let listener = Listener::bind(&sandbox);
    let zdrun = foreground(&sandbox, "start-grace 0\nhang-around true\nforever true", SLEEP);
    let ready = listener.until("READY=1");
    let manager = manager(&sandbox);
    let first = manager.pid();
    assert_eq!(ready, format!("READY=1\nSTATUS=program running; pid={first}"));

    zdrun.signal(Signal::SIGHUP);
    let reload = listener.next();
    let time = reload.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{reload}"));
    assert!(time.parse::<u64>().is_ok(), "{reload}");
    assert_eq!(listener.next(), "READY=1");

    signal(first, Signal::SIGKILL);
    assert_eq!(
        listener.until("again"),
        "STATUS=program to be started again in 1 s; last exit: terminated by SIGKILL"
    );
    let second = manager.next_pid(first);
    assert!(listener.until("running").ends_with(&format!("pid={second}")));

    manager.ask("stop");
    assert_eq!(listener.until("not running"), "STATUS=program not running");
    manager.ask("start");
    listener.until("running; pid=");
    zdrun.signal(Signal::SIGTERM);
    assert!(listener.until("STOPPING=1").contains("\nSTATUS=program stopping; pid="));
    assert_eq!(zdrun.wait(SOON).status, 0);
}

#[test]
fn stop_and_end_that_are_seen_at_once_are_told_of_one_after_the_other() {
    let sandbox = Sandbox::new();
    let listener = Listener::bind(&sandbox);
    let zdrun = foreground(&sandbox, "start-grace 0", SLEEP);
    listener.until("READY=1");
    let manager = manager(&sandbox);
    let program = manager.pid();
    let mut watching = manager.connect();
    watching.write_all(b"watch\n").expect("it is taken");
    assert_eq!(manager.pid(), program);
    // Both signals wait for a manager that is held, that of the end behind the other.
    zdrun.signal(Signal::SIGSTOP);
    let state = || fs::read_to_string(format!("/proc/{}/stat", zdrun.pid())).expect("it lives");
    eventually(SOON, || state().contains(") T "));
    zdrun.signal(Signal::SIGTERM);
    signal(program, Signal::SIGKILL);
    eventually(SOON, || !is_alive(program));
    zdrun.signal(Signal::SIGCONT);
    assert_eq!(listener.next(), format!("STOPPING=1\nSTATUS=program stopping; pid={program}"));
    assert_eq!(listener.next(), "STATUS=program not running");
    assert_eq!(zdrun.wait(SOON).status, 0);
    let records = rest(watching);
    let told: Vec<_> = records.lines().filter_map(|line| line.strip_prefix("application=")).collect();
    assert_eq!(told, [&program.to_string(), &program.to_string(), "0"], "{records}");
}

#[test]
fn start_is_told_of_when_it_counts_and_not_before() {
    let sandbox = Sandbox::new();
    let listener = Listener::bind(&sandbox);
    let test = sandbox.write("test", "#!/bin/sh\ntest -e go\n");
    let runner = format!("start-grace 0\nstart-test-program sh {}", test.display());
    let zdrun = foreground(&sandbox, &runner, SLEEP);
    let starting = listener.until("program starting; pid=");
    assert!(starting.starts_with("STATUS="), "{starting}");
    sandbox.write("go", "");
    assert!(listener.next().starts_with("READY=1\nSTATUS=program running; pid="));
    zdrun.signal(Signal::SIGTERM);
    assert_eq!(zdrun.wait(SOON).status, 0);
}

#[test]
fn time_that_the_program_asks_for_is_asked_for() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let listener = Listener::bind(&sandbox);
    let wait = "while not os.path.exists('go'): time.sleep(0.02)\ns.sendto(b'READY=1', a)\n\
                while not os.path.exists('on'): time.sleep(0.02)\n\
                s.sendto(b'EXTEND_TIMEOUT_USEC=7000000', a)\ns.sendto(b'STATUS=up', a)\ntime.sleep(1000)";
    let program = notifying("EXTEND_TIMEOUT_USEC=600000000", wait);
    let _zdrun = foreground(&sandbox, "start-grace 1000", &["python3", "-c", &program]);
    assert_eq!(listener.until("EXTEND"), "EXTEND_TIMEOUT_USEC=600000000");
    sandbox.write("go", "");
    listener.until("READY=1");
    sandbox.write("on", "");
    // Once it is up there is nothing to wait for.
    let mut said = std::iter::repeat_with(|| listener.next());
    let said = said.find(|said| said.contains("EXTEND") || said.ends_with("; up"));
    assert!(said.is_some_and(|said| said.starts_with("STATUS=program running; pid=")));
}

#[test]
fn failed_start_is_no_start() {
    let sandbox = Sandbox::new();
    let listener = Listener::bind(&sandbox);
    let zdrun = foreground(&sandbox, "start-grace 1000\n backoff-limit 2", &["sh", "-c", "exit 3"]);
    let outcome = zdrun.wait(SOON);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""));
    let waiting = listener.until("exit status 3");
    assert!(
        waiting.ends_with("STATUS=program to be started again in 1 s; last exit: exit status 3"),
        "{waiting}"
    );
    let stopping = listener.until("STOPPING=1");
    assert!(!stopping.contains("READY"), "{stopping}");
    assert!(listener.has_nothing());
}

#[test]
fn program_hears_nothing_of_its_managers_manager() {
    let sandbox = Sandbox::new();
    let listener = Listener::bind(&sandbox);
    let say = "echo \"$NOTIFY_SOCKET.$WATCHDOG_PID.$ZDRUN_NOTIFICATION_FD\" >said.new; mv said.new said; exec sleep 1000";
    let zdrun = foreground(&sandbox, "start-grace 0", &["sh", "-c", say]);
    listener.until("READY=1");
    eventually(SOON, || sandbox.path("said").exists());
    let said = sandbox.read("said");
    assert!(said.starts_with('@') && said.ends_with("..\n"), "{said}");
    zdrun.signal(Signal::SIGTERM);
    assert_eq!(zdrun.wait(SOON).status, 0);
}

#[test]
fn service_manager_hears_again_from_a_manager_that_was_replaced() {
    let sandbox = Sandbox::new();
    let listener = Listener::bind(&sandbox);
    let zdrun = foreground(&sandbox, "start-grace 0", SLEEP);
    let ready = listener.until("READY=1");
    assert!(!manager(&sandbox).ask("reexec").is_empty());
    assert_eq!(listener.until("READY=1"), ready);
    zdrun.signal(Signal::SIGTERM);
    listener.until("STOPPING=1");
    assert_eq!(zdrun.wait(SOON).status, 0);
}

#[test]
fn daemon_tells_nobody() {
    let sandbox = Sandbox::new();
    let listener = Listener::bind(&sandbox);
    let conf = conf(&sandbox, "start-grace 0");
    let run = sandbox.zdrun().env("NOTIFY_SOCKET", sandbox.path("notify"));
    run.args(["-d", "-s", "sock", "-C"]).arg(conf).args(SLEEP).run();
    let manager = manager(&sandbox);
    manager.ask("stop");
    manager.gone();
    assert!(listener.has_nothing());
}

#[test]
fn service_manager_that_has_gone_changes_nothing() {
    let sandbox = Sandbox::new();
    for name in ["nothing", "@no-such-name", "", "@", "vsock:2:1"] {
        let conf = conf(&sandbox, "start-grace 0");
        let run = sandbox.zdrun().env("NOTIFY_SOCKET", name).args(["-s", "sock", "-C"]).arg(conf);
        let zdrun = run.args(SLEEP).spawn();
        let manager = manager(&sandbox);
        eventually(SOON, || manager.socket.exists());
        manager.ask("stop");
        let outcome = zdrun.wait(SOON);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (0, ""), "{name}");
    }
}

#[test]
fn sign_of_life_is_given_as_often_as_asked_for() {
    let sandbox = Sandbox::new();
    let listener = Listener::bind(&sandbox);
    let conf = conf(&sandbox, "start-grace 0");
    let run = sandbox.zdrun().env("NOTIFY_SOCKET", sandbox.path("notify")).env("WATCHDOG_USEC", "40000");
    let zdrun = run.args(["-s", "sock", "-C"]).arg(conf).args(SLEEP).spawn();
    listener.until("READY=1");
    for _ in 0..5 {
        assert_eq!(listener.next(), "WATCHDOG=1");
    }
    zdrun.signal(Signal::SIGTERM);
    assert_eq!(zdrun.wait(SOON).status, 0);
}

#[test]
fn line_is_written_when_the_program_is_up_and_the_descriptor_closed() {
    let sandbox = Sandbox::new();
    let conf = conf(&sandbox, "start-grace 0");
    let program = "ls -l /proc/self/fd >descriptors.new; mv descriptors.new descriptors; exec sleep 1000";
    let start = "exec 3>line; ZDRUN_NOTIFICATION_FD=3 exec \"$@\"";
    let run =
        sandbox.command("sh").args(["-c", start, "sh", env!("CARGO_BIN_EXE_zdrun"), "-s", "sock", "-C"]);
    let zdrun = run.arg(conf).args(["sh", "-c", program]).spawn();
    eventually(SOON, || sandbox.path("line").exists() && sandbox.read("line") == "\n");
    eventually(SOON, || sandbox.path("descriptors").exists());
    let inherited = sandbox.read("descriptors");
    assert!(!inherited.contains("/line"), "{inherited}");
    // Another image has another descriptor of that number.
    assert!(!manager(&sandbox).ask("reexec").is_empty());
    eventually(SOON, || manager(&sandbox).status().get("replaced").is_some_and(|count| count == "1"));
    assert_eq!(sandbox.read("line"), "\n");
    zdrun.signal(Signal::SIGTERM);
    assert_eq!(zdrun.wait(SOON).status, 0);
}
