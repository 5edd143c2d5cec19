//! The table of docs/exit-status.md is so: each row is tried, and there is no other.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use nix::sys::signal::Signal;
use zeo_server::exit::Exit;

use crate::sandbox::run::Run;
use crate::sandbox::{SOON, Sandbox, eventually};

/// A program, a situation as the document words it, and how to get there: the command that is left to be run.
type Row = (&'static str, &'static str, fn(&Sandbox) -> Run);

const SLEEP: &str = "sleep 1000";
/// Comes up as long as there is no file `broken`.
const BREAKABLE: &str = "program sh -c 'test -e broken && exit 3; exec sleep 1000'\nstart-grace 0\n\
    start-test-program test ! -e broken";
/// Ends when there is a file `end`.
const ENDS: &str = "sh -c 'until test -e end; do sleep 0.02; done'";
/// Notes SIGUSR2.
const NOTER: &str = "sh -c 'trap : USR2; : >ready; while :; do sleep 0.02; done'";

#[rustfmt::skip] // one row, one line
const ROWS: &[Row] = &[
    ("zdctl", "`start`: the program is up", |s| zdctl(s, SLEEP, "start")),
    ("zdctl", "`start`: it is up already", |s| { up(s, SLEEP); zdctl(s, SLEEP, "start") }),
    ("zdctl", "`start`: it cannot be executed", |s| zdctl(s, "no-such-program", "start")),
    ("zdctl", "`start`: it ends within the start grace", |s| configured(s, "program false\nstart-grace 60", "start")),
    ("zdctl", "`start`: it is not ready within start-timeout", |s| {
        configured(s, "program sleep 1000\nnotify true\nstart-timeout 1", "start")
    }),
    ("zdctl", "`start`: the manager's socket cannot be reached", |s| unreachable(s, "start")),
    ("zdctl", "`restart`: another program is up", |s| { up(s, SLEEP); zdctl(s, SLEEP, "restart") }),
    ("zdctl", "`restart`: nothing ran, the program is up", |s| zdctl(s, SLEEP, "restart")),
    ("zdctl", "`restart`: the new program ends within the start grace", |s| {
        configured(s, BREAKABLE, "start").stdout("daemon process started, pid=[..]\n").run();
        s.write("broken", "");
        configured(s, BREAKABLE, "restart")
    }),
    ("zdctl", "`restart`: what the file says now would not work", |s| {
        configured(s, "program sleep 1000", "start").output();
        configured(s, "program sleep 1000\ntranscript .", "restart")
    }),
    ("zdctl", "`try-restart`: another program is up", |s| { up(s, SLEEP); zdctl(s, SLEEP, "try-restart") }),
    ("zdctl", "`try-restart`: nothing runs", |s| zdctl(s, SLEEP, "try-restart")),
    ("zdctl", "`reload`: the manager has its configuration anew", |s| { up(s, SLEEP); zdctl(s, SLEEP, "reload") }),
    ("zdctl", "`reload`: no manager", |s| zdctl(s, SLEEP, "reload")),
    ("zdctl", "`stop`: the program has ended", |s| { up(s, SLEEP); zdctl(s, SLEEP, "stop") }),
    ("zdctl", "`stop`: nothing runs", |s| zdctl(s, SLEEP, "stop")),
    ("zdctl", "`wait`: the program has ended", |s| { up(s, ENDS); s.write("end", ""); zdctl(s, ENDS, "wait") }),
    ("zdctl", "`wait`: nothing runs", |s| zdctl(s, SLEEP, "wait")),
    ("zdctl", "`status`: the program runs", |s| { up(s, SLEEP); zdctl(s, SLEEP, "status") }),
    ("zdctl", "`status`: `fg` runs the program", |s| { foreground(s); zdctl(s, SLEEP, "status") }),
    ("zdctl", "`status`: no manager", |s| zdctl(s, SLEEP, "status")),
    ("zdctl", "`status`: a manager without a program", |s| {
        let idle = |action| configured(s, "program sleep 1000\nhang-around true", action);
        idle("start").stdout("daemon process started, pid=[..]\n").run();
        idle("stop").stdout("daemon process stopped\n").run();
        idle("status")
    }),
    ("zdctl", "`status`: no manager, but the program of one that was killed", |s| {
        up(s, SLEEP);
        s.kill_manager();
        zdctl(s, SLEEP, "status")
    }),
    ("zdctl", "`status`: no manager, but what the program of one that was killed left behind", |s| {
        let family = "sh -c 'sleep 1000 & exec sleep 1001'";
        up(s, family);
        s.leave_behind();
        zdctl(s, family, "status")
    }),
    ("zdctl", "`status`: the socket cannot be reached", |s| unreachable(s, "status")),
    ("zdctl", "`status`: the manager does not answer", |s| {
        up(s, SLEEP);
        s.signal_manager(Signal::SIGSTOP);
        zdctl(s, SLEEP, "status")
    }),
    ("zdctl", "`status --json`: the program runs", |s| { up(s, SLEEP); zdctl(s, SLEEP, "status").arg("--json") }),
    ("zdctl", "`status --json`: no manager", |s| zdctl(s, SLEEP, "status").arg("--json")),
    ("zdctl", "`kill`: the signal was sent", |s| { up(s, SLEEP); zdctl(s, SLEEP, "kill").arg("0") }),
    ("zdctl", "`kill`: nothing runs", |s| zdctl(s, SLEEP, "kill")),
    ("zdctl", "`kill`: no such signal", |s| zdctl(s, SLEEP, "kill").arg("NONE")),
    ("zdctl", "`logreopen`: the program was signalled", |s| {
        up(s, NOTER);
        eventually(SOON, || s.path("ready").exists());
        zdctl(s, NOTER, "logreopen")
    }),
    ("zdctl", "`logreopen`: the signal would end the program", |s| { up(s, SLEEP); zdctl(s, SLEEP, "logreopen") }),
    ("zdctl", "`logreopen`: nothing runs", |s| zdctl(s, SLEEP, "logreopen")),
    ("zdctl", "`reopen_transcript`: done", |s| { up(s, SLEEP); zdctl(s, SLEEP, "reopen_transcript") }),
    ("zdctl", "`reopen_transcript`: no manager", |s| zdctl(s, SLEEP, "reopen_transcript")),
    ("zdctl", "`reexec`: the manager was replaced", |s| { up(s, SLEEP); zdctl(s, SLEEP, "reexec") }),
    ("zdctl", "`reexec`: refused", |s| {
        configured(s, "program sleep 1000", "start").output();
        s.write("conf", "<runner>\n  no-such-key\n</runner>\n");
        zdctl(s, SLEEP, "reexec")
    }),
    ("zdctl", "`reexec`: no manager", |s| zdctl(s, SLEEP, "reexec")),
    ("zdctl", "`fg`: the program ended with status 7", |s| zdctl(s, "sh -c 'exit 7'", "fg")),
    ("zdctl", "`fg`: it was ended by SIGKILL", |s| zdctl(s, "sh -c 'kill -9 $$'", "fg")),
    ("zdctl", "`fg`: there is no such program", |s| zdctl(s, "no-such-program", "fg")),
    ("zdctl", "`fg`: it cannot be executed", |s| zdctl(s, "/", "fg")),
    ("zdctl", "`fg`: the manager runs the program", |s| { up(s, SLEEP); zdctl(s, SLEEP, "fg") }),
    ("zdctl", "`start`: `fg` runs the program", |s| { foreground(s); zdctl(s, SLEEP, "start") }),
    ("zdctl", "`stop`: `fg` runs the program", |s| { foreground(s); zdctl(s, SLEEP, "stop") }),
    ("zdctl", "`restart`: `fg` runs the program", |s| { foreground(s); zdctl(s, SLEEP, "restart") }),
    ("zdctl", "`shell`: the command ended with status 7", |s| zdctl(s, SLEEP, "shell").arg("exit 7")),
    ("zdctl", "`logtail`: no log file is configured", |s| zdctl(s, SLEEP, "logtail")),
    ("zdctl", "`logtail`: the file cannot be read", |s| zdctl(s, SLEEP, "logtail").arg("/")),
    ("zdctl", "`help`: there is such an action", |s| zdctl(s, SLEEP, "help").arg("start")),
    ("zdctl", "`help`: there is not", |s| zdctl(s, SLEEP, "help").arg("none")),
    ("zdctl", "`show`: there is no such topic", |s| zdctl(s, SLEEP, "show").arg("none")),
    ("zdctl", "`check`: nothing is wrong", |s| configured(s, "program sleep 1000", "check")),
    ("zdctl", "`check`: something is wrong", |s| configured(s, "program no-such-program", "check")),
    ("zdctl", "an action that does not exist", |s| zdctl(s, SLEEP, "none")),
    ("zdctl", "an argument that the action does not take", |s| zdctl(s, SLEEP, "stop").arg("now")),
    ("zdctl", "an option that does not exist", |s| s.zdctl().arg("-Q")),
    ("zdctl", "a configuration that cannot be read", |s| s.zdctl().args(["-C", "no-such-file", "status"])),
    ("zdctl", "the shell, left by its end of input", |s| s.zdctl().args(["-p", SLEEP]).stdin("bogus\n")),
    ("zdrun", "daemon mode: the program is up", |s| zdrun(s, &["-d", "sleep", "1000"])),
    ("zdrun", "daemon mode: the program ends within the start grace", |s| {
        s.write("conf", "<runner>\nstart-grace 60\n</runner>\n");
        zdrun(s, &["-C", "conf", "-d", "false"])
    }),
    ("zdrun", "the program was stopped", |s| zdrun(s, &["sh", "-c", "sleep 0.2; kill $PPID; sleep 1000"])),
    ("zdrun", "the program ended with a status of exit-codes", |s| zdrun(s, &["-x", "3", "sh", "-c", "exit 3"])),
    ("zdrun", "the program keeps ending", |s| zdrun(s, &["-b", "2", "false"])),
    ("zdrun", "the program is not found", |s| zdrun(s, &["no-such-program"])),
    ("zdrun", "another manager has the socket", |s| { up(s, SLEEP); zdrun(s, &["sleep", "1000"]) }),
    ("zdrun", "an option that does not exist", |s| s.zdrun().arg("-Q")),
    ("runzeo", "it was ended by SIGTERM", |s| ended_by(s, "TERM")),
    ("runzeo", "it was ended by SIGHUP", |s| ended_by(s, "HUP")),
    ("runzeo", "the address is taken", |s| {
        let address = s.path("zeo.sock");
        let runs = s.runzeo().arg("-a").arg(&address).args(["-f", "Other.fs"]).spawn();
        eventually(SOON, || std::os::unix::net::UnixStream::connect(&address).is_ok());
        // It runs on; the sandbox ends it.
        drop(runs);
        s.runzeo().arg("-a").arg(&address).args(["-f", "Data.fs"])
    }),
    ("runzeo", "the data file is none", |s| { s.write("Data.fs", "none"); runzeo(s) }),
    ("runzeo", "the directory of the data file is not there", |s| s.runzeo().args(["-a", "./zeo.sock", "-f", "none/Data.fs"])),
    ("runzeo", "an option that does not exist", |s| s.runzeo().arg("--no-such-option")),
    ("runzeo", "a configuration that asks for what is not served", |s| {
        s.write("conf", "<zeo>\n  address 1\n</zeo>\n<demostorage>\n</demostorage>\n");
        s.runzeo().args(["-C", "conf"])
    }),
    ("runzeo", "`--check`: nothing is wrong", |s| runzeo(s).arg("--check")),
    ("runzeo", "`--check`: the data file is none", |s| { s.write("Data.fs", "none"); runzeo(s).arg("--check") }),
    ("runzeo", "`--check`: a data file has a fault, or a start would cut off an unfinished end", |s| {
        s.write("Data.fs", "FS30 scraps");
        runzeo(s).arg("--check")
    }),
    ("runzeo", "`--check-config`: nothing is wrong", |s| runzeo(s).arg("--check-config")),
    ("runzeo", "`--check-config`: a file cannot be opened", |s| {
        std::fs::create_dir(s.path("Data.fs")).expect("a directory");
        runzeo(s).arg("--check-config")
    }),
    ("runzeo", "`--check-config`: the configuration is wrong", |s| {
        s.write("conf", "<zeo>\n  adress 1\n</zeo>\n");
        s.runzeo().args(["-C", "conf", "--check-config"])
    }),
    ("mkzeoinst", "the home was made", |s| s.mkzeoinst().args(["--server", "/bin/sleep", "home", "19999"])),
    ("mkzeoinst", "the home cannot be made", |s| {
        s.write("file", "");
        s.mkzeoinst().args(["--server", "/bin/sleep", "file/home"])
    }),
    ("mkzeoinst", "no home is named", |s| s.mkzeoinst()),
    ("mkzeoinst", "`--check`: nothing would change", |s| {
        s.mkzeoinst().args(["--server", "/bin/sleep", "home", "19999"]).output();
        s.mkzeoinst().args(["--check", "--server", "/bin/sleep", "home", "19999"])
    }),
    ("mkzeoinst", "`--check`: something would change", |s| {
        s.mkzeoinst().args(["--check", "--server", "/bin/sleep", "home", "19999"])
    }),
    ("mkzeoinst", "`--check`: it cannot be found out", |s| {
        s.write("file", "");
        s.mkzeoinst().args(["--check", "--server", "/bin/sleep", "file/home"])
    }),
];

