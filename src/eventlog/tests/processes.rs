//! What only a process of its own can show: the standard streams, the time zone, the working directory. The process is
//! the same test again.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::*;
use super::{directory, layout, log_file, settings};

/// The variable that makes a test the process that logs.
const WRITER: &str = "EVENTLOG_TEST_PROCESS";

fn again(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("eventlog::tests::processes::{name}"), "--nocapture"]);
    command.env(WRITER, "yes").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn is_writer() -> bool {
    std::env::var_os(WRITER).is_some()
}

#[test]
fn streams_get_whole_records_of_any_length() {
    if is_writer() {
        let handler = |format, target| Handler { level: Level::NOTSET, layout: layout(format), target };
        let handlers =
            vec![handler("out %(message)s", Target::Stdout), handler("err %(message)s", Target::Stderr)];
        let log = EventLog::open(&Settings { level: Level::INFO, handlers }).unwrap();
        log.info("root", format_args!("short"));
        log.info("root", format_args!("{}", "x".repeat(20_000)));
        return;
    }
    let output = again("streams_get_whole_records_of_any_length").output().unwrap();
    assert!(output.status.success());
    let long = "x".repeat(20_000);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("err short\nerr {long}\n"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains(&format!("out short\nout {long}\n")), "{stdout:.200}");
}

#[test]
fn without_a_configured_log_warnings_go_to_stderr_after_the_name() {
    if is_writer() {
        let log = EventLog::stderr_warnings();
        log.info("zdrun", format_args!("no"));
        log.warning("zdrun", format_args!("a {}", "warning"));
        log.critical("zdrun", format_args!("the end"));
        return;
    }
    let output = again("without_a_configured_log_warnings_go_to_stderr_after_the_name").output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "zdrun: a warning\nzdrun: the end\n");
}

/// The writer ends although its full pipe has no reader; losses are reported when there is room again.
#[test]
fn full_pipe_on_stderr_loses_records_instead_of_blocking() {
    if is_writer() {
        let log = EventLog::stderr_warnings();
        let big = "x".repeat(3000);
        (0..100).for_each(|_| log.warning("root", format_args!("{big}")));
        println!("\nfull");
        // The reader makes room, then closes the other end of stdin.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        log.warning("root", format_args!("room again"));
        return;
    }
    let mut child =
        again("full_pipe_on_stderr_loses_records_instead_of_blocking").stdin(Stdio::piped()).spawn().unwrap();
    let (mut stderr, stdin) = (child.stderr.take().unwrap(), child.stdin.take().unwrap());
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(stdout.any(|line| line.unwrap() == "full"), "the writer ended early");
    let mut text = vec![0; 30_000];
    stderr.read_exact(&mut text).unwrap();
    drop(stdin);
    stderr.read_to_end(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.last(), Some(&"root: room again"));
    let lost: usize = lines
        .iter()
        .filter_map(|line| line.strip_prefix("root: lost ")?.split_once(' '))
        .map(|(count, _)| count.parse::<usize>().unwrap())
        .sum();
    let kept = lines.iter().filter(|line| line.len() == 3006).count();
    assert_eq!(kept + lost, 100, "kept {kept}");
    assert!(lines.iter().all(|line| line.len() <= 3006), "a torn line has no end");
}

#[test]
fn loss_is_reported_on_stderr_once() {
    if is_writer() {
        let target = Target::File(log_file(Path::new("/dev/full")));
        let handlers = vec![Handler { level: Level::NOTSET, layout: layout("%(message)s"), target }];
        let log = EventLog::open(&Settings { level: Level::INFO, handlers }).unwrap();
        (0..3).for_each(|number| log.info("root", format_args!("{number}")));
        return;
    }
    let mut command = again("loss_is_reported_on_stderr_once");
    command.arg0("/usr/sbin/program");
    let output = command.output().unwrap();
    assert!(output.status.success());
    let expected = "program: cannot write log file '/dev/full': No space left on device\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
}

/// A zone by its rule alone, for which no time zone files are needed.
#[test]
fn dates_are_in_the_zone_of_the_host() {
    if is_writer() {
        let layout = Layout { dateformat: "%z %Z".into(), ..layout("%(asctime)s") };
        let handlers = vec![Handler { level: Level::NOTSET, layout, target: Target::Stderr }];
        let log = EventLog::open(&Settings { level: Level::INFO, handlers }).unwrap();
        log.info("root", format_args!(""));
        return;
    }
    let output = again("dates_are_in_the_zone_of_the_host").env("TZ", "QQQ-05:30").output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "+0530 QQQ\n");
}

#[test]
fn relative_path_is_that_of_the_directory_at_opening() {
    if is_writer() {
        let file = LogFile { delay: true, ..log_file(Path::new("event.log")) };
        let log = EventLog::open(&settings("%(message)s", file)).unwrap();
        std::env::set_current_dir("/").unwrap();
        log.info("root", format_args!("here"));
        return;
    }
    let directory = directory();
    let mut command = again("relative_path_is_that_of_the_directory_at_opening");
    let output = command.current_dir(directory.path()).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(std::fs::read_to_string(directory.path().join("event.log")).unwrap(), "here\n");
}
