//! The life of one instance, from its making to its end.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Instance;
use crate::peers;
use crate::sandbox::{SOON, Sandbox, eventually, eventually_some};

#[test]
fn instance_keeps_its_data_and_its_log_through_a_crash_and_a_rotation() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, &python, sandbox.path("zeo"));
    let pid = instance.start();
    instance.zeoctl("status").stdout(format!("program running; pid={pid}\n")).run();
    instance.zeoctl("start").stdout(format!("daemon process already running; pid={pid}\n")).run();

    instance.client("make", ["first", "second"]).run();
    let clients = ["first", "second"].map(|name| (name, instance.client("commit", [name, "500"]).spawn()));
    for (name, client) in clients {
        let outcome = client.wait(SOON);
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{name}");
        assert_eq!(outcome.stdout, format!("{name}: committed 500\n"));
    }
    let everything = "first: read 500\nsecond: read 500\n";
    instance.client("read", [""; 0]).stdout(everything).run();

    let pid = comes_back_after_sigkill(&instance, pid);
    instance.client("read", [""; 0]).stdout(everything).run();

    let connected_before = connections(&sandbox, "zeo/log/zeo.log");
    fs::rename(sandbox.path("zeo/log/zeo.log"), sandbox.path("zeo/log/zeo.log.1")).expect("the log is there");
    instance.client("read", [""; 0]).stdout(everything).run();
    let sent = format!("kill({pid}, 12)\nsignal SIGUSR2 sent to process {pid}\n");
    instance.zeoctl("logreopen").stdout(sent).run();
    eventually(SOON, || sandbox.path("zeo/log/zeo.log").exists());
    instance.client("read", [""; 0]).stdout(everything).run();
    assert_eq!(connections(&sandbox, "zeo/log/zeo.log.1"), connected_before + 1);
    assert_eq!(connections(&sandbox, "zeo/log/zeo.log"), 1);

    instance.stop();
    instance.zeoctl("stop").stdout("daemon manager not running\n").run();
}

/// Kills the server and waits for the next one, whose pid is returned.
#[track_caller]
fn comes_back_after_sigkill(instance: &Instance<'_>, pid: u32) -> u32 {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("the server runs");
    let next = eventually_some(SOON, || {
        let outcome = instance.zeoctl("status").output();
        let running = outcome.stdout.starts_with("program running; pid=");
        (running && outcome.pid() != pid).then(|| outcome.pid())
    });
    instance.zeoctl("status").stdout(format!("program running; pid={next}\n")).run();
    next
}

/// How many clients the log has seen coming.
fn connections(sandbox: &Sandbox, log: &str) -> usize {
    sandbox.read(log).lines().filter(|line| line.contains(" Connected ")).count()
}