/// A server of `Data.fs` at a local socket.
fn runzeo(sandbox: &Sandbox) -> Run {
    sandbox.runzeo().args(["-a", "./zeo.sock", "-f", "Data.fs"])
}

/// A server that gets a signal once it listens.
fn ended_by(sandbox: &Sandbox, signal: &str) -> Run {
    let script =
        "\"$0\" -a ./zeo.sock -f Data.fs & until test -S zeo.sock; do sleep 0.02; done; kill -$1 $!; wait $!";
    sandbox.command("sh").args(["-c", script, env!("CARGO_BIN_EXE_runzeo"), signal])
}

fn zdctl(sandbox: &Sandbox, program: &str, action: &str) -> Run {
    sandbox.zdctl().args(["-d", "-s", "sock", "-p", program, action])
}

fn zdrun(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.zdrun().args(["-s", "sock"]).args(arguments)
}

fn foreground(sandbox: &Sandbox) {
    let running = zdctl(sandbox, SLEEP, "fg").spawn();
    eventually(SOON, || running.stdout() == "sleep 1000\n");
}

fn up(sandbox: &Sandbox, program: &str) {
    zdctl(sandbox, program, "start").stdout("daemon process started, pid=[..]\n").run();
}

fn configured(sandbox: &Sandbox, runner: &str, action: &str) -> Run {
    let socket = sandbox.path("sock").display().to_string();
    sandbox.write("conf", format!("<runner>\ndaemon true\nsocket-name {socket}\n{runner}\n</runner>\n"));
    sandbox.zdctl().args(["-C", "conf", action])
}

