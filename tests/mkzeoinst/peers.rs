//! The generated files in the hands of the Python programs they are written for.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::Path;

use super::{NAMES, first_run, install, mkzeoinst};
use crate::peers::python;
use crate::sandbox::{SOON, Sandbox, eventually};

/// A home that every reader but a careful one would read wrongly; no quote or backslash, since zdaemon knows none.
const HOME: &str = "a $HOME #1 100% \u{e9} ";

fn greeting(port: u16) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let mut greeting = [0; 6];
    stream.read_exact(&mut greeting).ok()?;
    Some(greeting.to_vec())
}

#[test]
fn zeo_server_runs_with_the_generated_configuration() {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let (home, port) = (sandbox.path(HOME), sandbox.port());
    mkzeoinst(&sandbox).arg(&home).arg(port.to_string()).stdout(first_run(&home)).run();
    let runzeo = python.with_file_name("runzeo");
    let server = sandbox.command(runzeo).arg("-C").arg(home.join("etc/zeo.conf")).spawn();
    eventually(SOON, || greeting(port).as_deref() == Some(b"\0\0\0\x02Z5"));
    // Not SIGTERM: where Python is in a weakref callback just then, it drops the exception that would end it.
    server.signal(nix::sys::signal::Signal::SIGKILL);
    let outcome = server.wait(SOON);
    assert_eq!((outcome.status, outcome.stdout.as_str(), outcome.stderr.as_str()), (137, "", ""));
    assert!(home.join("var/Data.fs").exists());
    let log = sandbox.read(Path::new(HOME).join("log/zeo.log"));
    assert!(log.contains(&format!("listening on ('', {port})")), "{log}");
}

/// Takes out the one key that Python's zdaemon does not know; the rest of the file is what it reads.
fn without_check_program(conf: &Path) {
    let text = fs::read_to_string(conf).unwrap();
    let kept: Vec<_> = text.lines().filter(|line| !line.starts_with("  check-program ")).collect();
    assert_eq!(kept.len() + 1, text.lines().count());
    fs::write(conf, kept.join("\n") + "\n").unwrap();
}

#[test]
fn zdaemon_reads_the_generated_configuration() {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let home = sandbox.path(HOME);
    mkzeoinst(&sandbox).arg(&home).arg("19999").stdout(first_run(&home)).run();
    let script = "
import sys
from zdaemon.zdctl import ZDCtlOptions
options = ZDCtlOptions()
options.realize(['-C', sys.argv[1], 'status'])
runner = options.configroot.runner
for key in ('socket_name', 'daemon', 'directory', 'backoff_limit', 'forever', 'exit_codes', 'user', 'umask',
            'hang_around', 'default_to_interactive', 'logfile', 'transcript', 'prompt', 'start_timeout',
            'stop_timeout', 'start_test_program', 'python', 'zdrun'):
    print(key, repr(getattr(runner, key)))
for handler in options.configroot.eventlog.handler_factories:
    print(handler.section.path)
";
    let (root, zdrun) = (home.to_str().unwrap(), sandbox.path("bin/zdrun"));
    let expected = format!(
        "socket_name '{root}/etc/zeo.zdsock'\ndaemon True\ndirectory '{root}/.'\nbackoff_limit 10\nforever False\n\
         exit_codes [0, 2]\nuser None\numask 18\nhang_around False\ndefault_to_interactive True\n\
         logfile '{root}/log/zeo.log'\ntranscript None\nprompt 'zeoctl>'\nstart_timeout 300\nstop_timeout 300\n\
         start_test_program None\npython None\nzdrun '{}'\n{root}/log/zeoctl.log\n",
        zdrun.display()
    );
    without_check_program(&home.join("etc/zeoctl.conf"));
    sandbox.command(python).args(["-c", script]).arg(home.join("etc/zeoctl.conf")).stdout(expected).run();
}

#[test]
fn hostile_homes_come_out_of_the_configuration_as_they_went_in() {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let mut expected = String::new();
    for name in NAMES {
        let home = sandbox.path(name);
        mkzeoinst(&sandbox).arg("--").arg(&home).arg("19999").stdout(first_run(&home)).run();
        without_check_program(&home.join("etc/zeoctl.conf"));
        let home = home.to_str().unwrap();
        expected += &["etc/zeo.zdsock", "log/zeo.log", "log/zeoctl.log", "var/Data.fs", "log/zeo.log"]
            .map(|file| format!("{home}/{file}\0"))
            .concat();
        expected += "same\0";
    }
    let script = "
import os, sys
from zdaemon.zdctl import ZDCtlOptions
from ZEO.runzeo import ZEOOptions
for home in sys.argv[1:]:
    manager, server = ZDCtlOptions(), ZEOOptions()
    manager.realize(['-C', home + '/etc/zeoctl.conf', 'status'])
    server.realize(['-C', home + '/etc/zeo.conf'])
    runner = manager.configroot.runner
    log = lambda options: options.configroot.eventlog.handler_factories[0].section.path
    for value in (runner.socket_name, runner.logfile, log(manager), server.storages[0].config.path, log(server)):
        sys.stdout.write(value + '\\0')
    sys.stdout.write(('same' if os.path.samefile(runner.directory, home) else runner.directory) + '\\0')
";
    let homes = NAMES.iter().map(|name| sandbox.path(name));
    let outcome = sandbox.command(python).args(["-c", script]).args(homes).output();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert_eq!(outcome.stdout, expected);
}
