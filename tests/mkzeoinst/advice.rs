//! What `mkzeoinst` warns of, what it leaves alone without a word, and what it says can be done.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::{first_run, install, mkzeoinst};
use crate::golden;
use crate::sandbox::{SOON, Sandbox, eventually};

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// `mkzeoinst` beside the real server.
fn install_real(sandbox: &Sandbox) {
    golden::install(sandbox, env!("CARGO_BIN_EXE_mkzeoinst"), &[("zdctl", ""), ("zdrun", "")]);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_runzeo"), sandbox.path("bin/runzeo")).unwrap();
}

#[test]
fn own_server_on_the_address_is_no_warning() {
    for relative in [false, true] {
        let sandbox = Sandbox::new();
        install_real(&sandbox);
        let port = sandbox.port().to_string();
        mkzeoinst(&sandbox).args(["zeo", &port]).stdout(first_run(&sandbox.path("zeo"))).run();
        let configuration =
            if relative { "zeo/etc/zeo.conf".into() } else { sandbox.path("zeo/etc/zeo.conf") };
        let server = sandbox.command(sandbox.path("bin/runzeo")).arg("-C").arg(configuration).spawn();
        eventually(SOON, || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok());
        for arguments in [&["zeo"][..], &["zeo", &port], &["--update", "zeo"]] {
            mkzeoinst(&sandbox).args(arguments).stdout("All done.\n").run();
        }
        // It is in the way of others.
        let warning = format!("mkzeoinst: warning: a process is already listening on port {port}\n");
        let outcome = mkzeoinst(&sandbox).args(["other", &port]).output();
        assert_eq!((outcome.status, outcome.stderr), (0, warning));
        server.signal(nix::sys::signal::Signal::SIGTERM);
        server.wait(SOON);
    }
}

#[test]
fn stranger_on_the_address_is_a_warning_also_where_the_own_server_runs_elsewhere() {
    let sandbox = Sandbox::new();
    install_real(&sandbox);
    let (port, elsewhere) = (sandbox.port().to_string(), sandbox.port().to_string());
    mkzeoinst(&sandbox).args(["zeo", &port]).stdout(first_run(&sandbox.path("zeo"))).run();
    let configuration = sandbox.path("zeo/etc/zeo.conf");
    let own = sandbox.command(sandbox.path("bin/runzeo"));
    let own = own.args(["-a", &format!("127.0.0.1:{elsewhere}"), "-C"]).arg(configuration).spawn();
    eventually(SOON, || std::net::TcpStream::connect(format!("127.0.0.1:{elsewhere}")).is_ok());
    let _stranger = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let warning = format!("mkzeoinst: warning: a process is already listening on port {port}\n");
    mkzeoinst(&sandbox).args(["zeo", &port]).stdout("All done.\n").stderr(warning).run();
    own.signal(nix::sys::signal::Signal::SIGTERM);
    own.wait(SOON);
}

#[test]
fn other_address_than_the_instance_has_is_said_with_the_command_that_changes_it() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let home = sandbox.path("zeo");
    mkzeoinst(&sandbox).args(["zeo", "19999"]).stdout(first_run(&home)).run();
    let home = home.display();
    for (arguments, asked, command) in [
        (&["19998"][..], "port 19998", "19998"),
        (&["127.0.0.1:19998", "-a", "/run/s"], "127.0.0.1:19998, /run/s", "127.0.0.1:19998 -a /run/s"),
        (&["--host", "127.0.0.1"], "127.0.0.1:19999", "127.0.0.1:19999"),
    ] {
        let outcome = mkzeoinst(&sandbox).arg("zeo").args(arguments).output();
        let expected = format!(
            "mkzeoinst: warning: the instance keeps port 19999, and does not get {asked}; to change it: mkzeoinst \
             --update {home} {command}\n"
        );
        assert_eq!((outcome.status, outcome.stderr), (0, expected));
    }
    // What is typed and is there needs no word, nor does what is changed.
    for arguments in [&["19999"][..], &[], &["--update", "19998"], &["19998"]] {
        let outcome = mkzeoinst(&sandbox).arg("zeo").args(arguments).output();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn port_that_the_system_chooses_needs_no_privilege() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    for address in ["127.0.0.1:0", "0", ":0"] {
        sandbox
            .write("zeo/etc/zeo.conf", format!("<zeo>\n  address {address}\n</zeo>\n<mappingstorage 1/>\n"));
        let outcome = mkzeoinst(&sandbox).args(["zeo", "19999"]).output();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{address}");
    }
}

