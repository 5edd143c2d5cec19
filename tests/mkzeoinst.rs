//! `mkzeoinst` where a golden case cannot go: the network, the generated script in real shells, failing system calls.

mod adopt;
mod advice;
mod faults;
mod included;
mod migrating;
mod older;
mod peers;
mod planted;
mod preview;
pub(crate) mod script;
mod start;
mod templates;
mod tls;
mod user;

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use zeo_server::config::{Flags, Runner, resolve};
use zeo_server::eventlog::Target;

use crate::golden;
use crate::sandbox::run::Run;
use crate::sandbox::{Sandbox, forks};

/// Names that some shell, or some other reader of the generated files, might take for something else.
pub(crate) const NAMES: &[&str] = &[
    "plain",
    "two words",
    " outer blanks ",
    "tab\tand\rreturn",
    "it's",
    "\"quoted\"",
    "'\"'\"",
    "back\\slash\\",
    "$HOME",
    "${HOME}$(id)`id`$$",
    "#hash # too",
    "100%",
    "%s%n",
    "a;b&c|d<e>f(g)",
    "*?[a]~!",
    "-dash",
    "~",
    "{{ home }}{% if %}{# x #}",
    "<runner>",
    "caf\u{e9} \u{4f60}\u{597d} \u{1f600}",
    "no\u{a0}break\u{3000}",
    "\u{1b}[31m\u{7f}",
    "\u{1c}\u{1f}",
    "[::1]:9999",
    "...",
];

/// Puts `mkzeoinst` into a directory of its own, with a `zdctl` that is this shell script, and a `zdrun` and a `runzeo`
/// that do nothing.
fn install(sandbox: &Sandbox, zdctl: &str) {
    let scripts = [("zdctl", zdctl), ("zdrun", ""), ("runzeo", "")];
    golden::install(sandbox, env!("CARGO_BIN_EXE_mkzeoinst"), &scripts);
}

fn mkzeoinst(sandbox: &Sandbox) -> Run {
    sandbox.command(sandbox.path("bin/mkzeoinst"))
}

/// What a first run prints for a home in an existing directory.
fn first_run(home: &Path) -> String {
    let home = home.display();
    let directories: String =
        ["", "/bin", "/etc", "/log", "/var"].map(|name| format!("Created directory {home}{name}\n")).concat();
    let files = ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl"];
    let files: String = files.map(|name| format!("Wrote file {home}/{name}\n")).concat();
    format!("{directories}{files}All done.\n")
}

#[test]
fn port_is_9999_where_none_is_named() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let outcome = mkzeoinst(&sandbox).arg("zeo").output();
    assert_eq!((outcome.status, outcome.stdout), (0, first_run(&sandbox.path("zeo"))));
    // Whoever runs these tests may have a server there.
    let warning = "mkzeoinst: warning: a process is already listening on port 9999\n";
    assert!(["", warning].contains(&outcome.stderr.as_str()), "{}", outcome.stderr);
    assert!(sandbox.read("zeo/etc/zeo.conf").contains("\n  address 9999\n"));
}

#[test]
fn port_that_is_listened_on_is_a_warning() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let port = sandbox.port().to_string();
    let _listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let warning = format!("mkzeoinst: warning: a process is already listening on port {port}\n");
    let stdout = first_run(&sandbox.path("zeo"));
    mkzeoinst(&sandbox).args(["zeo", &port]).stdout(stdout).stderr(&warning).run();
    mkzeoinst(&sandbox).args(["zeo", &port]).stdout("All done.\n").stderr(&warning).run();
}

