//! The log as a whole: what ends up in files, and what happens when it cannot.

mod processes;
mod rotation;
mod syslog;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::sys::log_file;

pub(super) fn layout(format: &str) -> Layout {
    let dateformat = "%Y-%m-%dT%H:%M:%S".to_owned();
    Layout { format: format.to_owned(), dateformat, arbitrary_fields: false }
}

pub(super) fn log_file(path: &Path) -> LogFile {
    LogFile { path: path.to_owned(), rotation: Rotation::None, delay: false, encoding: None }
}

pub(super) fn settings(format: &str, file: LogFile) -> Settings {
    let handler = Handler { level: Level::NOTSET, layout: layout(format), target: Target::File(file) };
    Settings { level: Level::INFO, handlers: vec![handler] }
}

/// A private directory and a log of bare messages in it.
fn log_in(directory: &TempDir, name: &str) -> (EventLog, PathBuf) {
    let path = directory.path().join(name);
    let log = EventLog::open(&settings("%(levelname)s %(message)s", log_file(&path))).unwrap();
    (log, path)
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn default_format_is_that_of_the_peers() {
    let directory = directory();
    let path = directory.path().join("event.log");
    let format = "------\n%(asctime)s %(levelname)s %(name)s %(message)s";
    let log = EventLog::open(&settings(format, log_file(&path))).unwrap();
    log.info("root", format_args!("spawned process pid={}", 4020));
    let text = fs::read_to_string(&path).unwrap();
    let line = text.strip_prefix("------\n").unwrap();
    let (date, rest) = line.split_at(19);
    assert_eq!(rest, " INFO root spawned process pid=4020\n");
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99T99:99:99");
}

#[test]
fn levels_of_log_and_handler_both_count() {
    let directory = directory();
    let path = directory.path().join("event.log");
    let mut settings = settings("%(message)s", log_file(&path));
    settings.handlers[0].level = Level::WARNING;
    let log = EventLog::open(&settings).unwrap();
    assert!(!log.enabled(Level::INFO));
    assert!(log.enabled(Level::WARNING));
    log.info("root", format_args!("no"));
    log.warning("root", format_args!("yes"));
    settings.level = Level::ERROR;
    let log = EventLog::open(&settings).unwrap();
    log.warning("root", format_args!("no"));
    log.error("root", format_args!("yes"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "yes\nyes\n");
    assert!(!EventLog::disabled().enabled(Level::CRITICAL));
    assert!(EventLog::stderr_warnings().enabled(Level::WARNING));
    assert!(!EventLog::stderr_warnings().enabled(Level::INFO));
}

#[test]
fn missing_directory_is_named_with_the_reason() {
    let directory = directory();
    let path = directory.path().join("no/event.log");
    let error = EventLog::open(&settings("%(message)s", log_file(&path))).unwrap_err();
    let expected = format!("cannot open log file '{}': No such file or directory", path.display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn delayed_file_is_opened_at_the_first_record() {
    let directory = directory();
    let path = directory.path().join("event.log");
    let file = LogFile { delay: true, ..log_file(&path) };
    let log = EventLog::open(&settings("%(message)s", file)).unwrap();
    log.reopen().unwrap();
    assert!(!path.exists());
    assert!(log.descriptors().is_empty());
    log.info("root", format_args!("first"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
    assert_eq!(log.descriptors().len(), 1);
}

#[test]
fn reopening_follows_the_name_and_a_moved_file_is_kept_until_then() {
    let directory = directory();
    let (log, path) = log_in(&directory, "event.log");
    let moved = directory.path().join("moved");
    log.info("root", format_args!("one"));
    fs::rename(&path, &moved).unwrap();
    log.info("root", format_args!("two"));
    assert!(!path.exists());
    log.reopen().unwrap();
    log.info("root", format_args!("three"));
    assert_eq!(fs::read_to_string(&moved).unwrap(), "INFO one\nINFO two\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "INFO three\n");
}

#[test]
fn failed_reopening_keeps_the_old_file_and_says_why() {
    let directory = directory();
    let (log, path) = log_in(&directory, "event.log");
    let moved = directory.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    fs::create_dir(&path).unwrap();
    let expected = format!("cannot open log file '{}': Is a directory", path.display());
    assert_eq!(log.reopen().unwrap_err().to_string(), expected);
    log.info("root", format_args!("still"));
    assert_eq!(fs::read_to_string(&moved).unwrap(), "INFO still\n");
}

#[test]
fn removed_directory_that_comes_back_is_written_to_again() {
    let directory = directory();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let (log, path) = log_in(&directory, "logs/event.log");
    log.info("root", format_args!("one"));
    fs::remove_dir_all(&logs).unwrap();
    log.info("root", format_args!("two"));
    log.info("root", format_args!("three"));
    fs::create_dir(&logs).unwrap();
    log.info("root", format_args!("four"));
    log.info("root", format_args!("five"));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "WARNING lost 2 records: No such file or directory\nINFO four\nINFO five\n");
}

#[test]
fn deleted_file_is_made_anew() {
    let directory = directory();
    let (log, path) = log_in(&directory, "event.log");
    log.info("root", format_args!("one"));
    fs::remove_file(&path).unwrap();
    log.info("root", format_args!("two"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "INFO two\n");
}

#[test]
fn half_a_line_of_an_earlier_life_is_ended() {
    let directory = directory();
    fs::write(directory.path().join("event.log"), "whole\nhal").unwrap();
    let (log, path) = log_in(&directory, "event.log");
    log.info("root", format_args!("one"));
    log.info("root", format_args!("two"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nhal\nINFO one\nINFO two\n");
}

/// A disk that is full, and is not full later: a name that leads elsewhere later.
#[test]
fn full_disk_loses_records_and_says_so_when_it_has_room_again() {
    let directory = directory();
    let path = directory.path().join("event.log");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let (log, path) = log_in(&directory, path.to_str().unwrap());
    for number in 0..3 {
        log.info("root", format_args!("lost {number}"));
    }
    fs::remove_file(&path).unwrap();
    log.info("root", format_args!("kept"));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "WARNING lost 3 records: No space left on device\nINFO kept\n");
}

#[test]
fn fifo_without_a_reader_or_with_a_slow_one_does_not_block() {
    let directory = directory();
    let path = directory.path().join("event.log");
    log_file::make_fifo(&path).unwrap();
    let (log, path) = log_in(&directory, path.to_str().unwrap());
    log.info("root", format_args!("nobody reads"));
    let mut reader = log_file::read(&path).unwrap();
    log.info("root", format_args!("somebody reads"));
    let big = "x".repeat(3000);
    for _ in 0..100 {
        log.info("root", format_args!("{big}"));
    }
    let mut text = String::new();
    let _ = reader.read_to_string(&mut text); // ends with WouldBlock
    log.info("root", format_args!("room again"));
    let _ = reader.read_to_string(&mut text);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "WARNING lost 1 record: no program reads this FIFO");
    assert_eq!(lines[1], "INFO somebody reads");
    let whole = format!("INFO {big}");
    let kept = lines.iter().filter(|line| **line == whole).count();
    let halves = lines.iter().filter(|line| line.starts_with("INFO x") && **line != whole).count();
    assert!(kept > 10 && halves <= 1, "{kept} {halves}");
    let notice = format!("WARNING lost {} records: its reader is too slow", 100 - kept);
    assert_eq!(lines[lines.len() - 2], notice);
    assert_eq!(lines[lines.len() - 1], "INFO room again");
}

#[test]
fn new_file_has_the_mode_of_the_umask_and_is_close_on_exec() {
    let directory = directory();
    let (log, path) = log_in(&directory, "event.log");
    let plain = directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
    let flags = fs::read_to_string(format!("/proc/self/fdinfo/{}", log.descriptors()[0])).unwrap();
    let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    let close_on_exec = 0o2_000_000;
    assert_ne!(u32::from_str_radix(flags, 8).unwrap() & close_on_exec, 0, "{flags}");
}

#[test]
fn threads_share_a_log_line_by_line() {
    let directory = directory();
    let (log, path) = log_in(&directory, "event.log");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || (0..200).for_each(|_| log.info("root", format_args!("{thread}"))));
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 800);
    assert!(text.lines().all(|line| line.len() == 6), "a torn line");
}

#[test]
fn directory_and_unknown_things_are_refused_at_opening() {
    let directory = directory();
    let file = log_file(directory.path());
    let error = EventLog::open(&settings("%(message)s", file)).unwrap_err().to_string();
    assert!(error.ends_with("': Is a directory"), "{error}");
    let path = directory.path().join("event.log");
    let file = LogFile { encoding: Some("cp1252".into()), ..log_file(&path) };
    let error = EventLog::open(&settings("%(message)s", file)).unwrap_err().to_string();
    assert!(error.ends_with("in encoding 'cp1252': only utf-8, ascii and latin-1 are known"), "{error}");
    let rotation = Rotation::Time { when: "W7".into(), interval: 1, old_files: 1 };
    let error = EventLog::open(&settings("%(message)s", LogFile { rotation, ..log_file(&path) }));
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("by 'W7': only S, M, H, D, midnight and W0 to W6 are known"), "{error}");
    let error = EventLog::open(&settings("hello", log_file(&path))).unwrap_err().to_string();
    assert_eq!(error, "invalid log format 'hello': it holds no field");
    assert!(!path.exists());
}