#[test]
fn user_that_does_not_exist_is_an_error_before_anything_is_written() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let (unknown, number) =
        ("there is no user of that name on this system", "no user of this system has that number");
    for (arguments, user, why) in [
        (&["--user", "nosuchuser"][..], "nosuchuser", unknown),
        (&["--set", "user=nosuchuser"], "nosuchuser", unknown),
        (&["--user", "3999999999"], "3999999999", number),
        (&["--user", "99999999999999999999"], "99999999999999999999", number),
        (&["--user", "nosuchuser", "--dry-run"], "nosuchuser", unknown),
        (&["--user", "nosuchuser", "--with", "systemd"], "nosuchuser", unknown),
    ] {
        let stderr = format!("mkzeoinst: cannot make the instance for user '{user}': {why}\n");
        mkzeoinst(&sandbox).args(arguments).args(["zeo", "19999"]).status(1).stderr(stderr).run();
        assert!(!sandbox.path("zeo").exists());
    }
    let stderr = "mkzeoinst: cannot set user: the option has an empty value; '--set user=' takes back what was set before\n";
    mkzeoinst(&sandbox).args(["--user", "", "zeo", "19999"]).status(2).stderr(stderr).run();
    assert!(!sandbox.path("zeo").exists());
    if is_root() {
        mkzeoinst(&sandbox).args(["--user", "root", "zeo", "19999"]).output();
        assert!(sandbox.read("zeo/etc/zeoctl.conf").contains("\n  user root\n"));
    }
}

#[test]
fn home_whose_paths_are_too_long_is_refused() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let long = format!("zeo{}", "/x".repeat(2040));
    let name = "n".repeat(256);
    let in_unit = "n".repeat(240);
    for (arguments, why) in [
        (&[long.as_str()][..], "the system opens none of more than 4095; use a shorter path"),
        (&[name.as_str()], "a name in it would have 256 bytes, and the longest that will do has 255"),
        (
            &[in_unit.as_str(), "--with", "systemd"],
            "a name in it would have 252 bytes, and the longest that will do has 233",
        ),
        (
            &["zeo", "-b", name.as_str()],
            "a name in it would have 256 bytes, and the longest that will do has 255",
        ),
    ] {
        let outcome = mkzeoinst(&sandbox).args(arguments).arg("19999").output();
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""));
        assert!(outcome.stderr.starts_with("mkzeoinst: cannot use home '"), "{}", outcome.stderr);
        assert!(outcome.stderr.trim_end().ends_with(why), "{}", outcome.stderr);
        assert!(!Path::new(&sandbox.path("zeo")).exists());
    }
}

#[test]
fn longest_home_that_is_not_refused_can_be_started() {
    let sandbox = Sandbox::new();
    let bin = Path::new(env!("CARGO_BIN_EXE_mkzeoinst")).parent().unwrap();
    let length = |home: &Path| home.as_os_str().len();
    // To the byte: see `instance::lengths`.
    let mut home = sandbox.path("zeo");
    while length(&home) + 202 <= 4095 - 64 - 4 {
        home.push("d".repeat(200));
    }
    home.push("e".repeat(4095 - 64 - 4 - length(&home) - 1));
    let port = sandbox.port().to_string();
    let outcome = sandbox.command(bin.join("mkzeoinst")).arg("--start").arg(&home).arg(&port).output();
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    let stop =
        Command::new(bin.join("zdctl")).arg("-C").arg(home.join("etc/zeoctl.conf")).arg("stop").output();
    assert!(stop.unwrap().status.success());
    let longer = format!("{}e", home.display());
    assert_eq!(sandbox.command(bin.join("mkzeoinst")).args([&longer, &port]).output().status, 2);
}

