//! Every message that a manual has is produced here, with its status; and messages in the source of `zdctl` and `zdrun` are in
//! their manuals ([`source`]).
#![allow(clippy::unnecessary_wraps)] // some rows need what a machine may lack

mod instance;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use nix::sys::signal::Signal;
use zeo_server::cli::PROGRAMS;
use zeo_server::control::Reply;

use super::{manual, rows, uncoded};
use crate::sandbox::run::{Outcome, Run};
use crate::sandbox::{SOON, Sandbox, can_trace, can_unshare, eventually, forks, matches};
use instance::make;

/// A program, a message as its manual has it, and how to get it; nothing, where the machine cannot.
type Row = (&'static str, &'static str, fn(&Sandbox) -> Option<Outcome>);

/// Words of the manuals that stand for others.
const OPEN: &[&str] = &[
    "ACTION",
    "WORD",
    "PID",
    "N",
    "NAME",
    "HOME",
    "OTHER",
    "PATH",
    "FILE",
    "REASON",
    "WORD",
    "VALUE",
    "PROGRAM",
    "VERSION",
    "REQUEST",
    "REPLY",
    "USER",
    "LINE",
    "COLUMN",
    "SEARCH",
    "STATUS",
    "ROLE",
    "VERB",
    "MODE",
    "ADDRESS",
    "WHAT",
    "HINT",
    "DIRECTORY",
    "OFFSET",
    "PORT",
    "HOST",
    "PIDS",
    "PLACE",
    "FAULT",
];

const SLEEP: &str = "sleep 1000";

fn zdctl(s: &Sandbox, program: &str, words: &[&str]) -> Run {
    s.zdctl().args(["-d", "-s", "sock", "-p", program]).args(words)
}

fn one(s: &Sandbox, words: &[&str]) -> Option<Outcome> {
    Some(zdctl(s, SLEEP, words).output())
}

fn up(s: &Sandbox) {
    zdctl(s, SLEEP, &["start"]).stdout("daemon process started, pid=[..]\n").run();
}

fn then(s: &Sandbox, words: &[&str]) -> Option<Outcome> {
    up(s);
    one(s, words)
}

fn typed(s: &Sandbox, lines: &str) -> Option<Outcome> {
    Some(zdctl(s, SLEEP, &[]).stdin(lines).output())
}

fn configured(s: &Sandbox, runner: &str, words: &[&str]) -> Run {
    let socket = s.path("sock").display().to_string();
    s.write(
        "conf",
        format!("<runner>\nprogram {SLEEP}\nsocket-name {socket}\ndaemon true\n{runner}\n</runner>\n"),
    );
    s.zdctl().args(["-C", "conf"]).args(words)
}

/// With `zeo.conf` as the last word of this program.
fn configured_with(s: &Sandbox, program: &[&str], word: &str) -> Run {
    let words: Vec<String> = program.iter().map(|word| format!("'{word}'")).collect();
    let program = format!("{} {}", words.join(" "), s.path("zeo.conf").display());
    s.zdctl().args(["-d", "-s", "sock", "-p", &program, word])
}

/// A server that does not come up.
fn serve(s: &Sandbox, file: &str) -> Option<Outcome> {
    Some(s.runzeo().args(["-a", "./sock", "-f", file]).output())
}

/// A command to a manager whose program has ended for good.
fn idle(s: &Sandbox, words: &[&str]) -> Run {
    let command = |words| configured(s, "hang-around true", words);
    command(&["start"]).stdout("daemon process started, pid=[..]\n").run();
    command(&["stop"]).stdout("daemon process stopped\n").run();
    command(words)
}

/// Those of a program without its manager, which has ended.
fn leave_behind(s: &Sandbox, program: &str) {
    zdctl(s, program, &["start"]).stdout("daemon process started, pid=[..]\n").run();
    s.leave_behind();
}

const RECORD: &str = "status=running\napplication=4242\nargs=['sleep', '1000']\nmanager=4241\n";

