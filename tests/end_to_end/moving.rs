//! Copies of instances, before and after they become instances of their own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;
use zeo_server::shell;

use super::{Instance, STARTED, STOPPED, Server};
use crate::peers;
use crate::sandbox::{SOON, Sandbox, eventually};

/// What a home's scripts and configuration are: contents, mode and time of the last change.
fn snapshot(home: &Path) -> BTreeMap<PathBuf, (String, u32, i64)> {
    let below = |name| WalkDir::new(home.join(name)).into_iter().map(|entry| entry.unwrap().into_path());
    let files = below("bin").chain(below("etc")).filter(|path| path.is_file());
    let seen = |path: PathBuf| {
        let metadata = fs::metadata(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        (path, (text, metadata.mode(), metadata.mtime_nsec()))
    };
    files.map(seen).collect()
}

#[test]
fn copy_of_a_running_instance_becomes_one_that_runs_beside_it() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let old = Instance::make(&sandbox, &python, sandbox.path("old"), Server::Ours);
    let pid = old.start();
    old.client("make", ["a", "b"]).run();
    old.client("commit", ["a", "60"]).stdout("a: committed 60\n").run();
    let before = snapshot(&old.home);
    sandbox.command("cp").args(["-a", "old", "new"]).run();

    // With the socket and the lock file of a manager that runs, and with its port.
    let new =
        Instance { sandbox: &sandbox, python: &python, home: sandbox.path("new"), port: sandbox.port() };
    let (own, theirs) = (new.home.display().to_string(), old.home.display().to_string());
    let address = format!("127.0.0.1:{}", old.port);
    let updated = ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl"]
        .map(|file| format!("Updated file {own}/{file}\n"))
        .concat();
    let warning = format!(
        "mkzeoinst: warning: the instance in '{theirs}' has {address} too; only one of them can run\n\
         mkzeoinst: warning: a process is already listening on {address}\n"
    );
    let update = || sandbox.mkzeoinst().args(["--update", "new"]);
    update().stdout(format!("{updated}All done.\n")).stderr(warning).run();
    new.zeoctl("status").status(3).stdout("daemon manager not running\n").run();
    new.zeoctl("stop").stdout("daemon manager not running\n").run();
    // However long it takes to find that out, it is not up then.
    let script = sandbox.command(new.home.join("bin/zeoctl"));
    let failed = script.args(["-X", "runner/start-grace=60", "start"]).output();
    assert!(failed.status == 1 && failed.stderr.contains("another process listens there"), "{failed:?}");
    old.zeoctl("status").stdout(format!("program running; pid={pid}\n")).run();

    let other = format!("127.0.0.1:{}", new.port);
    update().arg(&other).stdout(format!("Updated file {own}/etc/zeo.conf\nAll done.\n")).run();
    let new_pid = new.start();
    assert_ne!(new_pid, pid);
    for (instance, pid) in [(&old, pid), (&new, new_pid)] {
        instance.zeoctl("status").stdout(format!("program running; pid={pid}\n")).run();
    }
    new.client("commit", ["b", "10"]).stdout("b: committed 10\n").run();
    new.client("read", [""; 0]).stdout("a: read 60\nb: read 10\n").run();
    old.client("read", [""; 0]).stdout("a: read 60\nb: read 0\n").run();
    let (old_log, new_log) = (sandbox.read("old/log/zeo.log"), sandbox.read("new/log/zeo.log"));
    assert!(!old_log.contains(&new.port.to_string()), "{old_log}");
    assert!(new_log.contains(&new.port.to_string()), "{new_log}");

    // Each obeys its own controller.
    let restarted = new.zeoctl("restart").stdout("[..]daemon process restarted, pid=[..]\n").run().pid();
    old.zeoctl("status").stdout(format!("program running; pid={pid}\n")).run();
    old.zeoctl("stop").stdout(STOPPED).run();
    new.zeoctl("status").stdout(format!("program running; pid={restarted}\n")).run();
    assert_eq!(snapshot(&old.home), before.into_iter().filter(|(path, _)| !is_lock(path)).collect());
    old.zeoctl("start").stdout(STARTED).run();
    new.zeoctl("stop").stdout(STOPPED).run();
    old.client("read", [""; 0]).stdout("a: read 60\nb: read 0\n").run();
    old.stop();
}