#[test]
fn privileged_port_is_for_root_and_with_a_warning() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    if nix::unistd::geteuid().is_root() {
        let warning = "mkzeoinst: warning: only root can listen on a port below 1024, such as 1023\n";
        let stdout = first_run(&sandbox.path("zeo"));
        mkzeoinst(&sandbox).args(["zeo", "1023"]).stdout(stdout).stderr(warning).run();
        assert!(sandbox.read("zeo/etc/zeo.conf").contains("\n  address 1023\n"));
    } else {
        let error = "mkzeoinst: bad port 1023: only root can listen on a port below 1024\n";
        mkzeoinst(&sandbox).args(["zeo", "1023"]).status(2).stderr(error).run();
        assert!(!sandbox.path("zeo").exists());
    }
}

#[test]
fn place_where_nothing_can_be_made_is_reported_with_the_reason() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    // Even root cannot make a directory in /proc.
    let error = "mkzeoinst: cannot create directory '/proc/zeo': No such file or directory\n";
    mkzeoinst(&sandbox).args(["/proc/zeo", "19999"]).status(1).stderr(error).run();
}

#[test]
fn version_is_that_of_the_package() {
    let sandbox = Sandbox::new();
    sandbox.mkzeoinst().arg("--version").stdout(concat!("mkzeoinst ", env!("CARGO_PKG_VERSION"), "\n")).run();
}

#[test]
fn full_output_is_reported_but_the_instance_is_made() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let mut command = Command::new(sandbox.path("bin/mkzeoinst"));
    command.current_dir(sandbox.root()).args(["zeo", "19999"]);
    let output = forks::output(command.stdout(File::create("/dev/full").unwrap())).unwrap();
    let stderr = "mkzeoinst: cannot write to standard output: No space left on device\n";
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), stderr.as_bytes()));
    mkzeoinst(&sandbox).args(["zeo", "19999"]).stdout("All done.\n").run();
}

#[test]
fn reader_that_went_away_is_no_failure() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(sandbox.path("bin/mkzeoinst"));
    let command = command.current_dir(sandbox.root()).args(["zeo", "19999"]).stdout(writer);
    let output = forks::output(command).unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
    mkzeoinst(&sandbox).args(["zeo", "19999"]).stdout("All done.\n").run();
}

#[test]
fn own_programs_read_back_what_was_written_and_else_the_defaults() {
    for name in NAMES {
        let sandbox = Sandbox::new();
        install(&sandbox, "");
        let home = sandbox.path(name);
        mkzeoinst(&sandbox).arg("--").arg(&home).arg("19999").stdout(first_run(&home)).run();
        let read = |configure: PathBuf| {
            let flags = Flags { configure: Some(configure), ..Flags::default() };
            resolve(&flags).unwrap_or_else(|problems| panic!("{name:?}: {problems}"))
        };
        let written = read(home.join("etc/zeoctl.conf"));
        let bare = read(sandbox.write("bare.conf", "<runner>\n  program x\n</runner>\n"));
        let server = sandbox.path("bin/runzeo").into_os_string();
        // White space at the end of a value would be lost.
        let blank_end = name.ends_with(|c: char| c.is_whitespace() || c == '\u{1f}');
        let expected = Runner {
            program: vec![server.clone(), "-C".into(), home.join("etc/zeo.conf").into_os_string()],
            check_program: vec![
                server,
                "--check-config".into(),
                "-C".into(),
                home.join("etc/zeo.conf").into_os_string(),
            ],
            zdrun: Some(sandbox.path("bin/zdrun")),
            socket_name: home.join("etc/zeo.zdsock"),
            daemon: true,
            directory: Some(PathBuf::from(format!(
                "{}{}",
                home.display(),
                if blank_end { "/." } else { "" }
            ))),
            logfile: Some(home.join("log/zeo.log")),
            prompt: "zeoctl>".to_owned(),
            ..bare.runner
        };
        assert_eq!(written.runner, expected, "{name:?}");
        let log = written.event_log.unwrap_or_else(|| panic!("{name:?}: no log"));
        let paths: Vec<_> = log.handlers.iter().map(|handler| &handler.target).collect();
        assert!(
            matches!(paths[..], [Target::File(file)] if file.path == home.join("log/zeoctl.log")),
            "{name:?}: {paths:?}"
        );
    }
}
