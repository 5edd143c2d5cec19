//! Actions under a configuration that is at fault: what an action does not need never keeps it from working.

use std::fs;
use std::path::Path;

use super::*;

/// A file as plone.recipe.zeoserver makes it, with a program that is there.
fn plone(sandbox: &Sandbox) -> String {
    let root = sandbox.root().display();
    format!(
        "%define INSTANCE {root}\n\n<zeo>\n  address {root}/zeo.socket\n  pid-filename {root}/zeo.pid\n</zeo>\n\n\
         <filestorage 1>\n  path {root}/Data.fs\n</filestorage>\n\n<eventlog>\n  level info\n  <logfile>\n    \
         path {root}/zeo.log\n    format %(asctime)s %(message)s\n  </logfile>\n</eventlog>\n\n<runner>\n  \
         program $INSTANCE/serve\n  socket-name {root}/zeo.zdsock\n  daemon true\n  forever false\n  backoff-limit 10\n  \
         exit-codes 0, 2\n  directory $INSTANCE\n  default-to-interactive true\n\n  # This logfile should match the one in \
         the zeo.conf file.\n  logfile {root}/zeo.log\n</runner>\n"
    )
}

/// Each fault: what to replace in that file, and what the warning says of it.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "<logfile>\n",
        "<mailing-logger>\n  </mailing-logger>\n  <logfile>\n",
        "unknown section type 'mailing-logger'[..]",
    ),
    ("<eventlog>", "%import mailinglogger\n<eventlog>", ""),
    ("level info\n", "level info\n  <http-logger>\n  </http-logger>\n", "'<http-logger>' is not served[..]"),
    ("format %(asctime)s", "formatter mine.Formatter\n    format %(asctime)s", "[..]formatter[..]"),
    ("<runner>", "<runner>\n  python /gone/bin/python", "python: '/gone/bin/python' [..]"),
    ("<runner>", "<runner>\n  zdrun /gone/zdrun.py", "zdrun: '/gone/zdrun.py' [..]"),
    ("  program $INSTANCE/serve\n", "", "the key 'program' is missing from '<runner>'"),
    ("$INSTANCE/serve", "/gone/bin/runzeo", ""),
    ("$INSTANCE/serve", "$NOWHERE/serve", "'NOWHERE' is not defined"),
    ("<runner>", "<runner>\n  user no-such-user", ""),
    ("<runner>", "<runner>\n  umaks 022", "unknown key 'umaks' [..]"),
    ("daemon true", "daemon perhaps", "daemon: 'perhaps' is not a boolean[..]"),
    ("directory $INSTANCE", "directory /gone/far", "directory: [..]"),
    ("logfile {root}", "logfile /gone", "logfile: '/gone/zeo.log' [..]"),
    ("</runner>\n", "</runner>\n<environment>\n  (odd\n</environment>\n", "malformed line[..]"),
    ("<zeo>", "%include gone.conf\n<zeo>", "cannot read [..]"),
    ("</runner>\n", "</runner>\n<eventlog>\n</eventlog>\n", "a second '<eventlog>' section[..]"),
];

#[test]
fn actions_on_a_running_manager_need_its_socket_only() {
    let sandbox = Sandbox::new();
    let script =
        "#!/bin/sh\ntrap 'echo x >>usr2' USR2\ntrap 'exit 0' TERM\n: >ready\nwhile :; do sleep 0.02; done\n";
    sandbox.write("serve", script);
    sandbox.command("chmod").args(["a+x", "serve"]).run();
    let good = plone(&sandbox);
    let zdctl = |action: &str| sandbox.zdctl().args(["-C", "zeo.conf"]).args(action.split(' '));
    sandbox.write("zeo.conf", &good);
    zdctl("start").stdout("daemon process started, pid=[..]\n").run();
    wait_for(&sandbox.path("ready"));
    let status = zdctl("status").output().stdout;
    for (old, new, what) in FAULTS {
        let old = old.replace("{root}", &sandbox.root().display().to_string());
        assert!(good.contains(&old), "{old}");
        sandbox.write("zeo.conf", good.replacen(&old, new, 1));
        for (action, expected) in [
            ("status", status.as_str()),
            ("kill 0", "kill([..], 0)\nsignal 0 sent to process [..]\n"),
            ("logreopen", "kill([..]\nsignal SIGUSR2 sent to process [..]\n"),
            ("reopen_transcript", ""),
            ("quit", "daemon process and daemon manager still running\n"),
            ("help quit", "quit -- [..]\n...\n"),
        ] {
            let outcome = zdctl(action).output();
            assert_eq!(outcome.status, 0, "{action} with {new}: {}", outcome.stderr);
            // Before it, that another program is configured now.
            let expected = format!("...\n{expected}");
            assert!(matches(&expected, &outcome.stdout), "{action} with {new}: {}", outcome.stdout);
            let stderr = if what.is_empty() || action == "help quit" {
                String::new()
            } else {
                format!("zdctl: warning: zeo.conf:[..]: {what}\n")
            };
            assert!(matches(&stderr, &outcome.stderr), "{action} with {new}: {}", outcome.stderr);
        }
    }
    // The last of them is still there.
    let waits = zdctl("wait").spawn();
    zdctl("stop").stdout("daemon process stopped\n").stderr("zdctl: warning: [..]\n").run();
    let waited = waits.wait(SOON);
    assert_eq!(
        (waited.status, waited.stdout.as_str()),
        (0, "daemon process stopped\ndaemon manager not running\n")
    );
    sandbox.assert_no_process_left();
}

