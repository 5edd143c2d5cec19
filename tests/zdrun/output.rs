//! The event log and the transcript.

use super::*;
use crate::sandbox::matches;

/// A configuration with an event log, and with a transcript.
fn logging_conf(sandbox: &Sandbox) -> String {
    let root = sandbox.root().display();
    let text = format!(
        "<runner>\n start-grace 0\n transcript {root}/out\n</runner>\n\
         <eventlog>\n <logfile>\n path {root}/log\n </logfile>\n</eventlog>\n"
    );
    sandbox.write("conf", text).display().to_string()
}

const TIME: &str = "[..]-[..]-[..]T[..]:[..]:[..]";

#[test]
fn event_log_tells_the_programs_life() {
    let sandbox = Sandbox::new();
    let conf = logging_conf(&sandbox);
    let work = sandbox.root().display().to_string();
    let manager = Manager::start_from(&sandbox, Path::new(&conf), &["-z", &work], SLEEP);
    let first = manager.pid();
    signal(first, nix::sys::signal::Signal::SIGKILL);
    let second = manager.next_pid(first);
    manager.ask("stop");
    manager.gone();
    let line = |message: &str| format!("------\n{TIME} INFO zdrun {message}\n");
    let expected = [
        "daemonizing the process".to_owned(),
        format!("set current directory: '{work}'"),
        "daemon manager started".to_owned(),
        format!("spawned process pid={first}"),
        format!("pid {first}: terminated by SIGKILL"),
        "sleep 1 to avoid rapid restarts".to_owned(),
        format!("spawned process pid={second}"),
        format!("pid {second}: terminated by SIGTERM"),
        "Exiting".to_owned(),
    ];
    let expected: String = expected.iter().map(|message| line(message)).collect();
    let log = sandbox.read("log");
    assert!(matches(&expected, &log), "{log}");
}

#[test]
fn event_log_that_cannot_be_opened_stops_the_start() {
    let sandbox = Sandbox::new();
    let conf = logging_conf(&sandbox);
    fs::create_dir(sandbox.path("log")).expect("a directory");
    let complaint =
        format!("zdrun: cannot open log file '{}/log': Is a directory\n", sandbox.root().display());
    let run = sandbox.zdrun().args(["-d", "-C", &conf, "-s", "sock"]).args(SLEEP);
    run.status(1).stderr(complaint).run();
    sandbox.assert_no_process_left();
    assert!(!sandbox.path("sock").exists());
}

#[test]
fn transcript_keeps_the_output_and_follows_a_rotation() {
    let sandbox = Sandbox::new();
    let conf = logging_conf(&sandbox);
    let script =
        "echo out; echo err >&2; while [ ! -e go ]; do sleep 0.02; done; echo later; exec sleep 1000";
    let work = sandbox.root().display().to_string();
    let manager = Manager::start_from(&sandbox, Path::new(&conf), &["-z", &work], &["sh", "-c", script]);
    eventually_some(SOON, || (sandbox.read("out") == "out\nerr\n").then_some(()));
    fs::rename(sandbox.path("out"), sandbox.path("out.1")).expect("it is there");
    fs::rename(sandbox.path("log"), sandbox.path("log.1")).expect("it is there");
    assert_eq!(manager.ask("reopen_transcript"), "");
    sandbox.write("go", "");
    eventually_some(SOON, || (sandbox.read("out") == "later\n").then_some(()));
    assert_eq!(sandbox.read("out.1"), "out\nerr\n");
    manager.ask("stop");
    manager.gone();
    assert!(sandbox.read("log.1").contains("spawned process"));
    assert!(sandbox.read("log").contains("Exiting"), "{}", sandbox.read("log"));
}

#[test]
fn last_words_of_a_program_are_in_the_transcript() {
    let sandbox = Sandbox::new();
    let conf = logging_conf(&sandbox);
    let script = "head -c 50000 /dev/zero | tr '\\0' x; exit 0";
    Manager::start_from(&sandbox, Path::new(&conf), &[], &["sh", "-c", script]);
    sandbox.assert_no_process_left();
    assert_eq!(sandbox.read("out"), "x".repeat(50_000));
}

#[test]
fn full_disk_under_the_transcript_neither_blocks_nor_ends_the_program() {
    let sandbox = Sandbox::new();
    let conf = logging_conf(&sandbox);
    std::os::unix::fs::symlink("/dev/full", sandbox.path("out")).expect("a link");
    let script = "head -c 1000000 /dev/zero; echo $$ > done; exec sleep 1000";
    let manager = Manager::start_from(&sandbox, Path::new(&conf), &[], &["sh", "-c", script]);
    let program = pid_in(&sandbox.path("done"));
    assert_eq!(manager.pid(), program);
    let log = sandbox.read("log");
    assert_eq!(log.matches("No space left on device; output of the program is dropped").count(), 1, "{log}");
}

#[test]
fn transcript_that_others_append_to_and_truncate_keeps_what_all_have_written() {
    let sandbox = Sandbox::new();
    let conf = logging_conf(&sandbox);
    let root = sandbox.root().display().to_string();
    let script = "n=0; until [ -e enough ]; do n=$((n+1)); echo $n; done; echo done >said; exec sleep 1000";
    let manager = Manager::start_from(&sandbox, Path::new(&conf), &["-z", &root], &["sh", "-c", script]);
    let mut other = fs::OpenOptions::new().append(true).open(sandbox.path("out")).expect("it is made by now");
    let mut append = |from: u32| {
        for number in from..from + 500 {
            other.write_all(format!("(other {number})").as_bytes()).expect("there is room");
        }
    };
    let lines = || sandbox.read("out").lines().count();
    append(0);
    eventually_some(SOON, || (lines() > 100).then_some(()));
    // As logrotate's copytruncate does: what is written between the two is lost.
    fs::copy(sandbox.path("out"), sandbox.path("copy")).expect("there is room");
    fs::OpenOptions::new().write(true).truncate(true).open(sandbox.path("out")).expect("it is there");
    append(500);
    eventually_some(SOON, || (lines() > 100).then_some(()));
    sandbox.write("enough", "");
    eventually_some(SOON, || sandbox.path("said").exists().then_some(()));
    manager.ask("stop");
    manager.gone();
    for (file, from) in [("copy", 0), ("out", 500)] {
        let mut text = sandbox.read(file);
        for number in from..from + 500 {
            let added = format!("(other {number})");
            assert_eq!(text.matches(&added).count(), 1, "{added} in {file}");
            text = text.replacen(&added, "", 1);
        }
        // The first and the last line may be cut at the truncation.
        let lines: Vec<&str> = text.lines().collect();
        let whole = lines.get(1..lines.len() - 1).expect("many lines");
        let numbers: Vec<u64> = whole.iter().map(|line| line.parse().expect("a whole line")).collect();
        assert!(numbers.len() > 10 && numbers.is_sorted_by(|one, next| one + 1 == *next), "{file}");
    }
}
