//! The service directory for runit, under runsv.

use super::*;
use crate::sandbox::matches;

/// Has an instance supervised, until the end of the sandbox.
fn supervise(instance: &Instance<'_>) {
    let service = instance.home.join("etc/runit");
    let _runsv = instance.sandbox.command("runsv").arg(&service).spawn();
    // This is the first file that runsv makes after it listens to sv for both.
    eventually(SOON, || service.join("log/supervise/pid").exists());
}

fn sv(instance: &Instance<'_>, action: &str) -> Run {
    instance.sandbox.command("sv").args(["-w", "50", action]).arg(instance.home.join("etc/runit"))
}

fn is_down(instance: &Instance<'_>) -> bool {
    sv(instance, "status").output().stdout.starts_with("down: ")
}

#[test]
fn runsv_starts_restarts_and_stops_an_instance() {
    if !have("runsv") {
        return;
    }
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "my zeo's", "runit");
    supervise(&instance);
    sv(&instance, "start").stdout("ok: run: [..]/my zeo's/etc/runit: (pid [..]) [..]s\n").run();
    let (server, zdrun) = instance.up_anew(0, 0);
    let both = format!("run: [..]: (pid {zdrun}) [..]s; run: log: (pid [..]) [..]s\n");
    eventually(SOON, || matches(&both, &sv(&instance, "status").output().stdout));

    instance.crash_kill_stop_and_start(server, zdrun);

    sv(&instance, "stop").stdout("ok: down: [..]\n").run();
    instance.assert_gone();
    sv(&instance, "exit").stdout("ok: [..]\n").run();
    sandbox.assert_no_process_left();
    let kept = sandbox.read("my zeo's/log/runit/current");
    assert!(kept.lines().next().is_some_and(|line| line.ends_with(" the server speaks")), "{kept}");
}

#[test]
fn server_that_ends_for_good_is_left_down() {
    if !have("runsv") {
        return;
    }
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "zeo", "runit");
    supervise(&instance);
    sv(&instance, "start").stdout("ok: run: [..]\n").run();
    instance.up_anew(0, 0);
    sandbox.write("zeo/end", "2");
    eventually(SOON, || is_down(&instance));
    instance.assert_gone();
    std::fs::remove_file(sandbox.path("zeo/end")).unwrap();
    sv(&instance, "start").stdout("ok: run: [..]\n").run();
    instance.up_anew(0, 0);
    sv(&instance, "exit").stdout("ok: [..]\n").run();
    sandbox.assert_no_process_left();
}