fn is_lock(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "lock")
}

#[test]
fn copy_of_an_instance_whose_manager_was_killed_leaves_its_server_alone() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let old = Instance::make(&sandbox, &python, sandbox.path("old"), Server::Ours);
    let pid = old.start();
    let status = old.zeoctl("status").arg("-l").output().stdout;
    let manager = status.lines().find_map(|line| line.strip_prefix("manager=")).expect("it is told");
    sandbox.command("kill").args(["-9", manager]).run();
    eventually(SOON, || old.zeoctl("status").output().status == 4);
    sandbox.command("cp").args(["-a", "old", "new"]).run();
    let new =
        Instance { sandbox: &sandbox, python: &python, home: sandbox.path("new"), port: sandbox.port() };
    let address = format!("127.0.0.1:{}", new.port);
    sandbox.mkzeoinst().args(["--update", "new", &address]).stdout("...\nAll done.\n").run();
    new.zeoctl("status").status(3).stdout("daemon manager not running\n").run();
    assert_ne!(new.start(), pid);
    new.zeoctl("stop").stdout(STOPPED).run();
    let unmanaged = format!(
        "zdctl: the program runs without a manager; pid={pid}; start has a new manager take it over, stop ends it\n"
    );
    old.zeoctl("status").status(4).stdout("daemon manager not running\n").stderr(unmanaged).run();
    old.zeoctl("stop").stdout(STOPPED).run();
    old.assert_gone();
}

/// What is said of a file of `new`, a copy of `old`.
fn about_the_original(sandbox: &Sandbox, file: &str) -> String {
    let [own, theirs] = ["new", "old"].map(|home| sandbox.path(home).display().to_string());
    format!(
        "{file} lies in {own}, but is about the instance in {theirs}; to make it {own}'s own, run mkzeoinst --update {own}"
    )
}

/// An instance `old`, whose server ends at once, and its copy `new`.
fn make_and_copy(sandbox: &Sandbox) {
    let port = sandbox.port().to_string();
    sandbox.mkzeoinst().args(["--server", "/bin/true", "old", &port]).stdout("...\nAll done.\n").run();
    sandbox.command("cp").args(["-a", "old", "new"]).run();
}

/// Every action, by the configuration of a copy and by its script.
#[test]
fn every_action_on_a_copy_warns_that_it_concerns_the_original() {
    let sandbox = Sandbox::new();
    // What is started ends at once, and so does what is run in the foreground.
    make_and_copy(&sandbox);
    let (own, theirs) = (sandbox.path("new"), sandbox.path("old"));
    let warning = |file: &str| format!("warning: {}", about_the_original(&sandbox, file));
    let actions: Vec<_> = shell::actions().map(|action| action.name).collect();
    assert!(actions.len() > 15 && actions.contains(&"stop") && actions.contains(&"check"), "{actions:?}");
    for action in actions.iter().copied().chain([""]) {
        let words: &[&str] = match action {
            "" => &[],
            "shell" => &["shell", "true"],
            // What is no file, so that it ends.
            "logtail" => &["logtail", "/"],
            _ => &[action],
        };
        let script = own.join("bin/zeoctl");
        let script_name = script.display().to_string();
        let by_script = sandbox.command(&script).args(words).output();
        let by_file = sandbox.zdctl().args(["-C", "new/etc/zeoctl.conf"]).args(words).output();
        for (outcome, first) in [
            (by_script, format!("zeoctl: {}", warning(&script_name))),
            (by_file, format!("zdctl: {}", warning("new/etc/zeoctl.conf"))),
        ] {
            assert_eq!(outcome.stderr.lines().next(), Some(first.as_str()), "{action}: {outcome:?}");
            assert_eq!(outcome.stderr.matches("warning: ").count(), 1, "{action}: {outcome:?}");
        }
        let original = sandbox.command(theirs.join("bin/zeoctl")).args(words).output();
        assert!(!original.stderr.contains("warning"), "{action}: {original:?}");
    }
    sandbox.assert_no_process_left();
}

