//! `stop-signal`, the variables of `user`, and a transcript that would go nowhere.

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::eventually;

/// Notes which signal ends it.
const NOTES: &str = "for s in TERM INT USR1; do trap \"echo $s >>ended; exit 0\" $s; done; : >ready; while :; do sleep 0.02; done";

#[test]
fn stop_restart_and_the_end_of_the_manager_use_the_stop_signal() {
    for (key, name) in
        [("", "TERM"), ("stop-signal INT", "INT"), ("stop-signal SIGUSR1", "USR1"), ("stop-signal 2", "INT")]
    {
        let sandbox = Sandbox::new();
        let root = sandbox.root().display().to_string();
        let runner = format!("start-grace 0\ndirectory {root}\nhang-around true\n{key}");
        let manager = Manager::start_with(&sandbox, &runner, &[], &["sh", "-c", NOTES]);
        let ready = || {
            eventually(SOON, || sandbox.path("ready").exists());
            fs::remove_file(sandbox.path("ready")).expect("it is there");
        };
        ready();
        let first = manager.pid();
        manager.ask("restart");
        manager.next_pid(first);
        ready();
        manager.ask("stop");
        eventually(SOON, || manager.pid() == 0);
        manager.ask("start");
        ready();
        signal(manager.manager_pid(), Signal::SIGTERM);
        manager.gone();
        assert_eq!(sandbox.read("ended"), format!("{name}\n").repeat(3), "{key}");
    }
}

/// A shell's children in the background ignore SIGINT: they end all the same, and at once.
#[test]
fn what_ignores_the_stop_signal_ends_with_the_program() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display().to_string();
    let script = "trap 'exit 0' INT; sleep 1000 & echo $! >new; mv new child; wait";
    let runner = format!("start-grace 0\ndirectory {root}\nstop-signal INT");
    let manager = Manager::start_with(&sandbox, &runner, &[], &["sh", "-c", script]);
    let child = pid_in(&sandbox.path("child"));
    manager.ask("stop");
    manager.gone();
    assert!(!is_alive(child));
}

#[test]
fn stop_signal_that_is_none_is_refused() {
    let sandbox = Sandbox::new();
    for value in ["NONE", "0", "99", "-1", "32"] {
        sandbox.write("conf", format!("<runner>\nprogram sleep 1\nstop-signal {value}\n</runner>\n"));
        let said = format!(
            "zdrun: conf:3: stop-signal: '{value}' is no signal; name one such as INT or SIGTERM, or its number\n"
        );
        sandbox.zdrun().args(["-C", "conf"]).stderr(said).status(2).run();
    }
}

#[test]
fn program_has_the_variables_of_its_user_where_one_is_in_force() {
    let sandbox = Sandbox::new();
    let own =
        nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("a database").expect("we have a name");
    let root = sandbox.root().display().to_string();
    let script = "echo ${HOME-none} ${USER-none} ${LOGNAME-none} >new; mv new seen; exec sleep 1000";
    let (name, home) = (&own.name, own.dir.display());
    for (user, environment, expected) in [
        ("", "", format!("{root} none none\n")),
        (&*format!("user {name}"), "", format!("{home} {name} {name}\n")),
        (&*format!("user {name}"), "HOME /elsewhere\nUSER me", format!("/elsewhere me {name}\n")),
    ] {
        let runner = format!("<runner>\nstart-grace 0\ndirectory {root}\n{user}\n</runner>\n");
        let text = format!("{runner}<environment>\n{environment}\n</environment>\n");
        let conf = sandbox.write("conf", text);
        let manager = Manager::start_from(&sandbox, &conf, &[], &["sh", "-c", script]);
        eventually(SOON, || sandbox.path("seen").exists());
        assert_eq!(sandbox.read("seen"), expected, "{user}");
        fs::remove_file(sandbox.path("seen")).expect("it is there");
        manager.ask("stop");
        manager.gone();
    }
}

#[test]
fn transcript_that_would_be_the_null_device_is_refused() {
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("/dev/stdout", sandbox.path("link")).expect("a link");
    let link = sandbox.path("link").display().to_string();
    for transcript in ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/2", "/dev/tty", &link] {
        let text = |daemon| {
            format!(
                "<runner>\nprogram true\nsocket-name sock\ndaemon {daemon}\ntranscript {transcript}\n</runner>\n"
            )
        };
        sandbox.write("conf", text(true));
        let fault = format!(
            "'{transcript}' is the null device in daemon mode; without daemon mode, and with fg, the output goes to \
            stdout by itself; in a container, /proc/1/fd/1 is that of the first process\n"
        );
        sandbox
            .zdctl()
            .args(["-C", "conf", "check"])
            .stderr(format!("[..]conf:5: transcript: {fault}"))
            .status(2)
            .run();
        sandbox.zdrun().args(["-C", "conf"]).stderr(format!("zdrun: transcript {fault}")).status(2).run();
        // It has no effect, and is no fault.
        sandbox.write("conf", text(false));
        assert_eq!(sandbox.zdctl().args(["-C", "conf", "check"]).output().status, 0);
    }
}
