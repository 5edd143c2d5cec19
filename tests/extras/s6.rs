//! The service directory for s6, under s6-svscan.

use std::os::unix::fs::symlink;

use super::*;

/// Has a directory scanned with the instance's service in it, until the end of the sandbox.
fn scan(instance: &Instance<'_>) {
    let scan = instance.sandbox.path("scan");
    fs::create_dir(&scan).unwrap();
    let service = scan.join("zeo");
    symlink(instance.home.join("etc/s6"), &service).unwrap();
    let _svscan = instance.sandbox.command("s6-svscan").arg(&scan).spawn();
    // Of all that s6-supervise makes, the status is last; the tools fail where there is none.
    eventually(SOON, || service.join("supervise/status").exists());
}

fn s6(instance: &Instance<'_>, command: &str, arguments: &[&str]) -> Run {
    instance.sandbox.command(command).args(arguments).arg("scan/zeo")
}

fn svstat(instance: &Instance<'_>, what: &str) -> Run {
    s6(instance, "s6-svstat", &["-o", what])
}

#[test]
fn s6_starts_restarts_and_stops_an_instance() {
    if !have("s6-svscan") {
        return;
    }
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "my zeo's", "s6");
    scan(&instance);
    // Ready is when the server is, not when there is a process.
    s6(&instance, "s6-svwait", &["-U", "-t", "50000"]).run();
    let (server, zdrun) = instance.pids().expect("it is up");
    svstat(&instance, "up,ready,pid").stdout(format!("true true {zdrun}\n")).run();

    instance.crash_kill_stop_and_start(server, zdrun);
    // The zdrun that came after said so too.
    eventually(SOON, || svstat(&instance, "up,ready").output().stdout == "true true\n");

    s6(&instance, "s6-svc", &["-wD", "-T", "50000", "-d"]).run();
    svstat(&instance, "up,wantedup").stdout("false false\n").run();
    instance.assert_gone();
    sandbox.command("s6-svscanctl").args(["-t", "scan"]).run();
    sandbox.assert_no_process_left();
    let kept = sandbox.read("my zeo's/log/s6/current");
    assert!(kept.lines().next().is_some_and(|line| line.ends_with(" the server speaks")), "{kept}");
}

#[test]
fn server_that_ends_for_good_is_left_down() {
    if !have("s6-svscan") {
        return;
    }
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "zeo", "s6");
    scan(&instance);
    s6(&instance, "s6-svwait", &["-U", "-t", "50000"]).run();
    sandbox.write("zeo/end", "2");
    s6(&instance, "s6-svwait", &["-D", "-t", "50000"]).run();
    svstat(&instance, "up,wantedup,exitcode").stdout("false false 2\n").run();
    instance.assert_gone();
    fs::remove_file(sandbox.path("zeo/end")).unwrap();
    s6(&instance, "s6-svc", &["-wU", "-T", "50000", "-u"]).run();
    instance.pids().expect("it is up");
    sandbox.command("s6-svscanctl").args(["-t", "scan"]).run();
    sandbox.assert_no_process_left();
}
