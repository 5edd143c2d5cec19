//! Instances of other makes: taken over with `--adopt`, and left whole without it.

use std::path::{Path, PathBuf};

use super::{install, mkzeoinst};
use crate::peers::python;
use crate::sandbox::{SOON, Sandbox, eventually};

/// As plone.recipe.zeoserver writes it, but for blobs, which our server does not serve yet.
const PLONE: &str = "%define INSTANCE DIR/parts/zeo

<zeo>
  address 127.0.0.1:PORT
  read-only false
  invalidation-queue-size 100
  pid-filename DIR/var/zeo.pid
</zeo>

<filestorage 1>
  path DIR/var/filestorage/Data.fs
</filestorage>

<filestorage catalog>
  path DIR/var/filestorage/Catalog.fs
</filestorage>

<eventlog>
  level info
  <logfile>
      path DIR/var/log/zeo.log
      format %(asctime)s %(message)s
    </logfile>
</eventlog>

<runner>
  program $INSTANCE/bin/runzeo
  socket-name DIR/var/zeo.zdsock
  daemon true
  forever false
  backoff-limit 17
  exit-codes 0, 2
  directory $INSTANCE
  default-to-interactive true
  user nobody
  python DIR/python
  zdrun DIR/zdrun.py

  # This logfile should match the one in the zeo.conf file.
  logfile DIR/var/log/zeo.log
</runner>
";

/// A Plone home in `plone`, and its configuration.
fn plone(sandbox: &Sandbox) -> String {
    for directory in ["var/filestorage", "var/log", "parts/zeo/etc", "parts/zeo/bin"] {
        std::fs::create_dir_all(sandbox.path("plone").join(directory)).unwrap();
    }
    let directory = sandbox.path("plone").display().to_string();
    let text = PLONE.replace("DIR", &directory).replace("PORT", &sandbox.port().to_string());
    sandbox.write("plone/parts/zeo/etc/zeo.conf", &text);
    text
}

/// The configuration without the stamp.
fn unstamped(sandbox: &Sandbox, file: &str) -> String {
    let text = sandbox.read(file);
    text.split_inclusive('\n').filter(|line| !line.starts_with("# Made by mkzeoinst ")).collect()
}

#[test]
fn every_key_of_an_adopted_instance_is_kept_but_for_the_programs() {
    for new in [None, Some("new")] {
        let sandbox = Sandbox::new();
        install(&sandbox, "");
        let text = plone(&sandbox);
        let home = new.unwrap_or("plone/parts/zeo");
        let run = || mkzeoinst(&sandbox).arg("--adopt").arg("plone/parts/zeo").args(new);
        // First a look, which changes nothing.
        let diff = run().arg("--diff").output();
        assert_eq!((diff.status, diff.stderr.as_str()), (0, ""));
        assert!(diff.stdout.contains("+  program "), "{}", diff.stdout);
        assert_eq!(sandbox.read("plone/parts/zeo/etc/zeo.conf"), text);
        let outcome = run().output();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
        let server = unstamped(&sandbox, &format!("{home}/etc/zeo.conf"));
        assert_eq!(server.trim_end(), text.split("<runner>").next().unwrap().trim_end());
        let manager = unstamped(&sandbox, &format!("{home}/etc/zeoctl.conf"));
        let conf = sandbox.path(home).join("etc/zeo.conf");
        let programs = [
            format!("\n  program {} -C {}\n", sandbox.path("bin/runzeo").display(), conf.display()),
            format!("\n  zdrun {}\n", sandbox.path("bin/zdrun").display()),
        ];
        assert!(programs.iter().all(|line| manager.matches(line.as_str()).count() == 1), "{manager}");
        let kept = text.split("<runner>").nth(1).unwrap().lines();
        let foreign = ["program", "python", "zdrun"];
        for line in kept.filter(|line| foreign.iter().all(|key| !line.trim().starts_with(key))) {
            assert!(manager.contains(line), "{line}\n{manager}");
        }
        assert!(!manager.contains("zdrun.py") && !manager.contains("python"), "{manager}");
        assert_eq!(manager.matches("%define INSTANCE ").count(), 1);
        if new.is_none() {
            assert_eq!(sandbox.read("plone/parts/zeo/etc/zeo.conf.~1~"), text);
        } else {
            assert_eq!(sandbox.read("plone/parts/zeo/etc/zeo.conf"), text);
        }
        // From then on it is an instance like any other, with the edits of a person.
        mkzeoinst(&sandbox).args(["--update", home]).stdout("All done.\n").run();
        assert_eq!(unstamped(&sandbox, &format!("{home}/etc/zeo.conf")), server);
    }
}