/// A manager that gives each connection in turn one of these answers, nothing and hangs up where it is blank; to further
/// ones the last, unless `ends`: then it is gone.
fn fake(s: &Sandbox, answers: Vec<String>, ends: bool) {
    let listener = UnixListener::bind(s.path("sock")).expect("the socket can be made");
    std::thread::spawn(move || {
        let last = answers.last().cloned();
        let others = std::iter::repeat(last.filter(|_| !ends)).map_while(|answer| answer);
        for answer in answers.into_iter().chain(others) {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let _ = BufReader::new(&stream).read_line(&mut String::new());
            let _ = stream.write_all(answer.as_bytes());
        }
        forks::apart(|| drop(listener));
    });
}

fn faked(s: &Sandbox, answers: &[&str], words: &[&str]) -> Option<Outcome> {
    fake(s, answers.iter().map(|answer| (*answer).to_owned()).collect(), false);
    one(s, words)
}

fn logtail(s: &Sandbox, change: fn(&Sandbox), until: &str) -> Option<Outcome> {
    s.write("log", "a line\nand more\n");
    let running = zdctl(s, SLEEP, &["logtail", "log"]).spawn();
    eventually(SOON, || running.stdout().ends_with("and more\n"));
    change(s);
    eventually(SOON, || running.stdout().contains(until));
    running.signal(Signal::SIGINT);
    Some(running.wait(SOON))
}

fn shell(s: &Sandbox, redirected: &str) -> Option<Outcome> {
    let command = format!("exec {} -p x -s sock {redirected}", env!("CARGO_BIN_EXE_zdctl"));
    Some(s.command("sh").args(["-c", &command]).output())
}

fn zdrun(s: &Sandbox, words: &[&str]) -> Option<Outcome> {
    Some(s.zdrun().args(["-s", "sock"]).args(words).output())
}

const OTHER_HOME: &str = "warning: FILE lies in HOME, but is about the instance in OTHER; to make it HOME's own, run mkzeoinst --update HOME";

fn copied(s: &Sandbox) {
    make(s, &["zeo"]);
    s.command("cp").args(["-a", "zeo", "copy"]).run();
}

