//! `--tls`: instances that encrypt, and the keys and certificates that are made for them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::peers;
use crate::sandbox::Sandbox;

const FILES: [&str; 5] = ["server.key", "server.pem", "client.key", "client.pem", "clients.pem"];

fn is_key(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "key")
}

fn texts(sandbox: &Sandbox) -> Vec<String> {
    FILES.iter().map(|name| sandbox.read(Path::new("zeo/etc").join(name))).collect()
}

#[test]
fn self_signed_instance_serves_the_client_that_it_tells_of() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let address = format!("127.0.0.1:{}", sandbox.port());
    let made = sandbox.mkzeoinst().args(["--tls", "self-signed", "--start", "zeo", &address]).output();
    assert_eq!((made.status, made.stderr.as_str()), (0, ""), "{}", made.stdout);
    let (_, after) = made.stdout.split_once("<clientstorage>").expect("it says what the client needs");
    let (section, _) = after.split_once("</clientstorage>").unwrap();
    let storage = format!("<clientstorage>\nwait-timeout 60{section}</clientstorage>");
    sandbox.write("client.conf", format!("%import ZEO\n<zodb>\n{storage}\n</zodb>\n"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/tls_storage.py");
    sandbox.command(&python).arg(script).arg("client.conf").stdout("2\n").run();
    // Nothing is made anew, and the options that made it are remembered.
    let before = texts(&sandbox);
    sandbox.mkzeoinst().args(["--tls", "self-signed", "zeo"]).stdout("All done.\n").run();
    sandbox.mkzeoinst().args(["--update", "zeo"]).stdout("All done.\n").run();
    sandbox.mkzeoinst().args(["--check", "zeo"]).run();
    assert_eq!(texts(&sandbox), before);
    sandbox.command(sandbox.path("zeo/bin/zeoctl")).arg("stop").stdout("daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn only_the_server_may_read_the_keys_that_are_made() {
    let sandbox = Sandbox::new();
    let run = sandbox.mkzeoinst().args(["zeo", "19999", "--umask", "0", "--tls=self-signed"]).output();
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    for name in FILES {
        let mode = fs::metadata(sandbox.path("zeo/etc").join(name)).unwrap().mode() & 0o777;
        let expected = if is_key(name) { 0o600 } else { 0o644 };
        assert_eq!(mode & !0o022, expected, "{name}");
    }
    assert_eq!(sandbox.read("zeo/etc/clients.pem"), sandbox.read("zeo/etc/client.pem"));
    assert!(!sandbox.read("zeo/etc/.mkzeoinst-pristine.toml").contains("PRIVATE KEY"));
}

#[test]
fn keys_of_an_instance_for_another_user_are_that_users() {
    let Some(nobody) = nix::unistd::User::from_name("nobody").ok().flatten() else { return };
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::set_permissions(sandbox.root(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let made =
        sandbox.mkzeoinst().args(["--user", "nobody", "--tls", "self-signed", "zeo", "19999"]).output();
    assert_eq!((made.status, made.stderr.as_str()), (0, ""));
    for name in FILES {
        let found = fs::metadata(sandbox.path("zeo/etc").join(name)).unwrap();
        let is_key = is_key(name);
        assert_eq!(found.uid(), if is_key { nobody.uid.as_raw() } else { 0 }, "{name}");
        assert_eq!(found.mode() & 0o777, if is_key { 0o600 } else { 0o644 }, "{name}");
    }
}

#[test]
fn what_is_missing_beside_what_is_there_is_completed() {
    let sandbox = Sandbox::new();
    let run = || sandbox.mkzeoinst().args(["--tls", "self-signed", "zeo", "19999"]).output();
    assert_eq!(run().status, 0);
    let before = texts(&sandbox);
    // A client that has taken its files away.
    for name in ["client.pem", "client.key"] {
        fs::remove_file(sandbox.path("zeo/etc").join(name)).unwrap();
    }
    assert_eq!(run().stdout, "All done.\n");
    assert!(!sandbox.path("zeo/etc/client.pem").exists());
    // A run that was killed in the middle: the key stays as it is.
    for name in ["server.pem", "clients.pem"] {
        fs::remove_file(sandbox.path("zeo/etc").join(name)).unwrap();
    }
    assert!(run().stdout.contains("etc/server.pem"));
    let after = texts(&sandbox);
    assert_eq!(after[0], before[0]);
    assert!(after[1..].iter().zip(&before[1..]).all(|(after, before)| after != before));
    let checked = sandbox.runzeo().args(["-C", "zeo/etc/zeo.conf", "--check-config"]).output();
    assert_eq!((checked.status, checked.stderr.as_str()), (0, ""));
    // A certificate without its key is a person's to look at.
    fs::remove_file(sandbox.path("zeo/etc/server.key")).unwrap();
    let key = sandbox.path("zeo/etc/server.key");
    let refused = run();
    let why = format!(
        "mkzeoinst: cannot make '{}': its certificate is there: put its key there, or take the certificate away\n",
        key.display()
    );
    assert_eq!((refused.status, refused.stderr), (1, why));
}

#[test]
fn certificates_that_would_be_made_are_told_and_no_key_is_shown() {
    let sandbox = Sandbox::new();
    let run = |mode: &[&str]| {
        sandbox.mkzeoinst().args(mode).args(["--tls", "self-signed", "zeo", "19999"]).output()
    };
    let dry = run(&["--dry-run"]).stdout;
    for name in FILES {
        assert!(
            dry.contains(&format!("Would write file {}\n", sandbox.path("zeo/etc").join(name).display()))
        );
    }
    let json = run(&["--dry-run", "--json"]).stdout;
    assert!(json.contains("/etc/server.key\""), "{json}");
    for shown in [json, run(&["--diff"]).stdout] {
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
    assert!(!sandbox.path("zeo").exists());
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let sandbox = Sandbox::new();
    for (options, why) in [
        (
            &["--tls", "self-signed", "--tls-clients", "x"][..],
            "the argument '--tls-self-signed' cannot be used with [..]",
        ),
        (&["--tls", "x"], "2 values required for '--tls <CERT> <KEY>' but 1 was provided; [..]"),
    ] {
        let stderr = format!("mkzeoinst: {why}\n");
        sandbox.mkzeoinst().args(["zeo"]).args(options).status(2).stderr(stderr).run();
    }
}
