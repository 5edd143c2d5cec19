//! `check-program`: what it finds keeps a good server running.

use crate::sandbox::{SOON, Sandbox, eventually};

const FAULT: &str = "zeo.conf:2: unknown key 'adress'";

/// A program that runs as long as it likes, whose check reads `zeo.conf`.
fn configured(sandbox: &Sandbox, check: &str) {
    sandbox.write(
        "c",
        format!("<runner>\n  program sleep 1000\n  daemon true\n  socket-name s\n  check-program {check}\n</runner>\n"),
    );
}

#[test]
fn program_is_not_stopped_for_a_configuration_that_its_check_refuses() {
    let sandbox = Sandbox::new();
    let runzeo = env!("CARGO_BIN_EXE_runzeo");
    configured(&sandbox, &format!("{runzeo} --check-config -C zeo.conf"));
    let good = "<zeo>\n  address 127.0.0.1:0\n</zeo>\n<mappingstorage>\n</mappingstorage>\n";
    sandbox.write("zeo.conf", good);
    let zdctl = |action: &str| sandbox.zdctl().args(["-C", "c", action]);
    zdctl("check").stdout("configuration OK\n").run();
    zdctl("start").stdout("daemon process started, pid=[..]\n").run();
    let before = zdctl("status").output().stdout;
    sandbox.write("zeo.conf", good.replace("address", "adress"));
    let outcome = zdctl("check").output();
    let why = format!("the check program '{runzeo}' ended with exit status: 2");
    assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(FAULT), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with(&format!("zdctl: {why}\n")), "{}", outcome.stderr);
    for action in ["restart", "try-restart", "condrestart", "force-reload"] {
        let outcome = zdctl(action).output();
        assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{action}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(FAULT), "{action}: {}", outcome.stderr);
        let line = format!(
            "zdctl: the configuration as it is now would not work: {why}; nothing was stopped or started\n"
        );
        assert!(outcome.stderr.ends_with(&line), "{action}: {}", outcome.stderr);
    }
    assert_eq!(zdctl("status").output().stdout, before);
    sandbox.write("zeo.conf", good);
    zdctl("restart").stdout("daemon process restarted, pid=[..]\n").run();
    assert_ne!(zdctl("status").output().stdout, before);
    zdctl("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn check_that_vanishes_is_named_and_stops_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("checker", "#!/bin/sh\nexit 0\n");
    sandbox.command("chmod").args(["+x", "checker"]).run();
    configured(&sandbox, "./checker");
    let zdctl = |action: &str| sandbox.zdctl().args(["-C", "c", action]);
    zdctl("start").stdout("daemon process started, pid=[..]\n").run();
    let before = zdctl("status").output().stdout;
    std::fs::remove_file(sandbox.path("checker")).unwrap();
    let outcome = zdctl("restart").output();
    assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("the check program './checker' cannot be run: No such file"),
        "{}",
        outcome.stderr
    );
    assert_eq!(zdctl("status").output().stdout, before);
    // An action that needs no check goes on as ever.
    zdctl("stop").stdout("daemon process stopped\n").run();
    eventually(SOON, || !sandbox.path("s").exists());
}

#[test]
fn check_runs_where_the_program_runs_and_its_output_is_shown_if_it_fails() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("work")).unwrap();
    sandbox.write("checker", "#!/bin/sh\nbasename \"$PWD\"\necho $SITE\ntest ! -e bad\n");
    sandbox.command("chmod").args(["+x", "checker"]).run();
    let file = |daemon: &str| {
        format!(
            "<runner>\n  program sleep 1000\n  daemon {daemon}\n  directory work\n  socket-name s\n  check-program ./checker\n\
             </runner>\n<environment>\n  SITE north\n</environment>\n"
        )
    };
    let check = || sandbox.zdctl().args(["-C", "c", "check"]);
    sandbox.write("c", file("true"));
    check().stdout("configuration OK\n").run();
    sandbox.write("work/bad", "");
    let why = "zdctl: the check program './checker' ended with exit status: 1\n";
    check().stderr(format!("work\nnorth\n{why}")).status(1).run();
    // In the foreground the program runs where zdctl does.
    sandbox.write("c", file("false"));
    check().stdout("configuration OK\n").run();
    sandbox.write("bad", "");
    let outcome = check().output();
    assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""));
    let root = sandbox.root().file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(outcome.stderr, format!("{root}\nnorth\n{why}"));
}

#[test]
fn open_shell_runs_the_check_that_the_file_names_now() {
    let sandbox = Sandbox::new();
    configured(&sandbox, "true");
    let session =
        "start\n!sed -i 's/check-program true/check-program false/' c\nrestart\ncheck\nstop\nquit\n";
    let shell = sandbox.zdctl().args(["-C", "c"]).stdin(session).output();
    let why = "the check program 'false' ended with exit status: 1";
    let line = format!(
        "zdctl: the configuration as it is now would not work: {why}; nothing was stopped or started\n"
    );
    assert_eq!(shell.stderr, format!("{line}zdctl: {why}\n"), "{}", shell.stdout);
    assert!(shell.stdout.contains("daemon process stopped"), "{}", shell.stdout);
    sandbox.assert_no_process_left();
}
