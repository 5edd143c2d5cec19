//! Programs on our own terminal.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::peers::supervisord;
use crate::sandbox::can_unshare;
use crate::sandbox::run::Running;

#[test]
fn foreground_passes_on_how_the_program_ended() {
    let sandbox = Sandbox::new();
    let fg = |program: &str, action: &str| zdctl(&sandbox, program).arg(action);
    fg("echo hello", "fg").stdout("echo hello\nhello\n").run();
    fg("echo 'a  b'", "foreground").arg("c").stdout("echo a  b c\na  b c\n").run();
    fg("sh -c 'exit 3'", "fg").stdout("sh -c exit 3\n").status(3).run();
    fg("sh -c 'kill -9 $$'", "fg").stdout("sh -c kill -9 $$\n").status(137).run();
    assert!(!sandbox.path("sock.lock").exists() || sandbox.read("sock.lock").starts_with("manager "));
    let why = "zdctl: cannot run 'no-such-program': No such file or directory\n";
    fg("no-such-program", "fg").stdout("no-such-program\n").stderr(why).status(127).run();
    let why = "zdctl: cannot run '/': Permission denied\n";
    fg("/", "fg").stdout("/\n").stderr(why).status(126).run();
}

#[test]
fn program_in_the_foreground_has_groups_and_variables_of_its_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    // Whoever is a member of a group beyond the first; else somebody, who must not have root's.
    let groups = std::fs::read_to_string("/etc/group").expect("it can be read");
    let mut members = groups.lines().filter_map(|line| line.rsplit(':').next()?.split(',').next());
    let user = members.find(|name| !name.is_empty() && *name != "root").unwrap_or("nobody").to_owned();
    let identity = sandbox.command("sh").args(["-c", &format!("id -u {user}; id -g {user}; id -G {user}")]);
    let expected = identity.output().stdout;
    let fg = sandbox.zdctl().args(["-s", "sock", "-u", &user, "-p", "sh -c 'id -u; id -g; id -G'", "fg"]);
    fg.stdout(format!("sh -c id -u; id -g; id -G\n{expected}")).run();
    let home = sandbox.command("sh").args(["-c", &format!("getent passwd {user} | cut -d: -f6")]);
    let expected = format!("{user} {user} {}", home.output().stdout);
    let program = "sh -c 'echo $USER $LOGNAME $HOME'";
    let fg = sandbox.zdctl().args(["-s", "sock", "-u", &user, "-p", program, "fg"]);
    fg.stdout(format!("sh -c echo $USER $LOGNAME $HOME\n{expected}")).run();
}

#[test]
fn running_program_is_not_run_twice() {
    let sandbox = Sandbox::new();
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
    let why = "To run the program in the foreground, please stop it first.\n";
    zdctl(&sandbox, SLEEP).arg("fg").stdout(why).status(1).run();
}

#[test]
fn shell_runs_a_command() {
    let sandbox = Sandbox::new();
    zdctl(&sandbox, SLEEP).args(["shell", "echo", "'a  b'"]).stdout("a  b\n").run();
    zdctl(&sandbox, SLEEP).arg("!echo hi; exit 7").stdout("hi\n").status(7).run();
}

/// A program that records each of its signals in `signals`, and ends by TERM with status 7.
const RECORDER: &str = "sh -c 'trap \"echo HUP >>signals\" HUP; trap \"echo QUIT >>signals\" QUIT; \
    trap \"echo USR1 >>signals\" USR1; trap \"echo USR2 >>signals\" USR2; trap \"echo INT >>signals\" INT; \
    trap \"exit 7\" TERM; echo ready >signals; while :; do sleep 0.02; done'";

fn received(sandbox: &Sandbox, expected: &str) {
    let text = || fs::read_to_string(sandbox.path("signals")).unwrap_or_default();
    eventually(SOON, || text().ends_with('\n') && text().split_whitespace().eq(expected.split(' ')));
}

/// `fg` with its program, which is ready.
fn in_the_foreground(sandbox: &Sandbox) -> Running {
    let running = zdctl(sandbox, RECORDER).arg("fg").spawn();
    received(sandbox, "ready");
    running
}

