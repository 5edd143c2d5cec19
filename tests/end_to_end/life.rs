//! The life of one instance, from its making to its end.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Instance, Server};
use crate::peers;
use crate::sandbox::{SOON, Sandbox, eventually, eventually_some};

#[test]
fn instance_keeps_its_data_and_its_log_through_a_crash_and_a_rotation() {
    through_a_crash_and_a_rotation(Server::Ours);
}

#[test]
fn instance_with_the_python_server_does_so_too() {
    through_a_crash_and_a_rotation(Server::Python);
}

fn through_a_crash_and_a_rotation(server: Server) {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, &python, sandbox.path("zeo"), server);
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
    let told = |line: &&str| line.contains(" Connected ") || line.contains(" connected to storage '1'");
    sandbox.read(log).lines().filter(told).count()
}

#[test]
fn data_go_from_one_server_to_the_other_and_back() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let ours = Instance::make(&sandbox, &python, sandbox.path("ours"), Server::Ours);
    let theirs = Instance::make(&sandbox, &python, sandbox.path("theirs"), Server::Python);
    let mut expected = Vec::new();
    for (number, (name, instance)) in
        [("a", &ours), ("b", &theirs), ("c", &ours), ("d", &theirs)].into_iter().enumerate()
    {
        if number > 0 {
            let (from, to) = if number % 2 == 1 { (&ours, &theirs) } else { (&theirs, &ours) };
            for file in ["Data.fs", "Data.fs.index"] {
                fs::copy(from.home.join("var").join(file), to.home.join("var").join(file)).unwrap();
            }
        }
        instance.start();
        instance.client("make", [name]).run();
        instance.client("commit", [name, "100"]).stdout(format!("{name}: committed 100\n")).run();
        expected.push(format!("{name}: read 100\n"));
        instance.client("read", [""; 0]).stdout(expected.concat()).run();
        instance.stop();
    }
    let log = sandbox.read("ours/log/zeo.log");
    assert!(!log.contains("WARNING") && !log.contains("ERROR"), "{log}");
}