#[rustfmt::skip] // one row, one line
const ROWS: &[Row] = &[
    ("zdctl", "daemon process started, pid=PID", |s| one(s, &["start"])),
    ("zdctl", "daemon process already running; pid=PID", |s| then(s, &["start"])),
    ("zdctl", "daemon process restarted, pid=PID", |s| then(s, &["restart"])),
    ("zdctl", "daemon process stopped", |s| then(s, &["stop"])),
    ("zdctl", "program running; pid=PID", |s| then(s, &["status"])),
    ("zdctl", "daemon manager not running", |s| one(s, &["status"])),
    ("zdctl", "daemon manager running; daemon process not running", |s| Some(idle(s, &["status"]).output())),
    ("zdctl", "daemon process not running", |s| one(s, &["kill"])),
    ("zdctl", "daemon process and daemon manager still running", |s| { up(s); typed(s, "quit\n") }),
    ("zdctl", "daemon process not running; stopping daemon manager", |s| Some(idle(s, &[]).stdin("quit\n").output())),
    ("zdctl", "daemon manager stopped", |s| Some(idle(s, &[]).stdin("quit\n").output())),
    ("zdctl", "daemon manager has reloaded its configuration", |s| then(s, &["reload"])),
    ("zdctl", "daemon manager replaced; version=VERSION", |s| then(s, &["reexec"])),
    ("zdctl", "Configuration reloaded from FILE", |s| Some(configured(s, "", &[]).stdin("reload\n").output())),
    ("zdctl", "Configuration reloaded without a config file", |s| typed(s, "reload\n")),
    ("zdctl", "Configuration not reloaded", |s| typed(s, "reload -Q\n")),
    ("zdctl", "configuration OK", |s| one(s, &["check"])),
    ("zdctl", "kill(PID, N)", |s| then(s, &["kill", "0"])),
    ("zdctl", "signal NAME sent to process PID", |s| then(s, &["kill", "CONT"])),
    ("zdctl", "Error: REASON", |s| {
        let failed = Reply::KillFailed { signal: 9, errno: 1, reason: "Operation not permitted".to_owned() };
        faked(s, &[RECORD, &failed.to_string()], &["kill", "9"])
    }),
    ("zdctl", "invalid signal VALUE", |s| one(s, &["kill", "NONE"])),
    ("zdctl", "To run the program in the foreground, please stop it first.", |s| then(s, &["fg"])),
    ("zdctl", "No default log file specified; use logtail <logfile>", |s| one(s, &["logtail"])),
    ("zdctl", "==> Waiting for FILE <==", |s| {
        let running = zdctl(s, SLEEP, &["logtail", "log"]).spawn();
        eventually(SOON, || running.stdout().contains("Waiting"));
        running.signal(Signal::SIGINT);
        Some(running.wait(SOON))
    }),
    ("zdctl", "==> File truncated <==", |s| logtail(s, |s| { s.write("log", ""); }, "truncated")),
    ("zdctl", "==> File replaced <==", |s| logtail(s, |s| fs::rename(s.write("new", "new\n"), s.path("log")).unwrap(), "replaced")),
    ("zdctl", "no such topic: WORD", |s| one(s, &["show", "none"])),
    ("zdctl", "*** No help on WORD", |s| one(s, &["help", "none"])),
    ("zdctl", "*** Unknown syntax: WORD", |s| typed(s, "bogus\n")),
    ("zdctl", "program: PROGRAM", |s| typed(s, "")),
    ("zdctl", "WARNING! zdrun is managing a different program!", |s| { up(s); Some(zdctl(s, "sleep 9", &["status"]).output()) }),
    ("zdctl", "our program   = PROGRAM", |s| { up(s); Some(zdctl(s, "sleep 9", &["status"]).output()) }),
    ("zdctl", "daemon's args = PROGRAM", |s| { up(s); Some(zdctl(s, "sleep 9", &["status"]).output()) }),
    ("zdctl", OTHER_HOME, |s| { copied(s); Some(s.zdctl().args(["-C", "copy/etc/zeoctl.conf", "status"]).output()) }),
    ("zdctl", "unknown action WORD; for a list, use zdctl help", |s| one(s, &["bogus"])),
    ("zdctl", "ACTION takes no argument: WORD", |s| one(s, &["stop", "now"])),
    ("zdctl", "status argument must be absent, -l or --json", |s| one(s, &["status", "-x"])),
    ("zdctl", "logtail arguments must be [-n LINES] [FILE]", |s| one(s, &["logtail", "-n"])),
    ("zdctl", "reload takes options only in the shell", |s| one(s, &["reload", "-f"])),
    ("zdctl", "program not started: REASON", |s| {
        s.write("conf", "<runner>\nprogram false\nsocket-name sock\nstart-grace 60\n</runner>\n");
        Some(s.zdctl().args(["-C", "conf", "start"]).output())
    }),
    ("zdctl", "the program runs on this terminal and ends with it; -d or 'daemon true' detaches it; until it ends it keeps this output open", |s| {
        s.write("conf", "<runner>\nprogram sleep 1000\nsocket-name sock\n</runner>\n");
        Some(s.zdctl().args(["-C", "conf", "start"]).output())
    }),
    ("zdctl", "Program took too long to start", |s| Some(configured(s, "notify true\nstart-timeout 1", &["start"]).output())),
    ("zdctl", "daemon process still running after N seconds; pid=PID", |s| {
        // An empty line ends a record that is watched.
        fake(s, vec![RECORD.to_owned(), Reply::StopSent.to_string(), format!("{RECORD}\n")], false);
        Some(configured(s, "stop-timeout 1", &["stop"]).output())
    }),
    ("zdctl", "cannot start daemon manager PATH: REASON", |s| {
        let file = s.write("zdrun", "");
        Some(configured(s, &format!("zdrun {}", file.display()), &["start"]).output())
    }),
    ("zdctl", "cannot connect to daemon manager at socket PATH: REASON", |s| {
        std::os::unix::fs::symlink(s.path("sock"), s.path("sock")).expect("a link");
        one(s, &["status"])
    }),
    ("zdctl", "daemon manager does not answer; waited 8 seconds", |s| {
        let listener = UnixListener::bind(s.path("sock")).expect("the socket can be made");
        let told = one(s, &["status"]);
        drop(listener);
        told
    }),
    ("zdctl", "daemon manager at socket PATH gives no sensible answer", |s| faked(s, &["HTTP/1.0 400 Bad Request\n"], &["status"])),
    ("zdctl", "daemon manager refuses 'REQUEST': REPLY", |s| faked(s, &["not today"], &["reopen_transcript"])),
    ("zdctl", "daemon manager gives no answer to 'REQUEST'; whether it was carried out is not known", |s| faked(s, &[RECORD, ""], &["kill", "9"])),
    ("zdctl", "daemon manager not replaced: REASON", |s| {
        configured(s, "", &["start"]).output();
        s.write("conf", "<runner>\n  no-such-key\n</runner>\n");
        one(s, &["reexec"])
    }),
    ("zdctl", "the configuration as it is now would not work: REASON; nothing was stopped or started", |s| {
        configured(s, "", &["start"]).output();
        Some(configured(s, "transcript .", &["restart"]).output())
    }),
    ("zdctl", "the configuration file has changed, and the daemon manager has not read it again: REASON", |s| {
        let busy = Reply::NotReplaced(Reply::BUSY.to_owned()).to_string();
        let record = |pid| format!("{}lasttime=1.0\n\n", RECORD.replace("4242", pid));
        let before = [record("4242"), record("4242"), busy, Reply::RestartSent.to_string()];
        fake(s, before.into_iter().chain([record("4243")]).collect(), false);
        Some(configured(s, "", &["restart"]).output())
    }),
    ("zdctl", "daemon manager ended while it was being replaced; start goes on with the program that it left", |s| {
        fake(s, vec![RECORD.to_owned(), Reply::Replacing.to_string()], true);
        one(s, &["reexec"])
    }),
    ("zdctl", "the program runs without a manager; pid=PID; start has a new manager take it over, stop ends it", |s| {
        up(s);
        s.kill_manager();
        one(s, &["status"])
    }),
    ("zdctl", "the program runs in the foreground, without a manager; pid=PID; stop ends it", |s| {
        let running = zdctl(s, SLEEP, &["fg"]).spawn();
        eventually(SOON, || running.stdout() == "sleep 1000\n");
        one(s, &["restart"])
    }),
    ("zdctl", "in the foreground: fg runs it, without a manager", |s| {
        let running = zdctl(s, SLEEP, &["fg"]).spawn();
        eventually(SOON, || running.stdout() == "sleep 1000\n");
        one(s, &["status", "-l"])
    }),
    ("zdctl", "the program runs in the foreground, in another container: PATH is locked from there", |s| {
        let private = ["--pid", "--fork", "--mount-proc", "--kill-child"];
        if !can_unshare(&private) {
            return None;
        }
        let fg = [env!("CARGO_BIN_EXE_zdctl"), "-s", "sock", "-p", SLEEP, "fg"];
        let running = s.command("unshare").args(private).args(fg).spawn();
        eventually(SOON, || running.stdout() == "sleep 1000\n");
        one(s, &["status"])
    }),
    ("zdctl", "cannot use lock file PATH: REASON", |s| {
        std::os::unix::fs::symlink("elsewhere", s.path("sock.lock")).expect("it can be made");
        one(s, &["fg"])
    }),
    ("zdctl", "warning: cannot make lock file PATH: REASON; status and start will not see the program", |s| {
        Some(s.zdctl().args(["-s", "no/sock", "-p", "true", "fg"]).output())
    }),
    ("zdctl", "what the program left behind runs without a manager; pids=PIDS; start and stop end it", |s| {
        leave_behind(s, "sh -c 'sleep 1000 & exec sleep 1001'");
        one(s, &["status"])
    }),
    ("zdctl", "SIGUSR2 not sent to process PID: it would end the program, which does not handle it", |s| then(s, &["logreopen"])),
    ("zdctl", "SIGUSR2 not sent to process PID: whether it handles the signal cannot be seen from here; kill USR2 sends it", |s| {
        // No process is a child of that one.
        faked(s, &["", &RECORD.replace("4242", "1")], &["logreopen"])
    }),
    ("zdctl", "cannot run PROGRAM: REASON", |s| Some(zdctl(s, "no-such-program", &["fg"]).output())),
    ("zdctl", "only root can start a program as user NAME (key user); become that user, or root", |s| {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        s.write("conf", format!("<runner>\nprogram {SLEEP}\nsocket-name s\nuser root\n</runner>\n"));
        // The directory of the program under test may be closed to others.
        fs::copy(env!("CARGO_BIN_EXE_zdctl"), s.path("zdctl")).expect("a copy");
        s.command("chmod").args(["a+rx", "."]).run();
        let options = ["--reuid", "65533", "--regid", "65533", "--clear-groups", "./zdctl", "-C", "conf", "start"];
        Some(s.command("setpriv").args(options).output())
    }),
    ("zdctl", "warning: PLACE: FAULT", |s| Some(configured(s, "umaks 7", &["stop"]).output())),
    ("zdctl", "username NAME not found", |s| Some(zdctl(s, SLEEP, &["-u", "no-such-user", "status"]).output())),
    ("zdctl", "cannot read log file PATH: REASON", |s| one(s, &["logtail", "/"])),
    ("zdctl", "warning: changed since the program was started: PATH; restart puts it in force", |s| {
        s.write("zeo.conf", "");
        let zdctl = |word| configured_with(s, &["sh", "-c", "sleep 1000; :", "-C"], word);
        zdctl("start").stdout("daemon process started, pid=[..]\n").run();
        s.write("zeo.conf", "");
        Some(zdctl("status").output())
    }),
    ("zdctl", "cannot keep command history in PATH: REASON", |s| {
        s.write("state/zdctl", "no directory");
        let mut shell = zdctl(s, SLEEP, &[]).env("XDG_STATE_HOME", s.path("state")).on_terminal(20, 200);
        shell.ends_with("zdctl> ");
        shell.keys("\x04");
        Some(shell.outcome())
    }),
    ("zdctl", "cannot read commands: REASON", |s| shell(s, "</")),
    ("zdctl", "cannot write output: REASON", |s| shell(s, "status >/dev/full")),
    ("zdrun", OTHER_HOME, |s| { copied(s); Some(s.zdrun().args(["-C", "copy/etc/zeoctl.conf", "--check"]).output()) }),
    ("zdrun", "no program specified (use positional arguments)", |s| zdrun(s, &[])),
    ("zdrun", "can't stat program PATH: REASON", |s| zdrun(s, &["/no/such/program"])),
    ("zdrun", "can't find program PROGRAM on PATH SEARCH", |s| zdrun(s, &["no-such-program"])),
    ("zdrun", "no permission to run program PATH", |s| { s.write("file", ""); zdrun(s, &["./file"]) }),
    ("zdrun", "can't chdir into PATH: REASON", |s| zdrun(s, &["-d", "-z", &s.path("missing").display().to_string(), "sleep", "9"])),
    ("zdrun", "cannot become user NAME: REASON", |s| {
        let traced = can_trace() && nix::unistd::geteuid().is_root();
        let strace = || s.command("strace").args(["-f", "-qq", "-o", "trace", "-e", "inject=setresuid:error=EPERM"]);
        traced.then(|| strace().args([env!("CARGO_BIN_EXE_zdrun"), "-s", "sock", "-u", "nobody", "sleep", "9"]).output())
    }),
    ("zdrun", "user NAME not found", |s| zdrun(s, &["-u", "no-such-user", "sleep", "9"])),
    ("zdrun", "another daemon manager is already using socket PATH", |s| { up(s); zdrun(s, &["sleep", "9"]) }),
    ("zdrun", "PATH exists and is not a socket; it is left alone", |s| { s.write("sock", ""); zdrun(s, &["sleep", "9"]) }),
    ("zdrun", "cannot make socket PATH: REASON", |s| can_trace().then(|| {
        let strace = s.command("strace").args(["-f", "-qq", "-o", "trace", "-e", "inject=listen:error=EACCES"]);
        strace.args([env!("CARGO_BIN_EXE_zdrun"), "-s", "sock", "sleep", "9"]).output()
    })),
    ("zdrun", "cannot make directory PATH of the socket: REASON", |s| {
        Some(s.zdrun().args(["-s", "/proc/none/sock", "sleep", "9"]).output())
    }),
    ("zdrun", "cannot open pid file PATH: REASON", |s| {
        s.write("pid", "<runner>\nmanager-pid-file .\n</runner>\n");
        zdrun(s, &["-C", "pid", "sleep", "9"])
    }),
    ("zdrun", "transcript PATH is the null device in daemon mode; REASON", |s| zdrun(s, &["-d", "-t", "/dev/stdout", "sleep", "9"])),
    ("zdrun", "cannot use socket PATH: REASON", |s| nix::unistd::geteuid().is_root().then(|| {
        fs::set_permissions(s.root(), fs::Permissions::from_mode(0o777)).expect("own directory");
        fs::set_permissions(s.write("sock.lock", ""), fs::Permissions::from_mode(0o600)).expect("own file");
        s.zdrun().args(["-s", "sock", "-u", "nobody", "sleep", "9"]).output()
    })),
    ("zdrun", "cannot open lock file PATH: REASON", |s| {
        fs::create_dir(s.path("sock.lock")).expect("a directory");
        zdrun(s, &["sleep", "9"])
    }),
    ("zdrun", "the program ended before it was up: STATUS", |s| {
        s.write("grace", "<runner>\nstart-grace 60\n</runner>\n");
        zdrun(s, &["-C", "grace", "-d", "false"])
    }),
    ("zdrun", "program took too long to start", |s| {
        s.write("grace", "<runner>\nnotify true\nstart-timeout 1\n</runner>\n");
        zdrun(s, &["-C", "grace", "-d", "sleep", "1000"])
    }),
    ("zdrun", "restarting too frequently; quit", |s| {
        s.write("grace", "<runner>\nstart-grace 0\n</runner>\n");
        zdrun(s, &["-C", "grace", "-b", "2", "false"])
    }),
    ("runzeo", OTHER_HOME, |s| { copied(s); Some(s.runzeo().args(["-C", "copy/etc/zeo.conf", "--check"]).output()) }),
    ("runzeo", "no server address specified; use -a or -C", |s| Some(s.runzeo().output())),
    ("runzeo", "no storages specified; use -f or -C", |s| Some(s.runzeo().output())),
    ("runzeo", "TLS: PATH: REASON", |s| {
        s.write("none.pem", "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n");
        s.write("conf", "<zeo>\naddress 1\n<ssl>\ncertificate none.pem\nauthenticate none.pem\n</ssl>\n</zeo>\n<mappingstorage>\n</mappingstorage>\n");
        Some(s.runzeo().args(["-C", "conf"]).output())
    }),
    ("runzeo", "WHAT is not served yet; HINT", |s| {
        s.write("conf", "<zeo>\naddress 1\n</zeo>\n<filestorage>\npath a\nblob-dir b\n</filestorage>\n");
        Some(s.runzeo().args(["-C", "conf"]).output())
    }),
    ("runzeo", "-f: FILE is in a directory that does not exist; create the directory DIRECTORY or name an existing one", |s| {
        serve(s, "missing/Data.fs")
    }),
    ("runzeo", "cannot listen on ADDRESS: REASON", |s| { s.write("sock", ""); serve(s, "Data.fs") }),
    ("runzeo", "cannot listen on 'PATH': the path of a local socket has at most 107 bytes, and this one N; use a shorter one", |s| {
        Some(s.runzeo().args(["-a", &format!("./{}", "s".repeat(120)), "-f", "Data.fs"]).output())
    }),
    ("runzeo", "storage 'NAME': cannot lock PATH: REASON", |s| {
        let _first = s.runzeo().args(["-a", "./other", "-f", "Data.fs"]).spawn();
        eventually(SOON, || s.path("Data.fs.index").exists());
        serve(s, "Data.fs")
    }),
    ("runzeo", "storage 'NAME': PATH: REASON at byte OFFSET", |s| { s.write("Data.fs", "none"); serve(s, "Data.fs") }),
    ("runzeo", "storage 'NAME': PATH: the last whole transaction ends at byte OFFSET: REASON; a start cuts off these N bytes", |s| {
        s.write("Data.fs", "FS30 scraps");
        Some(s.runzeo().args(["-a", "./sock", "-f", "Data.fs", "--check"]).output())
    }),
    ("runzeo", "storage 'NAME': PATH: at byte OFFSET: WHAT", |s| check_damaged(s, 15..16)),
    ("runzeo", "storage 'NAME': PATH: faults: N; whole transactions: N", |s| check_damaged(s, 15..16)),
    ("runzeo", "storage 'NAME': PATH: it is served only with an index that was saved behind the damage (docs/filestorage.md, Damage)", |s| {
        check_damaged(s, 0..80)
    }),
    ("runzeo", "storage 'NAME': PATH is not there; a start makes it", |s| {
        Some(s.runzeo().args(["-a", "./sock", "-f", "Data.fs", "--check"]).output())
    }),
    ("runzeo", "storage 'NAME': cannot open PATH: REASON", |s| {
        std::fs::create_dir(s.path("Data.fs")).expect("a new directory");
        serve(s, "Data.fs")
    }),
];