#[test]
fn merge_conflict_is_called_one_and_can_be_settled_by_hand() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let home = sandbox.path("zeo");
    mkzeoinst(&sandbox).args(["zeo", "19999"]).stdout(first_run(&home)).run();
    let edited = sandbox.read("zeo/etc/zeo.conf").replace("level info", "level debug");
    sandbox.write("zeo/etc/zeo.conf", &edited);
    let conf = home.join("etc/zeo.conf").display().to_string();
    let update = || mkzeoinst(&sandbox).args(["--update", "zeo"]);
    let conflict = format!(
        "Warning: not overwriting existing file '{conf}'; merge conflict: its edits and what is new change the same \
         lines; bring '{conf}.new' into it, then: mkzeoinst --accept etc/zeo.conf {}\n",
        home.display()
    );
    let outcome = update().args(["--set", "level=error"]).output();
    assert!(outcome.stdout.starts_with(&format!("{conflict}Wrote file {conf}.new\n")), "{}", outcome.stdout);
    // And again, as long as it is not settled.
    update().stdout(format!("{conflict}All done.\n")).run();
    let json = update().args(["--check", "--json"]).output().stdout;
    assert!(json.contains(r#""conflict":true"#), "{json}");
    let accept = || mkzeoinst(&sandbox).args(["--accept", "etc/zeo.conf", "zeo"]);
    let preview = format!(
        "Would remove file {conf}.new\nWould accept file {conf}\nNothing was done: this was a dry run.\n"
    );
    accept().arg("--dry-run").stdout(preview).run();
    accept().stdout(format!("Removed file {conf}.new\nAccepted file {conf}\nAll done.\n")).run();
    assert!(sandbox.read("zeo/etc/zeo.conf").contains("level debug"));
    accept().stdout("All done.\n").run();
    update().stdout("All done.\n").run();
    // What comes later is merged.
    let outcome = update().args(["--set", "read_only=true"]).output();
    assert!(outcome.stdout.starts_with(&format!("Merged file {conf}\n")), "{}", outcome.stdout);
    let merged = sandbox.read("zeo/etc/zeo.conf");
    assert!(merged.contains("level debug") && merged.contains("read-only true"), "{merged}");
}

#[test]
fn file_of_ones_own_is_merged_once_it_was_accepted() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let home = sandbox.path("zeo");
    let theirs = "<zeo>\n  address 19999\n</zeo>\n<mappingstorage 1/>\n";
    sandbox.write("zeo/etc/zeo.conf", theirs);
    let outcome = mkzeoinst(&sandbox).args(["--update", "zeo"]).output();
    assert!(outcome.stdout.contains("; what was edited in it is not known, "), "{}", outcome.stdout);
    mkzeoinst(&sandbox).args(["--accept", "etc/zeo.conf", "zeo"]).output();
    let accepted = sandbox.read("zeo/etc/zeo.conf");
    assert!(accepted.starts_with("# Made by mkzeoinst ") && accepted.ends_with(theirs), "{accepted}");
    mkzeoinst(&sandbox).args(["--update", "zeo"]).stdout("All done.\n").run();
    for (name, why) in [("etc/zeo.conf", "it is not there"), ("bin/zeoctl", "it is empty")] {
        let path = home.join(name);
        std::fs::remove_file(&path).unwrap();
        if name == "bin/zeoctl" {
            sandbox.write("zeo/bin/zeoctl", "");
        }
        let stderr = format!("mkzeoinst: cannot accept '{}': {why}\n", path.display());
        mkzeoinst(&sandbox).args(["--accept", name, "zeo"]).status(1).stderr(stderr).run();
    }
}

#[test]
fn misspelt_names_of_variables_and_extras_have_a_hint() {
    let sandbox = Sandbox::new();
    for (option, value, hint) in [
        ("--set", "tls_kye=x", "; did you mean 'tls_key'; see --list-variables\n"),
        ("--set", "nothing=x", "there is no such variable; see --list-variables\n"),
        ("--with", "sytemd", "; did you mean 'systemd'\n"),
        ("--with", "nothing", "systemd\n"),
    ] {
        let outcome = sandbox.mkzeoinst().args([option, value, "home", "19999"]).output();
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{value}");
        assert!(outcome.stderr.ends_with(hint), "{}", outcome.stderr);
        assert!(!sandbox.path("home").exists(), "{value}");
    }
}