#[test]
fn one_action_becomes_the_program() {
    let sandbox = Sandbox::new();
    let running = in_the_foreground(&sandbox);
    let words = fs::read_to_string(format!("/proc/{}/cmdline", running.pid())).expect("it runs");
    assert!(words.starts_with("sh\0-c\0"), "{words}");
    running.signal(Signal::SIGHUP);
    received(&sandbox, "ready HUP");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait(SOON).status, 7);
    sandbox.assert_no_process_left();
    let shell = zdctl(&sandbox, SLEEP).args(["shell", "echo $$; exec sleep 1000"]).spawn();
    eventually(SOON, || shell.stdout() == format!("{}\n", shell.pid()));
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.wait(SOON).status, 143);
    sandbox.assert_no_process_left();
}

#[test]
fn program_in_the_foreground_holds_the_instances_lock() {
    let sandbox = Sandbox::new();
    let running = in_the_foreground(&sandbox);
    let pid = running.pid();
    let zdctl = || zdctl(&sandbox, RECORDER);
    zdctl().arg("status").stdout(format!("program running; pid={pid}\n")).run();
    let long = format!("program running; pid={pid}\nin the foreground: fg runs it, without a manager\n");
    zdctl().args(["status", "-l"]).stdout(long).run();
    let json = format!("{{\"state\":\"foreground\",\"should_be_up\":false,\"pid\":{pid},[..]\n");
    zdctl().args(["status", "--json"]).stdout(json).run();
    zdctl().arg("start").stdout(format!("daemon process already running; pid={pid}\n")).run();
    let refused = "To run the program in the foreground, please stop it first.\n";
    zdctl().arg("fg").stdout(refused).status(1).run();
    let why =
        format!("zdctl: the program runs in the foreground, without a manager; pid={pid}; stop ends it\n");
    for action in ["restart", "try-restart"] {
        zdctl().arg(action).stderr(&why).status(1).run();
    }
    let taken = "zdrun: [..]sock[..]\n";
    sandbox.zdrun().args(["-s", "sock", "sleep", "1000"]).stderr(taken).status(1).run();
    zdctl().args(["kill", "USR1"]).stdout("kill([..]\nsignal SIGUSR1 sent to process [..]\n").run();
    received(&sandbox, "ready USR1");
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    assert_eq!(running.wait(SOON).status, 7);
    zdctl().arg("status").stdout("daemon manager not running\n").status(3).run();
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
}

#[test]
fn stop_sends_a_program_in_the_foreground_its_stop_signal() {
    let sandbox = Sandbox::new();
    let program =
        "sh -c 'trap \"exit 5\" QUIT; trap \"\" TERM; echo ready >signals; while :; do sleep 0.02; done'";
    let conf = format!("<runner>\nprogram {program}\nsocket-name sock\nstop-signal QUIT\n</runner>\n");
    sandbox.write("conf", conf);
    let running = sandbox.zdctl().args(["-C", "conf", "fg"]).spawn();
    received(&sandbox, "ready");
    sandbox.zdctl().args(["-C", "conf", "stop"]).stdout("daemon process stopped\n").run();
    assert_eq!(running.wait(SOON).status, 5);
}

#[test]
fn what_the_program_started_does_not_hold_its_lock() {
    let sandbox = Sandbox::new();
    zdctl(&sandbox, "sh -c 'sleep 1000 & exit 3'").arg("fg").stdout("sh -c [..]\n").status(3).run();
    zdctl(&sandbox, "true").arg("status").stdout("daemon manager not running\n").status(3).run();
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
}

#[test]
fn lock_that_cannot_be_made_keeps_no_program_from_running() {
    let sandbox = Sandbox::new();
    let warning = "zdctl: warning: cannot make lock file 'no/sock.lock': No such file or directory; \
        status and start will not see the program\n";
    let fg = sandbox.zdctl().args(["-s", "no/sock", "-p", "echo hello", "fg"]);
    fg.stdout("echo hello\nhello\n").stderr(warning).run();
}