#[test]
fn adopted_home_of_mkzeoinstance_serves_its_data_under_one_control() {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new();
    let (home, port) = (sandbox.path("zeo"), sandbox.port());
    let address = format!("127.0.0.1:{port}");
    sandbox.command(python.with_file_name("mkzeoinstance")).arg(&home).arg(&address).output();
    let blobs =
        |text: &str| text.lines().filter(|line| !line.contains("blob-dir")).collect::<Vec<_>>().join("\n");
    let conf = sandbox.read("zeo/etc/zeo.conf");
    if conf.contains("blob-dir") {
        let server = home.join("bin/runzeo").display().to_string();
        let outcome = sandbox.mkzeoinst().args(["--adopt", "zeo"]).output();
        let advice = format!("to keep its own server, add --server {server}\n");
        assert!(outcome.status == 1 && outcome.stderr.ends_with(&advice), "{}", outcome.stderr);
        assert_eq!(sandbox.read("zeo/etc/zeo.conf"), conf);
        sandbox.write("zeo/etc/zeo.conf", blobs(&conf) + "\n");
    }
    let old = home.join("bin/zeoctl.~1~");
    let zeoctl = |path: &Path, action: &str| sandbox.command(path).arg(action).output();
    assert_eq!(zeoctl(&home.join("bin/zeoctl"), "start").status, 0);
    let outcome = sandbox.mkzeoinst().args(["zeo", "--adopt"]).output();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{}", outcome.stdout);
    // The new control knows what the old one has started.
    let new = home.join("bin/zeoctl");
    let status = zeoctl(&new, "status");
    assert!(status.stdout.contains("program running; pid="), "{status:?}");
    eventually(SOON, || home.join("var/Data.fs").exists());
    assert_eq!(zeoctl(&new, "stop").status, 0);
    let started = zeoctl(&new, "start");
    assert_eq!(started.status, 0, "{started:?}");
    assert!(zeoctl(&old, "status").status != 0, "there is another control");
    assert_eq!(zeoctl(&new, "stop").status, 0);
    sandbox.assert_no_process_left();
    // And back.
    for name in ["etc/zeo.conf", "bin/zeoctl"] {
        std::fs::rename(home.join(format!("{name}.~1~")), home.join(name)).unwrap();
    }
    assert_eq!(zeoctl(&new, "start").status, 0);
    assert_eq!(zeoctl(&new, "stop").status, 0);
    sandbox.assert_no_process_left();
}

#[test]
fn configuration_by_hand_keeps_its_place_for_data_and_log() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let at = |name: &str| sandbox.path(name).display().to_string();
    let text = format!(
        "<zeo>\n  address {}\n</zeo>\n<filestorage 1>\n  path {}\n</filestorage>\n<eventlog>\n  <logfile>\n    path {}\n  \
         </logfile>\n</eventlog>\n",
        sandbox.port(),
        at("hand/Data.fs"),
        at("hand/server.log")
    );
    sandbox.write("hand/zeo.conf", &text);
    for typed in ["hand", "hand/zeo.conf"] {
        let outcome = mkzeoinst(&sandbox).args(["--adopt", typed]).output();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
        assert_eq!(unstamped(&sandbox, "hand/etc/zeo.conf"), text);
        let manager = sandbox.read("hand/etc/zeoctl.conf");
        assert!(manager.contains(&format!("\n  logfile {}\n", at("hand/server.log"))), "{manager}");
        std::fs::remove_dir_all(sandbox.path("hand/etc")).unwrap();
    }
}

