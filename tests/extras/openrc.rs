//! The service for `OpenRC`, run by rc-service where /run, /etc/init.d and the cgroups are others: in namespaces of its own, in
//! which nothing outlives the scenario.

use std::path::Path;

use super::*;
use crate::sandbox::can_unshare;
use crate::sandbox::run::Outcome;

/// Prepares what `OpenRC` finds on a machine that it has booted, then runs the steps `"$@"`, each followed by its status.
const SCENARIO: &str = r#"
mount -t tmpfs none /run
mount -t tmpfs none /sys/fs/cgroup
cd /run
mkdir openrc openrc/daemons openrc/exclusive openrc/failed openrc/hotplugged openrc/inactive openrc/options \
    openrc/scheduled openrc/started openrc/starting openrc/stopping openrc/tmp openrc/wasinactive
echo default >openrc/softlevel
mount --bind "$HOME/init.d" /etc/init.d
mount --bind "$HOME/rc.conf" /etc/rc.conf
for step in "$@"; do
    status=0
    rc-service -C "$SERVICE" "$step" </dev/null 2>&1 || status=$?
    echo "$step: $status"
done
"#;

/// Where the scenario runs.
const UNSHARE: &[&str] = &["-r", "-m", "-p", "-f", "--kill-child", "--mount-proc"];

fn works() -> bool {
    have("rc-service") && can_unshare(UNSHARE)
}

/// Runs the steps for the service of an instance, which is installed under its own name.
fn run(instance: &Instance<'_>, steps: &[&str]) -> Outcome {
    let sandbox = instance.sandbox;
    sandbox.write("rc.conf", "rc_controller_cgroups=NO\n");
    let made = fs::read_dir(instance.home.join("etc/openrc")).unwrap().next().unwrap().unwrap();
    let service = sandbox.write(Path::new("init.d").join(made.file_name()), fs::read(made.path()).unwrap());
    let other = sandbox.write("init.d/localmount", "#!/sbin/openrc-run\nstart() { :; }\n");
    for script in [&other, &service] {
        fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let run = sandbox.command("unshare").args(UNSHARE).args(["sh", "-euc", SCENARIO, "sh"]);
    run.args(steps).env("SERVICE", made.file_name()).output()
}

/// What was said, without what `OpenRC` says of itself, and without pids.
fn said(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.stdout.lines().map(|line| line.split(" ...").next().unwrap_or(line).trim());
    let lines =
        lines.filter(|line| !line.contains("cgroup") && !line.contains("Caching service dependencies"));
    lines.map(|line| line.split("; pid=").next().unwrap_or(line)).collect()
}

#[test]
fn rc_service_starts_controls_and_stops_an_instance() {
    if !works() {
        return;
    }
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "my zeo's", "openrc");
    let steps =
        ["status", "start", "status", "start", "logreopen", "reload", "restart", "status", "stop", "status"];
    let outcome = run(&instance, &steps);
    let expected = [
        "daemon manager not running",
        "status: 3",
        "* Starting ZEO server my_zeo_s",
        "start: 0",
        "program running",
        "status: 0",
        "* WARNING: zeo-my_zeo_s has already been started",
        "start: 0",
        "* Reopening the log files of ZEO server my_zeo_s",
        "logreopen: 0",
        "* Reloading the configuration of zdrun for ZEO server my_zeo_s",
        "reload: 0",
        "* Stopping ZEO server my_zeo_s",
        "* Starting ZEO server my_zeo_s",
        "restart: 0",
        "program running",
        "status: 0",
        "* Stopping ZEO server my_zeo_s",
        "stop: 0",
        "daemon manager not running",
        "status: 3",
    ];
    assert_eq!(said(&outcome), expected, "{outcome:?}");
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    sandbox.assert_no_process_left();
}

#[test]
fn start_that_fails_is_a_failure_with_its_reason() {
    if !works() {
        return;
    }
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "zeo", "openrc");
    sandbox.write("zeo/end", "3");
    // However long it takes to end, it is not up then.
    let conf = sandbox.read("zeo/etc/zeoctl.conf").replacen("<runner>\n", "<runner>\n  start-grace 60\n", 1);
    sandbox.write("zeo/etc/zeoctl.conf", conf);
    let outcome = run(&instance, &["start"]);
    assert!(outcome.stdout.ends_with("start: 1\n"), "{outcome:?}");
    assert!(outcome.stdout.contains("the program ended before it was up: exit status 3"), "{outcome:?}");
    assert!(outcome.stdout.contains("ERROR: zeo-zeo failed to start"), "{outcome:?}");
}