#[test]
fn supervisord_has_the_program_itself() {
    let Some(supervisord) = supervisord() else { return };
    for action in ["fg", "start"] {
        let sandbox = Sandbox::new();
        let command = format!("{} -C zdctl.conf {action}", env!("CARGO_BIN_EXE_zdctl"));
        configured(&sandbox, &format!("program {RECORDER}")).arg("check").stdout("configuration OK\n").run();
        let conf = format!(
            "[supervisord]\nnodaemon=true\npidfile=%(here)s/s.pid\nlogfile=%(here)s/s.log\n\
             [program:zeo]\ncommand={command}\nstopwaitsecs=60\nexitcodes=7\n"
        );
        sandbox.write("s.conf", conf);
        let running = sandbox.command(&supervisord).args(["-c", "s.conf"]).spawn();
        received(&sandbox, "ready");
        let spawned = |log: &str| log.split("'zeo' with pid ").nth(1)?.lines().next()?.parse().ok();
        let pid: i32 =
            eventually_some(SOON, || spawned(&fs::read_to_string(sandbox.path("s.log")).unwrap_or_default()));
        configured(&sandbox, &format!("program {RECORDER}"))
            .arg("status")
            .stdout(format!("program running; pid={pid}\n"))
            .run();
        kill(Pid::from_raw(pid), Signal::SIGUSR2).expect("it runs");
        received(&sandbox, "ready USR2");
        running.signal(Signal::SIGTERM);
        assert_eq!(running.wait(SOON).status, 0);
        sandbox.assert_no_process_left();
        assert!(sandbox.read("s.log").contains("stopped: zeo (exit status 7)"), "{}", sandbox.read("s.log"));
    }
}

#[test]
fn first_process_of_a_container_hands_signals_on() {
    let private = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !can_unshare(&private) {
        return;
    }
    let container = |sandbox: &Sandbox, program: &str| {
        let zdctl = sandbox.command("unshare").args(private).arg(env!("CARGO_BIN_EXE_zdctl"));
        zdctl.args(["-s", "sock", "-p", program, "fg"]).spawn()
    };
    let first = |running: &Running| {
        eventually_some(SOON, || {
            let children = format!("/proc/{0}/task/{0}/children", running.pid());
            fs::read_to_string(children).ok()?.trim().parse().ok().map(Pid::from_raw)
        })
    };
    // It handles no signal, and as the first process would get none.
    let sandbox = Sandbox::new();
    let running = container(&sandbox, SLEEP);
    eventually(SOON, || running.stdout() == "sleep 1000\n" && sandbox.leftovers().len() == 3);
    let elsewhere =
        "zdctl: the program runs in the foreground, in another container: 'sock.lock' is locked from there\n";
    let zdctl = || zdctl(&sandbox, SLEEP);
    zdctl().arg("status").stdout("daemon manager not running\n").stderr(elsewhere).status(4).run();
    zdctl().arg("start").stderr(elsewhere).status(1).run();
    kill(first(&running), Signal::SIGTERM).expect("it runs");
    assert_eq!(running.wait(SOON).status, 143);
    sandbox.assert_no_process_left();
    let sandbox = Sandbox::new();
    let running = container(&sandbox, RECORDER);
    received(&sandbox, "ready");
    let mut expected = "ready".to_owned();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2] {
        kill(first(&running), signal).expect("it runs");
        expected += &signal.as_str().replace("SIG", " ");
        received(&sandbox, &expected);
    }
    kill(first(&running), Signal::SIGTERM).expect("it runs");
    assert_eq!(running.wait(SOON).status, 7);
}

#[test]
fn shell_hands_signals_on_to_what_it_runs_in_the_foreground() {
    let sandbox = Sandbox::new();
    let mut shell = zdctl(&sandbox, RECORDER).on_terminal(24, 80);
    shell.ends_with("zdctl> ");
    shell.line("fg");
    received(&sandbox, "ready");
    // Typed, it comes to the program once, and from the terminal.
    shell.keys("\x03");
    received(&sandbox, "ready INT");
    let mut expected = "ready INT".to_owned();
    for signal in [Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2] {
        shell.signal(signal);
        expected += &signal.as_str().replace("SIG", " ");
        received(&sandbox, &expected);
    }
    let pid = zdctl(&sandbox, RECORDER).arg("status").stdout("program running; pid=[..]\n").run().pid();
    shell.signal(Signal::SIGTERM);
    eventually(SOON, || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    shell.line("status");
    shell.ends_with("daemon manager not running\nzdctl> ");
    shell.line("quit");
    assert_eq!(shell.wait(), 0);
}