/// The message with its open words open.
fn pattern(message: &str) -> String {
    let mut pattern = String::new();
    let mut word = String::new();
    for letter in message.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        let is_open = OPEN.contains(&word.as_str())
            && !pattern.ends_with("on PATH ")
            && !message.contains(&format!("[{word}]"));
        pattern.push_str(if is_open { "[..]" } else { &word });
        word.clear();
        pattern.extend((letter != '\n').then_some(letter));
    }
    pattern
}

/// Whether a line of what was printed is the message.
fn is_told(message: &str, program: &str, outcome: &Outcome) -> bool {
    let pattern = pattern(message);
    let lines = outcome.stdout.lines().chain(outcome.stderr.lines());
    lines.into_iter().any(|line| {
        let line = line.trim_start_matches("zdctl> ").trim_start_matches(". ");
        let line = line.strip_prefix(&format!("{program}: ")).unwrap_or(line);
        let line = line.strip_suffix("; for help, use zdctl -h").unwrap_or(line);
        // A pid may follow where it is known.
        matches(&pattern, line) || matches(&format!("{pattern}; its pid is [..]"), line)
    })
}

fn documented() -> Vec<(&'static str, String, String)> {
    let of = |program: &'static zeo_server::cli::manual::Program| {
        let rows = rows(&manual(program), "Messages").into_iter();
        rows.map(|row| (program.name, uncoded(&row[0]).to_owned(), row[1].clone()))
    };
    PROGRAMS.iter().flat_map(of).collect()
}

