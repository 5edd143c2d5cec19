//! The snippet for logrotate, read and run by logrotate.

use super::*;

fn logrotate(instance: &Instance<'_>, options: &[&str]) -> Run {
    let directory = instance.home.join("etc/logrotate");
    let snippet = fs::read_dir(directory).unwrap().next().unwrap().unwrap().path();
    instance.sandbox.command("logrotate").args(["-s", "rotations"]).args(options).arg(snippet)
}

#[test]
fn snippet_means_the_logs_of_its_home_whatever_its_name() {
    if !have("logrotate") {
        return;
    }
    for name in NAMES {
        let sandbox = Sandbox::new();
        let instance = Instance::make(&sandbox, name, "logrotate");
        // A neighbour with a name that a pattern could mean as well.
        for home in [instance.home.clone(), sandbox.path("other")] {
            fs::create_dir_all(home.join("log")).unwrap();
            fs::write(home.join("log/zeo.log"), "line\n").unwrap();
        }
        let outcome = logrotate(&instance, &["-d"]).output();
        assert_eq!(outcome.status, 0, "{name:?}: {outcome:?}");
        let considered: Vec<_> =
            outcome.stderr.split('\n').filter_map(|line| line.strip_prefix("considering log ")).collect();
        assert_eq!(considered, [format!("{}/log/zeo.log", instance.home.display())], "{name:?}: {outcome:?}");
        for bad in ["error", "Ignoring", "skipping"] {
            let printed = outcome.stderr.replace(&instance.home.display().to_string(), "");
            assert!(!printed.contains(bad), "{name:?}: {printed}");
        }
        // Nothing runs: there is nobody to be told, and nothing to be said.
        logrotate(&instance, &["-f"]).run();
        assert_eq!(fs::read_to_string(instance.home.join("log/zeo.log.1")).unwrap(), "line\n", "{name:?}");
        assert!(!instance.home.join("log/zeo.log").exists(), "{name:?}");
        assert!(sandbox.path("other/log/zeo.log").exists(), "{name:?}");
    }
}

#[test]
fn no_line_is_lost_in_rotations_of_a_server_that_writes() {
    if !have("logrotate") {
        return;
    }
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "it's {my} #zeo", "logrotate");
    instance.zeoctl("start").stdout("[..]daemon process started, pid=[..]\n").run();
    let log = instance.home.join("log");
    let grows = |name: &str| fs::metadata(log.join(name)).is_ok_and(|file| file.len() > 0);
    for _ in 0..4 {
        eventually(SOON, || grows("zeo.log"));
        logrotate(&instance, &["-f"]).run();
    }
    eventually(SOON, || grows("zeo.log"));
    instance.zeoctl("stop").stdout("[..]daemon process stopped\n").run();
    sandbox.assert_no_process_left();

    let mut files: Vec<_> = (2..5).rev().map(|n| log.join(format!("zeo.log.{n}.gz"))).collect();
    files.extend([log.join("zeo.log.1"), log.join("zeo.log")]);
    let lines = sandbox.command("zcat").arg("-f").args(&files).output().stdout;
    let count = lines.lines().count();
    let whole = lines.lines().enumerate().all(|(n, line)| line == format!("line {}", n + 1));
    assert!(count > 50 && whole, "of {count} lines some are lost or twice");
    // zdrun's own log as well.
    let mut own: Vec<_> = (2..5).rev().map(|n| log.join(format!("zeoctl.log.{n}.gz"))).collect();
    own.retain(|file| file.exists());
    own.extend([log.join("zeoctl.log.1"), log.join("zeoctl.log")].into_iter().filter(|file| file.exists()));
    let own = sandbox.command("zcat").arg("-f").args(&own).output().stdout;
    assert!(own.contains("daemon manager started") && own.trim_end().ends_with("Exiting"), "{own}");
}

#[test]
fn server_that_cannot_be_told_is_an_error() {
    if !have("logrotate") {
        return;
    }
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "zeo", "logrotate");
    sandbox.write("zeo/log/zeo.log", "line\n");
    sandbox.write("zeo/etc/zeoctl.conf", "nonsense\n");
    let outcome = logrotate(&instance, &["-f"]).output();
    assert_eq!(outcome.status, 1, "{outcome:?}");
    assert!(outcome.stderr.contains("error running shared postrotate script"), "{outcome:?}");
}

#[test]
fn logs_of_another_user_are_rotated_as_that_user() {
    if !have("logrotate") || !nix::unistd::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let home = sandbox.path("zeo");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(1), Some(1)).unwrap();
    let instance = Instance::make(&sandbox, "zeo", "logrotate");
    assert!(sandbox.read("zeo/etc/logrotate/zeo-zeo").contains("\n    su daemon daemon\n"));
    fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.write("zeo/log/zeo.log", "line\n");
    for path in ["zeo/log", "zeo/log/zeo.log"] {
        std::os::unix::fs::chown(sandbox.path(path), Some(1), Some(1)).unwrap();
    }
    fs::set_permissions(sandbox.path("zeo/log"), PermissionsExt::from_mode(0o775)).unwrap();
    // Without `su`, logrotate refuses a directory that others than root can write to.
    let outcome = logrotate(&instance, &["-d"]).output();
    assert!(outcome.status == 0 && !outcome.stderr.contains("error"), "{outcome:?}");
}
