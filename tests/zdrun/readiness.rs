//! When a start counts: the grace, the program's own word, and what is told of one that fails.

use super::*;
use crate::sandbox::{eventually, have};

/// Says a line to the socket that the program finds in its environment, as `sd_notify(3)` does.
pub(super) fn notifying(what: &str, then: &str) -> String {
    format!(
        "import os, socket, time\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         a = os.environ['NOTIFY_SOCKET'].replace('@', '\\0', 1)\ns.sendto(b'{what}', a)\n{then}\n"
    )
}

#[test]
fn program_that_ends_within_the_grace_is_a_failed_start_with_its_last_words() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display().to_string();
    let runner = format!("start-grace 60\ntranscript {root}/out\nlogfile {root}/server.log");
    let conf = conf(&sandbox, &runner);
    let run = sandbox.zdrun().arg("-C").arg(conf).args(["-d", "-s", "sock"]);
    let complaint = format!(
        "zdrun: the program ended before it was up: exit status 3\nzdrun:   starting\nzdrun:   port in use\n\
         zdrun:   (see {root}/out)\nzdrun:   (the daemon manager keeps trying, next in 1 s; stop ends it)\n"
    );
    run.args(["sh", "-c", "echo starting; echo port in use >&2; exit 3"]).status(1).stderr(complaint).run();
    assert!(sandbox.read("out").starts_with("starting\nport in use\n"));
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    eventually(SOON, || manager.ask("stop").contains("stopped"));
    manager.gone();
}

#[test]
fn program_that_says_it_is_ready_need_not_live_through_the_grace() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let conf = conf(&sandbox, "start-grace 1000");
    let program = notifying("READY=1\\nSTATUS=all is well", "time.sleep(1000)");
    let run = sandbox.zdrun().arg("-C").arg(conf).args(["-d", "-s", "sock", "python3", "-c", &program]);
    run.run();
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    let status = manager.status();
    assert_eq!((status["ready"].as_str(), status["note"].as_str()), ("1", "'all is well'"));
}

#[test]
fn program_that_asks_for_time_is_waited_for_beyond_the_grace() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    // Long enough to hear of it on a busy machine.
    let conf = conf(&sandbox, "start-grace 5");
    let wait = "begin = time.monotonic()\nwhile time.monotonic() < begin + 6: time.sleep(0.02)\n\
                s.sendto(b'READY=1\\nSTATUS=served', a)\ntime.sleep(1000)";
    let program = notifying("EXTEND_TIMEOUT_USEC=600000000\\nSTATUS=waiting", wait);
    sandbox.zdrun().arg("-C").arg(conf).args(["-d", "-s", "sock", "python3", "-c", &program]).run();
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    let status = manager.status();
    assert_eq!((status["ready"].as_str(), status["note"].as_str()), ("1", "'served'"));
}

#[test]
fn program_that_is_to_say_so_is_waited_for() {
    if !have("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let conf = conf(&sandbox, "start-grace 0\nnotify true");
    let wait = "while not os.path.exists('go'): time.sleep(0.02)\ns.sendto(b'READY=1', a)\ntime.sleep(1000)";
    let program = notifying("STATUS=waiting", wait);
    let run = sandbox.zdrun().arg("-C").arg(conf).args(["-d", "-s", "sock", "python3", "-c", &program]);
    let starting = run.spawn();
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    eventually(SOON, || manager.socket.exists());
    eventually(SOON, || manager.status().get("note").is_some_and(|note| note == "'waiting'"));
    assert_eq!(manager.status()["ready"], "0");
    sandbox.write("go", "");
    assert_eq!(starting.wait(SOON).status, 0);
    assert_eq!(manager.status()["ready"], "1");
}

#[test]
fn watching_client_sees_each_change_until_the_end() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let mut stream = manager.connect();
    stream.write_all(b"watch\n").expect("it is taken");
    let first = manager.pid();
    signal(first, nix::sys::signal::Signal::SIGKILL);
    let second = manager.next_pid(first);
    manager.ask("stop");
    let records = rest(stream);
    manager.gone();
    let seen: Vec<_> = records
        .split("\n\n")
        .filter_map(|record| record.lines().find_map(|line| line.strip_prefix("application=")))
        .collect();
    let expected = [first, 0, second, second, 0].map(|pid| pid.to_string());
    let mut seen: Vec<String> = seen.into_iter().map(str::to_owned).collect();
    seen.dedup();
    let mut expected = expected.to_vec();
    expected.dedup();
    assert_eq!(seen, expected, "{records}");
}

#[test]
fn watching_client_is_told_when_sigkill_is_due() {
    let sandbox = Sandbox::new();
    let conf = conf(&sandbox, "start-grace 60\n stop-timeout 1");
    let script = "trap '' TERM; echo $$ > ready.new; mv ready.new ready; while :; do sleep 1000; done";
    let running = sandbox.zdrun().arg("-C").arg(conf).args(["-s", "sock", "sh", "-c", script]).spawn();
    let first = pid_in(&sandbox.path("ready"));
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    let mut stream = manager.connect();
    stream.write_all(b"watch\n").expect("it is taken");
    assert_eq!(manager.ask("restart"), "Sent SIGTERM; will restart later\n");
    assert_ne!(manager.next_pid(first), first);
    manager.ask("exit");
    let records = rest(stream);
    running.wait(SOON);
    // All else of the second record is as in the first.
    let of_first = |record: &&str| record.contains(&format!("application={first}\n"));
    let due: Vec<bool> =
        records.split("\n\n").filter(of_first).map(|record| !record.contains("\ndelay=0\n")).collect();
    // The third is of the SIGKILL, which would be sent again, and is on a machine where ends take long.
    assert!(due.len() >= 3 && due[..2] == [false, true] && !due[2..].contains(&false), "{records}");
}