#[test]
fn each_fault_leaves_stop_to_work() {
    let sandbox = Sandbox::new();
    let conf = |more: &str| {
        let socket = sandbox.path("sock").display().to_string();
        format!("<runner>\n  program sleep 1000\n  daemon true\n  socket-name {socket}\n{more}</runner>\n")
    };
    let handler = "%import mailinglogger\n<eventlog>\n<mailing-logger>\n</mailing-logger>\n</eventlog>\n";
    for fault in
        [conf("") + handler, conf("  python /gone/python\n  zdrun /gone/zdrun.py\n"), conf("  user nosuch\n")]
    {
        sandbox.write("c", conf(""));
        sandbox.zdctl().args(["-C", "c", "start"]).stdout("daemon process started, pid=[..]\n").run();
        sandbox.write("c", &fault);
        let stopped = sandbox.zdctl().args(["-C", "c", "stop"]).output();
        assert_eq!(
            (stopped.status, stopped.stdout.as_str()),
            (0, "daemon process stopped\n"),
            "{}",
            stopped.stderr
        );
        sandbox.assert_no_process_left();
    }
}

#[test]
fn many_faults_are_one_line() {
    let sandbox = Sandbox::new();
    let conf = "<runner>\n  umaks 1\n  program sleep 1000\n  socket-name sock\n  daemon maybe\n  python /gone\n</runner>\n";
    sandbox.write("c", conf);
    sandbox
        .zdctl()
        .args(["-C", "c", "status"])
        .stdout("daemon manager not running\n")
        .stderr("zdctl: warning: c:2: unknown key 'umaks' [..]; 2 more, which 'zdctl check' lists\n")
        .status(3)
        .run();
}

#[test]
fn file_that_leaves_the_socket_uncertain_is_refused() {
    let sandbox = Sandbox::new();
    let program = "  program sleep 1000\n";
    for file in [
        format!("<runner>\n{program}  socket-nmae sock\n</runner>\n"),
        format!("<runner>\n{program}  socket-name /gone/far/sock\n</runner>\n"),
        format!("<runner>\n{program}  socket-name $(NO_SUCH_VARIABLE)/sock\n</runner>\n"),
        format!("<runner>\n{program}  socket-name a\n  socket-name b\n</runner>\n"),
        format!("<runner>\n{program}  %include gone.conf\n</runner>\n"),
        format!("<runner>\n{program}  socket-name=\n  (sock\n</runner>\n"),
        format!("<runner>\n{program}</runner>\n<runner>\n  socket-name b\n</runner>\n"),
        "<runnr>\n</runnr>\n".to_owned(),
    ] {
        sandbox.write("c", &file);
        for action in ["status", "stop"] {
            let outcome = sandbox.zdctl().args(["-C", "c", action]).output();
            assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{file}{}", outcome.stderr);
            assert!(outcome.stderr.starts_with("zdctl: c:"), "{file}{}", outcome.stderr);
        }
    }
    // The command line says where it is.
    let outcome = sandbox.zdctl().args(["-C", "c", "-s", "sock", "status"]).output();
    assert_eq!(
        (outcome.status, outcome.stdout.as_str()),
        (3, "daemon manager not running\n"),
        "{}",
        outcome.stderr
    );
    sandbox.write("c", format!("<runner>\n{program}  socket-name s\n</runner>\n"));
    sandbox
        .zdctl()
        .args(["-C", "c", "-X", "runner/soket=s", "status"])
        .stderr("zdctl: [..]soket[..]\n")
        .status(2)
        .run();
}

#[test]
fn published_files_answer_status_with_a_handler_of_another_package() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real-conf");
    let Ok(entries) = fs::read_dir(&place) else { return };
    let sandbox = Sandbox::new();
    let mut asked = 0;
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("text");
        if !name.contains("plone-recipe") || !text.contains("\n<runner>") {
            continue;
        }
        asked += 1;
        let directory = sandbox.root().join(&name).display().to_string();
        fs::create_dir_all(sandbox.path(&name).join("buildout/var/log")).expect("a directory");
        let text = text.replace("@DIR@", &directory);
        let foreign = "%import mailinglogger\n<eventlog>\n<mailing-logger>\n</mailing-logger>\n</eventlog>\n";
        let gone = text.replacen("<runner>", "<runner>\n  python /gone/python\n  zdrun /gone/zdrun.py", 1);
        for variant in [text.clone(), format!("{text}{foreign}"), gone] {
            sandbox.write("c", variant);
            let outcome = sandbox.zdctl().args(["-C", "c", "status"]).output();
            assert_eq!(
                (outcome.status, outcome.stdout.as_str()),
                (3, "daemon manager not running\n"),
                "{name}: {}",
                outcome.stderr
            );
            assert!(outcome.stderr.lines().count() <= 1, "{name}: {}", outcome.stderr);
        }
    }
    assert!(asked > 5, "{asked}");
}

#[test]
fn unknown_user_is_reported_with_the_other_faults() {
    let sandbox = Sandbox::new();
    sandbox
        .write("c", "<runner>\n  program sleep 1000\n  user nosuch\n  umaks 7\n  socket-name s\n</runner>\n");
    let faults = "zdctl: c:3: user: username 'nosuch' not found\nzdctl: c:4: unknown key 'umaks' [..]\n";
    for action in ["start", "restart", "fg", "show"] {
        sandbox.zdctl().args(["-C", "c", action]).stderr(faults).status(2).run();
    }
    sandbox.zdctl().args(["-C", "c"]).stderr(faults).status(2).run();
    sandbox.write("c", "<runner>\n  program sleep 1000\n  user 4000000000\n  socket-name s\n</runner>\n");
    for action in ["start", "show"] {
        let fault = "zdctl: c:3: user: uid '4000000000' not found\n";
        sandbox.zdctl().args(["-C", "c", action]).stderr(fault).status(2).run();
    }
    sandbox.zdctl().args(["-C", "c", "status"]).stdout("daemon manager not running\n").status(3).run();
}