/// Checks a data file of three transactions, in the second of which some bytes are others.
fn check_damaged(sandbox: &Sandbox, bytes: std::ops::Range<usize>) -> Option<Outcome> {
    let mut data = b"FS30".to_vec();
    for tid in [1_u64, 2, 3].map(u64::to_be_bytes) {
        let start = data.len() as u64;
        let length = 23 + 42 + 20_u64;
        data.extend([&tid[..], &length.to_be_bytes(), b" \0\0\0\0\0\0"].concat());
        data.extend([&tid[..], &tid, &[0; 8], &start.to_be_bytes(), &[0; 2], &20_u64.to_be_bytes()].concat());
        data.extend([&[b'x'; 20][..], &length.to_be_bytes()].concat());
    }
    let second = 4 + (data.len() - 4) / 3;
    data[second..][bytes].iter_mut().for_each(|byte| *byte ^= 0x55);
    sandbox.write("Data.fs", data);
    Some(sandbox.runzeo().args(["-a", "./sock", "-f", "Data.fs", "--check"]).output())
}

#[test]
fn every_message_is_produced() {
    let documented = documented();
    let told: BTreeSet<_> =
        documented.iter().map(|(program, message, _)| (*program, message.as_str())).collect();
    let all = || ROWS.iter().chain(instance::ROWS);
    let tried: BTreeSet<_> = all().map(|(program, message, _)| (*program, *message)).collect();
    let apart: Vec<_> = told.symmetric_difference(&tried).collect();
    assert!(apart.is_empty(), "in a manual or in ROWS alone: {apart:?}");
    let next = std::sync::Mutex::new(all());
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let row = next.lock().expect("nobody panicked").next();
                    let Some((program, message, get)) = row else { break };
                    let status = documented.iter().find(|(p, m, _)| p == program && m == message);
                    let sandbox = Sandbox::new();
                    let Some(outcome) = get(&sandbox) else { continue };
                    let status_fits = status.is_some_and(|(_, _, status)| {
                        status.parse().is_ok_and(|status: i32| status == outcome.status)
                            || status == "that of the action"
                    });
                    if !status_fits || !is_told(message, program, &outcome) {
                        wrong
                            .lock()
                            .expect("nobody panicked")
                            .push(format!("{program}: {message}\n{outcome:?}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panicked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