/// The programs below, by the configuration of a copy.
#[test]
fn manager_and_server_of_a_copy_say_so_once() {
    let sandbox = Sandbox::new();
    make_and_copy(&sandbox);
    let what = |file: &str| about_the_original(&sandbox, file);
    let manager = |words: &[&str]| sandbox.zdrun().args(["-C", "new/etc/zeoctl.conf"]).args(words);
    let warning = format!("zdrun: warning: {}\n", what("new/etc/zeoctl.conf"));
    manager(&["--check"]).stdout("configuration OK\n").stderr(&warning).run();
    for words in [&["--no-daemon"][..], &["-d", "true"], &["--", "true"]] {
        let outcome = manager(words).output();
        assert!(outcome.stderr.starts_with(&warning), "{outcome:?}");
        assert_eq!(outcome.stderr.matches("warning").count(), 1, "{outcome:?}");
        let original = sandbox.zdrun().args(["-C", "old/etc/zeoctl.conf"]).args(words).output();
        assert_eq!(original.status, outcome.status, "{original:?}");
        assert!(!original.stderr.contains("warning"), "{original:?}");
    }

    let server = |file: &str, word: &str| sandbox.runzeo().args(["-C", file, word]);
    let warning = format!("runzeo: warning: {}\n", what("new/etc/zeo.conf"));
    server("new/etc/zeo.conf", "--test").stdout("testing exit immediately\n").stderr(&warning).run();
    server("new/etc/zeo.conf", "--check").stdout("...\nconfiguration OK\n").stderr(&warning).run();
    let logged = sandbox.read("old/log/zeo.log");
    assert!(logged.contains(&format!(") {}\n", what("new/etc/zeo.conf"))), "{logged}");
    server("old/etc/zeo.conf", "--test").stdout("testing exit immediately\n").run();
    // Its log is the standard error.
    let text = sandbox.read("new/etc/zeo.conf");
    sandbox.write("new/etc/zeo.conf", text.split("<eventlog>").next().unwrap());
    let outcome = server("new/etc/zeo.conf", "--test").output();
    assert_eq!(outcome.status, 0, "{outcome:?}");
    assert_eq!(outcome.stderr.matches(&what("new/etc/zeo.conf")).count(), 1, "{outcome:?}");
    assert!(!outcome.stderr.contains("runzeo: warning"), "{outcome:?}");
    sandbox.assert_no_process_left();
}

#[test]
fn paths_of_the_old_home_in_what_options_set_and_in_sockets_move_along() {
    let sandbox = Sandbox::new();
    let make = |words: &[&str]| sandbox.mkzeoinst().args(["--server", "/bin/true"]).args(words);
    sandbox.write("old/etc/server.pem", "");
    sandbox.write("old/etc/server.key", "");
    let tls = ["old", "var/zeo.sock", "--tls", "old/etc/server.pem", "old/etc/server.key", "--umask", "027"];
    make(&tls).stdout("...\nAll done.\n").run();
    fs::rename(sandbox.path("old"), sandbox.path("new")).unwrap();
    make(&["--update", "new"]).stdout("...\nAll done.\n").run();
    let (old, new) = (sandbox.path("old").display().to_string(), sandbox.path("new").display().to_string());
    for file in ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl", "etc/mkzeoinst.toml"] {
        let text = sandbox.read(Path::new("new").join(file));
        assert!(!text.contains(&old), "{file}: {text}");
    }
    let text = sandbox.read("new/etc/zeo.conf");
    for line in [
        format!("  address {new}/var/zeo.sock\n"),
        format!("    certificate {new}/etc/server.pem\n"),
        format!("    key {new}/etc/server.key\n"),
    ] {
        assert!(text.contains(&line), "{text}");
    }
    make(&["--check", "--update", "new"]).run();
}
