//! What `mkzeoinst --with` adds to an instance, in the hands of the programs that it is for.

mod logrotate;
mod openrc;
mod runit;
mod s6;
mod systemd;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::mkzeoinst::NAMES;
use crate::mkzeoinst::script::shells;
use crate::sandbox::run::Run;
use crate::sandbox::{SOON, Sandbox, eventually, eventually_some, have};

/// A stand-in for the server: writes numbered lines to its log file, which it opens anew on SIGUSR2, and ends as it is told
/// by a file.
const SERVER: &str = r#"#!/bin/sh
home=${2%/etc/zeo.conf}
trap 'exec 4>>"$home/log/zeo.log"' USR2
trap 'exit 0' TERM
exec 4>>"$home/log/zeo.log"
echo "the server speaks"
line=0
while :; do
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        line=$((line + 1))
        echo "line $line" >&4
    done
    [ ! -e "$home/end" ] || exit "$(cat "$home/end")"
    sleep 0.01
done
"#;

/// An instance with extras, and its server.
struct Instance<'a> {
    sandbox: &'a Sandbox,
    home: PathBuf,
}

impl<'a> Instance<'a> {
    /// Makes it, in a sandbox of its own.
    #[track_caller]
    fn make(sandbox: &'a Sandbox, name: &str, with: &str) -> Self {
        let server = sandbox.write("server", SERVER);
        fs::set_permissions(&server, PermissionsExt::from_mode(0o755))
            .expect("an own file can be made executable");
        let home = sandbox.path(name);
        let port = sandbox.port().to_string();
        let run =
            sandbox.mkzeoinst().arg("--server").arg(server).args(["--with", with, "--"]).arg(&home).arg(port);
        run.stdout("...\nAll done.\n").run();
        Self { sandbox, home }
    }

    fn zeoctl(&self, action: &str) -> Run {
        self.sandbox.command(self.home.join("bin/zeoctl")).arg(action)
    }

    /// The program's pid and the manager's; `None` where it is not up.
    fn pids(&self) -> Option<(i32, i32)> {
        let status = self.zeoctl("status").arg("-l").output().stdout;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            value.parse().ok().filter(|pid| *pid > 0)
        };
        (field("ready") == Some(1)).then_some(())?;
        Some((field("application")?, field("manager")?))
    }

    /// Waits until it is up with a program and a manager that are not these.
    #[track_caller]
    fn up_anew(&self, program: i32, manager: i32) -> (i32, i32) {
        eventually_some(SOON, || {
            self.pids()
                .filter(|(new, over)| (program == 0 || *new != program) && (manager == 0 || *over != manager))
        })
    }

    /// Takes an instance under a supervisor through a crash of the server, which zdrun starts again; SIGKILL of zdrun, which
    /// the supervisor starts again, and which finds the server alive; and a stop and a start by zeoctl within the service.
    #[track_caller]
    fn crash_kill_stop_and_start(&self, server: i32, zdrun: i32) {
        kill_hard(server);
        let (server, same) = self.up_anew(server, 0);
        assert_eq!(same, zdrun);
        kill_hard(zdrun);
        let (adopted, zdrun) = self.up_anew(0, zdrun);
        assert_eq!(adopted, server);
        self.zeoctl("stop").stdout("[..]daemon process stopped\n").run();
        self.zeoctl("status").status(3).stdout("daemon manager running; daemon process not running\n").run();
        self.zeoctl("start").stdout("[..]daemon process started, pid=[..]\n").run();
        assert_eq!(self.up_anew(server, 0).1, zdrun);
    }

    #[track_caller]
    fn assert_gone(&self) {
        self.zeoctl("status").status(3).stdout("daemon manager not running\n").run();
    }
}

/// SIGKILL, at any time.
#[track_caller]
fn kill_hard(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
}

/// The scripts of a home, below `etc`.
const SCRIPTS: &[&str] =
    &["runit/run", "runit/check", "runit/finish", "runit/log/run", "s6/run", "s6/finish", "s6/log/run"];

#[test]
fn scripts_are_for_every_shell_and_home() {
    let shells = shells();
    let shellcheck = have("shellcheck");
    for name in NAMES {
        let sandbox = Sandbox::new();
        let instance = Instance::make(&sandbox, name, "openrc,runit,s6");
        let openrc = fs::read_dir(instance.home.join("etc/openrc")).unwrap().next().unwrap().unwrap().path();
        let scripts: Vec<_> =
            SCRIPTS.iter().map(|script| instance.home.join("etc").join(script)).chain([openrc]).collect();
        for script in &scripts {
            assert_eq!(fs::metadata(script).unwrap().permissions().mode() & 0o111, 0o111, "{script:?}");
        }
        for shell in &shells {
            for script in &scripts {
                sandbox.command(shell[0]).args(&shell[1..]).arg("-n").arg(script).run();
            }
        }
        if shellcheck {
            sandbox.command("shellcheck").args(&scripts).run();
        }
    }
}

#[test]
fn extras_are_added_to_an_instance_and_a_second_run_is_silent() {
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "zeo", "runit");
    let again = |with: &str| {
        let server = sandbox.path("server");
        let run = sandbox.mkzeoinst().arg("--server").arg(server).args(["--with", with]).arg(&instance.home);
        let address = sandbox.read("zeo/etc/zeo.conf");
        let address =
            address.lines().find_map(|line| line.trim_start().strip_prefix("address ")).unwrap().to_owned();
        run.arg(address)
    };
    again("runit").stdout("All done.\n").run();
    let home = instance.home.display();
    let directories = format!("Created directory {home}/etc/s6\nCreated directory {home}/etc/s6/log\n");
    let files = ["run", "finish", "notification-fd", "log/run"];
    let files = files.map(|file| format!("Wrote file {home}/etc/s6/{file}\n")).concat();
    let record = format!("Updated file {home}/etc/mkzeoinst.toml\n");
    again("runit,s6").stdout(format!("{directories}{files}{record}All done.\n")).run();
    sandbox.write("zeo/etc/s6/notification-fd", "4\n");
    let kept =
        format!("Warning: not overwriting existing file '{home}/etc/s6/notification-fd'; [..]\nAll done.\n");
    again("s6").stdout(kept).run();
}