#[test]
fn configuration_is_not_replaced_by_one_with_other_data() {
    for (conflict, update) in [("backup", false), ("overwrite", false), ("backup", true)] {
        let sandbox = Sandbox::new();
        install(&sandbox, "");
        let text = plone(&sandbox);
        let mut run = mkzeoinst(&sandbox).args(["--on-conflict", conflict, "plone/parts/zeo"]);
        if update {
            run = run.arg("--update");
        }
        let outcome = run.output();
        let home = sandbox.path("plone");
        let data = home.join("var/filestorage/Data.fs");
        let expected = format!(
            "mkzeoinst: cannot replace '{0}/parts/zeo/etc/zeo.conf': its data are in '{1}', and those of the new one would \
             be in '{0}/parts/zeo/var/Data.fs'; to keep them with what is new, use mkzeoinst --adopt\n",
            home.display(),
            data.display()
        );
        assert_eq!((outcome.status, outcome.stdout.as_str(), outcome.stderr), (1, "", expected));
        assert_eq!(sandbox.read("plone/parts/zeo/etc/zeo.conf"), text);
        assert!(!home.join("parts/zeo/etc/zeoctl.conf").exists());
    }
    // A directory of blobs is data too, and what is asked for on the command line is no accident.
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    mkzeoinst(&sandbox).args(["zeo", "19999"]).output();
    let own = sandbox.read("zeo/etc/zeo.conf");
    let run = |options: &[&str]| mkzeoinst(&sandbox).args(options).arg("zeo").output().status;
    sandbox.write("zeo/etc/zeo.conf", own.replace("  pack-gc true", "  blob-dir blobs\n  pack-gc true"));
    assert_eq!(run(&["--on-conflict", "overwrite"]), 1);
    sandbox.write("zeo/etc/zeo.conf", &own);
    assert_eq!(run(&["--update", "--set", "var=/srv/elsewhere", "--dry-run"]), 0);
    assert_eq!(run(&["--on-conflict", "overwrite"]), 0);
}

#[test]
fn keys_of_a_runner_in_the_configuration_of_the_server_are_not_dropped() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let text = plone(&sandbox);
    let outcome = mkzeoinst(&sandbox).arg("plone/parts/zeo").output();
    let warning = format!(
        "mkzeoinst: warning: etc/zeo.conf has a section <runner>, whose keys etc/zeoctl.conf has too; to take the instance \
         over: mkzeoinst --adopt {}\n",
        sandbox.path("plone/parts/zeo").display()
    );
    assert_eq!((outcome.status, outcome.stderr), (0, warning));
    assert_eq!(sandbox.read("plone/parts/zeo/etc/zeo.conf"), text);
    let manager = sandbox.read("plone/parts/zeo/etc/zeoctl.conf");
    let socket = format!("  socket-name {}\n", sandbox.path("plone/var/zeo.zdsock").display());
    for line in ["  user nobody\n", "  backoff-limit 17\n", &socket] {
        assert!(manager.contains(line), "{line}\n{manager}");
    }
    // It is said once; then each has its own.
    assert_eq!(mkzeoinst(&sandbox).arg("plone/parts/zeo").output().stderr, "");
}

#[test]
fn what_cannot_be_adopted_is_refused_before_anything_is_done() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    plone(&sandbox);
    let missing: PathBuf = sandbox.path("none");
    let keeps = "mkzeoinst: --adopt keeps the address that the instance has\n".to_owned();
    for (arguments, status, error) in [
        (
            &["none"][..],
            1,
            format!(
                "mkzeoinst: cannot find an instance to adopt: there is no file '{}'\n",
                missing.display()
            ),
        ),
        (&["plone/parts/zeo", "8100"], 2, keeps.clone()),
        (&["plone/parts/zeo", "127.0.0.1:8100"], 2, keeps.clone()),
        (&["plone/parts/zeo", "new", "8100"], 2, keeps),
    ] {
        let outcome = mkzeoinst(&sandbox).arg("--adopt").args(arguments).output();
        assert_eq!((outcome.status, outcome.stdout.as_str(), outcome.stderr), (status, "", error));
    }
    sandbox.write(
        "plone/parts/zeo/etc/zeo.conf",
        "%include more.conf\n<zeo>\n address 1\n</zeo>\n<mappingstorage/>\n",
    );
    sandbox.write("plone/parts/zeo/etc/more.conf", "");
    let outcome = mkzeoinst(&sandbox).args(["--adopt", "plone/parts/zeo", "new"]).output();
    assert!(
        outcome.stderr.ends_with("it includes a file by a relative path; make that absolute\n"),
        "{outcome:?}"
    );
    assert!(!sandbox.path("new").exists());
}
