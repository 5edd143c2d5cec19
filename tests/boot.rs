//! Start at boot: a generated bin/zeoctl, copied to where init systems have their scripts (docs/boot.md), does what they
//! ask, and their tools take its comments. Nothing outside the sandbox is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::run::Run;
use crate::sandbox::{Sandbox, can_unshare, forks, have};

/// An instance whose server just stays, and its script at `etc/init.d/zeo` below the sandbox.
fn booted() -> Sandbox {
    let sandbox = Sandbox::new();
    let server = sandbox.write("runzeo", "#!/bin/sh\n[ \"$1\" = --check-config ] || exec sleep 1000\n");
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).expect("own file");
    let port = sandbox.port().to_string();
    sandbox.mkzeoinst().arg("--server").arg(server).args(["site", &port]).output();
    fs::create_dir_all(sandbox.path("etc/init.d")).expect("directories can be made");
    let copy = || fs::copy(sandbox.path("site/bin/zeoctl"), sandbox.path("etc/init.d/zeo"));
    forks::apart(copy).expect("it is there");
    sandbox
}

/// The script as init calls it: from anywhere, with next to no environment.
fn init(sandbox: &Sandbox, action: &str) -> Run {
    let script = sandbox.path("etc/init.d/zeo");
    sandbox.command(script).arg(action).current_dir("/")
}

#[test]
fn copied_script_answers_as_lsb_has_it() {
    let sandbox = booted();
    let (down, started) = ("daemon manager not running\n", "daemon process started, pid=[..]\n");
    init(&sandbox, "status").stdout(down).status(3).run();
    init(&sandbox, "stop").stdout(down).run();
    for action in ["try-restart", "condrestart", "force-reload"] {
        init(&sandbox, action).stdout("daemon process not running\n").run();
    }
    init(&sandbox, "reload").stdout(down).status(7).run();
    let pid = init(&sandbox, "start").stdout(started).run().pid();
    init(&sandbox, "start").stdout(format!("daemon process already running; pid={pid}\n")).run();
    init(&sandbox, "reload").stdout("daemon manager has reloaded its configuration\n").run();
    init(&sandbox, "status").stdout(format!("program running; pid={pid}\n")).run();
    for action in ["restart", "try-restart", "condrestart", "force-reload"] {
        init(&sandbox, action).stdout("daemon process restarted, pid=[..]\n").run();
    }
    init(&sandbox, "stop").stdout("daemon process stopped\n").run();
    init(&sandbox, "restart").stdout(started).run();
    init(&sandbox, "stop").stdout("daemon process stopped\n").run();
    let unknown = "zdctl: unknown action 'frobnicate'; for a list, use zdctl help\n";
    init(&sandbox, "frobnicate").stderr(unknown).status(2).run();
    sandbox.write("site/etc/zeoctl.conf", "<runner>\n");
    init(&sandbox, "start").stderr("zdctl: [..]zeoctl.conf:1: [..]\nzdctl: [..]\n").status(2).run();
    sandbox.assert_no_process_left();
}

#[test]
fn update_rc_d_makes_the_links_that_the_header_asks_for() {
    let private = ["--map-root-user", "--mount"];
    if !have("update-rc.d") || !can_unshare(&private) {
        return;
    }
    let sandbox = booted();
    for level in "0123456S".chars() {
        fs::create_dir(sandbox.path(format!("etc/rc{level}.d"))).expect("directories can be made");
    }
    // It knows /etc only: in a mount namespace, /etc is ours.
    let update = |how: &str| {
        let script = format!("mount --bind {}/etc /etc && update-rc.d zeo {how}", sandbox.root().display());
        let done = sandbox.command("unshare").args(private).args(["sh", "-c", &script]).output();
        assert_eq!(done.status, 0, "{done:?}");
    };
    let links = || -> Vec<String> {
        let level = |level: char| {
            let entries = fs::read_dir(sandbox.path(format!("etc/rc{level}.d"))).expect("it is there");
            let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
            names.map(move |name| format!("{level}{}", &name[..1])).collect::<Vec<_>>()
        };
        "0123456S".chars().flat_map(level).collect()
    };
    update("defaults");
    assert_eq!(links(), ["0K", "1K", "2K", "3S", "4S", "5S", "6K"]);
    fs::remove_file(sandbox.path("etc/init.d/zeo")).expect("it is there");
    update("remove");
    assert_eq!(links(), Vec::<String>::new());
}

#[test]
fn systemd_makes_a_unit_of_the_script() {
    if !have("systemd-sysv-generator") {
        return;
    }
    let sandbox = booted();
    let generate = sandbox.command("systemd-sysv-generator").args(["units", "units", "units"]);
    fs::create_dir(sandbox.path("units")).expect("directories can be made");
    fs::create_dir_all(sandbox.path("etc/rc3.d")).expect("directories can be made");
    std::os::unix::fs::symlink("../init.d/zeo", sandbox.path("etc/rc3.d/S90zeo")).expect("a link");
    let script = sandbox.path("etc/init.d/zeo");
    let generate = generate.env("SYSTEMD_SYSVINIT_PATH", sandbox.path("etc/init.d"));
    let done = generate.env("SYSTEMD_SYSVRCND_PATH", sandbox.path("etc")).output();
    assert_eq!(done.status, 0, "{done:?}");
    let unit = sandbox.read("units/zeo.service");
    for line in [
        "Description=LSB: ZEO server site".to_owned(),
        format!("ExecStart={} start", script.display()),
        format!("ExecStop={} stop", script.display()),
        "After=network-online.target".to_owned(),
    ] {
        assert!(unit.lines().any(|found| found == line), "no {line} in\n{unit}");
    }
    assert!(sandbox.path("units/multi-user.target.wants/zeo.service").is_symlink(), "{unit}");
}

/// As chkconfig(8) has it: `# chkconfig: LEVELS START STOP` and a description, which may go on after a backslash.
#[test]
fn chkconfig_finds_levels_priorities_and_a_description() {
    let sandbox = booted();
    let script = sandbox.read("etc/init.d/zeo");
    let comment = |name: &str| {
        let prefix = format!("# {name}: ");
        let mut lines = script.lines().filter_map(|line| line.strip_prefix(&prefix));
        let value = lines.next().unwrap_or_else(|| panic!("no {name} in {script}")).to_owned();
        assert_eq!(lines.next(), None, "{name} twice");
        value
    };
    let numbers = comment("chkconfig");
    let [levels, start, stop] = numbers.split(' ').collect::<Vec<_>>()[..] else { panic!("{numbers}") };
    assert_eq!(levels, "345");
    // Started after the network (10) and stopped before it (90).
    assert!(start.parse::<u8>().is_ok_and(|start| start > 10 && start < 100), "{start}");
    assert!(stop.parse::<u8>().is_ok_and(|stop| stop < 90), "{stop}");
    let description = comment("description");
    assert!(!description.is_empty() && !description.ends_with('\\'), "{description}");
    assert!(script.lines().take(40).any(|line| line.starts_with("# chkconfig: ")));
}
