//! The generated bin/zeoctl in the shells that people have.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{NAMES, first_run, install, mkzeoinst};
use crate::sandbox::{Sandbox, forks, have};

/// Prints its own name and its arguments, each in angle brackets and on a line of its own.
const ECHO: &str = r#"printf '<%s>\n' "$0" "$@""#;

const SHELLS: &[&[&str]] = &[&["sh"], &["dash"], &["bash"], &["bash", "--posix"], &["busybox", "sh"]];

/// Those of the shells that are here.
pub(crate) fn shells() -> Vec<&'static [&'static str]> {
    SHELLS.iter().copied().filter(|shell| matches!(shell[0], "sh" | "bash") || have(shell[0])).collect()
}

#[test]
fn script_passes_its_arguments_on_in_every_shell_and_home() {
    let shells = shells();
    let arguments = ["start", "two words", "", "$x '\" \\ *", "-l", "--"];
    for name in NAMES {
        let sandbox = Sandbox::new();
        install(&sandbox, ECHO);
        let home = sandbox.path(name);
        mkzeoinst(&sandbox).arg("--").arg(&home).arg("19999").stdout(first_run(&home)).run();
        let configuration = home.join("etc/zeoctl.conf");
        let zdctl = sandbox.path("bin/zdctl");
        let command = [zdctl.to_str().unwrap(), "-C", configuration.to_str().unwrap()];
        let expected =
            format!("<{}>\n", command.into_iter().chain(arguments).collect::<Vec<_>>().join(">\n<"));
        let script = home.join("bin/zeoctl");
        for shell in &shells {
            sandbox.command(shell[0]).args(&shell[1..]).arg("-n").arg(&script).run();
            let run = sandbox.command(shell[0]).args(&shell[1..]).arg(&script).args(arguments);
            assert_eq!(run.current_dir("/").output().stdout, expected, "{shell:?} {name:?}");
        }
    }
}

#[test]
fn shellcheck_has_nothing_to_say() {
    if !have("shellcheck") {
        return;
    }
    for name in NAMES {
        let sandbox = Sandbox::new();
        install(&sandbox, ECHO);
        mkzeoinst(&sandbox).arg("--").arg(sandbox.path(name)).arg("19999").output();
        sandbox.command("shellcheck").arg(sandbox.path(name).join("bin/zeoctl")).run();
    }
}

#[test]
fn script_works_through_a_link_as_a_copy_and_without_arguments() {
    let sandbox = Sandbox::new();
    install(&sandbox, ECHO);
    let home = sandbox.path("zeo");
    mkzeoinst(&sandbox).arg(&home).arg("19999").stdout(first_run(&home)).run();
    let script = home.join("bin/zeoctl");
    let (link, copy) = (sandbox.path("link"), sandbox.path("init.d-copy"));
    symlink(&script, &link).unwrap();
    forks::apart(|| fs::copy(&script, &copy)).unwrap();
    let zdctl = sandbox.path("bin/zdctl");
    let expected = format!("<{}>\n<-C>\n<{}/etc/zeoctl.conf>\n", zdctl.display(), home.display());
    for path in [&script, &link, &copy] {
        sandbox.command(path).current_dir("/").stdout(&expected).run();
    }
    sandbox.command("bin/zeoctl").current_dir(&home).stdout(&expected).run();
}

#[test]
fn init_systems_find_their_comments() {
    let sandbox = Sandbox::new();
    install(&sandbox, ECHO);
    let home = sandbox.path("my zeo");
    mkzeoinst(&sandbox).arg(&home).arg("19999").stdout(first_run(&home)).run();
    let script = sandbox.read(Path::new("my zeo/bin/zeoctl"));
    assert!(script.starts_with("#!/bin/sh\n"));
    for line in ["# chkconfig: 345 90 10", "# description: start a ZEO server"] {
        assert!(script.lines().any(|l| l == line), "no {line} in {script}");
    }
    let block =
        script.split_once("### BEGIN INIT INFO\n").unwrap().1.split_once("### END INIT INFO\n").unwrap().0;
    let field = |name: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(':'));
        lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
    };
    assert_eq!(field("Provides").as_deref(), Some("zeo-my_zeo"));
    assert_eq!(field("Required-Start").as_deref(), Some("$remote_fs $syslog $network"));
    assert_eq!(field("Required-Stop").as_deref(), Some("$remote_fs $syslog $network"));
    assert_eq!(field("Default-Start").as_deref(), Some("3 4 5"));
    assert_eq!(field("Default-Stop").as_deref(), Some("0 1 2 6"));
    assert_eq!(field("Short-Description").as_deref(), Some("ZEO server my_zeo"));
}