fn unreachable(sandbox: &Sandbox, action: &str) -> Run {
    let link = sandbox.path("sock");
    std::os::unix::fs::symlink(&link, &link).expect("a link");
    zdctl(sandbox, SLEEP, action)
}

/// The cells of the rows of the document's tables that have this many columns.
fn tables(columns: usize) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/exit-status.md");
    let text = fs::read_to_string(path).expect("the document is there");
    let cells = |line: &str| {
        let inner = line.strip_prefix("| ")?.strip_suffix('|')?;
        Some(inner.split(" |").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>())
    };
    let cells = |line: &str| {
        cells(line).map(|mut row| {
            row.retain(|cell| !cell.is_empty());
            row
        })
    };
    text.lines().filter_map(cells).filter(|row| row.len() == columns).collect()
}

#[test]
fn each_row_of_the_table_is_so() {
    let documented: Vec<_> = tables(3)
        .into_iter()
        .filter(|row| ["zdctl", "zdrun", "runzeo", "mkzeoinst"].contains(&&*row[0]))
        .collect();
    let names = |rows: &[Vec<String>]| rows.iter().map(|row| row[..2].join(": ")).collect::<Vec<_>>();
    let known: Vec<_> =
        ROWS.iter().map(|(program, situation, _)| format!("{program}: {situation}")).collect();
    assert_eq!(
        names(&documented),
        known,
        "docs/exit-status.md and ROWS name the same situations in the same order"
    );
    let wrong = Mutex::new(Vec::new());
    let next = Mutex::new(ROWS.iter().zip(&documented));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some(((_, _, reach), row)) = next.lock().expect("nobody panicked").next() else {
                        break;
                    };
                    let sandbox = Sandbox::new();
                    let seen = reach(&sandbox).output();
                    if seen.status.to_string() != row[2] {
                        wrong.lock().expect("nobody panicked").push(format!("{row:?}: {seen:?}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panicked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_member_of_the_json_status_is_explained() {
    let named = |cell: &str| cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
    let mut explained: Vec<_> = tables(3).iter().filter_map(|row| named(&row[0])).collect();
    explained.sort();
    let text = zdctl(&Sandbox::new(), SLEEP, "status").arg("--json").output().stdout;
    let object: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut members: Vec<_> = object.as_object().expect("an object").keys().cloned().collect();
    members.sort();
    assert_eq!(explained, members);
}

#[test]
fn each_status_of_the_enum_is_explained() {
    let explained: Vec<String> = tables(3).into_iter().map(|row| row[0].clone()).collect();
    for exit in [
        Exit::Success,
        Exit::Failure,
        Exit::Usage,
        Exit::NotRunning,
        Exit::Unknown,
        Exit::Stopped,
        Exit::NoResponse,
    ] {
        assert!(explained.contains(&exit.code().to_string()), "{exit:?} in {explained:?}");
    }
}
