//! Rotated files, with a clock that stands where a test sets it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::super::clock::{Clock, Moment};
use super::super::*;
use super::{directory, log_file, settings};

/// 2026-01-07T12:00:00 UTC, a Wednesday.
const NOON: i64 = 1_767_787_200;

/// A zone one hour ahead of UTC, at whatever time it is set to.
#[derive(Clone)]
struct SetClock(Arc<AtomicI64>);

impl SetClock {
    fn at(seconds: i64) -> Self {
        Self(Arc::new(AtomicI64::new(seconds)))
    }

    fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Moment {
        Moment { seconds: self.0.load(Ordering::SeqCst), nanoseconds: 0 }
    }

    fn utc_offset(&self, _: i64) -> i64 {
        3600
    }
}

fn rotated(path: &Path, rotation: Rotation, clock: &SetClock) -> EventLog {
    let file = LogFile { rotation, ..log_file(path) };
    EventLog::open_with(&settings("%(message)s", file), Box::new(clock.clone())).unwrap()
}

fn by_size(path: &Path, max_size: u64, old_files: u32) -> EventLog {
    rotated(path, Rotation::Size { max_size, old_files }, &SetClock::at(NOON))
}

fn say(log: &EventLog, message: &str) {
    log.info("root", format_args!("{message}"));
}

/// The files of a directory and what is in them.
fn tree(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(&path).unwrap_or_else(|_| "(a directory)".to_owned()))
    });
    entries.collect()
}

fn assert_tree(directory: &Path, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(tree(directory), expected);
}

#[test]
fn full_file_is_moved_aside_and_the_oldest_is_dropped() {
    let directory = directory();
    let log = by_size(&directory.path().join("log"), 10, 2);
    for message in ["one", "two", "three", "four", "five", "a record that is longer than a file"] {
        say(&log, message);
    }
    let last = "a record that is longer than a file\n";
    assert_tree(directory.path(), &[("log", last), ("log.1", "five\n"), ("log.2", "four\n")]);
}

#[test]
fn empty_file_is_not_moved_aside() {
    let directory = directory();
    let log = by_size(&directory.path().join("log"), 4, 2);
    say(&log, "longer than four");
    assert_tree(directory.path(), &[("log", "longer than four\n")]);
}

#[test]
fn gap_in_the_old_files_is_filled_and_nothing_beyond_it_moves() {
    let directory = directory();
    for (name, text) in [("log", "0123456789\n"), ("log.1", "1\n"), ("log.3", "3\n")] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let log = by_size(&directory.path().join("log"), 10, 5);
    say(&log, "new");
    let expected = [("log", "new\n"), ("log.1", "0123456789\n"), ("log.2", "1\n"), ("log.3", "3\n")];
    assert_tree(directory.path(), &expected);
}

#[test]
fn rotated_log_that_was_moved_away_is_begun_anew() {
    let directory = directory();
    let path = directory.path().join("log");
    let log = by_size(&path, 1000, 2);
    say(&log, "one");
    fs::rename(&path, directory.path().join("away")).unwrap();
    say(&log, "two");
    assert_tree(directory.path(), &[("away", "one\n"), ("log", "two\n")]);
}

#[test]
fn file_that_cannot_be_moved_aside_is_written_to_nevertheless() {
    let directory = directory();
    fs::create_dir_all(directory.path().join("log.1/x")).unwrap();
    let log = by_size(&directory.path().join("log"), 8, 1);
    for message in ["one", "two", "three"] {
        say(&log, message);
    }
    let path = directory.path().join("log");
    let text = format!("one\ntwo\ncannot rotate log file '{}': Is a directory\nthree\n", path.display());
    assert_tree(directory.path(), &[("log", &text), ("log.1", "(a directory)")]);
}

#[test]
fn two_logs_of_one_file_move_it_aside_once() {
    let directory = directory();
    let path = directory.path().join("log");
    let (one, other) = (by_size(&path, 10, 5), by_size(&path, 10, 5));
    say(&one, "111");
    say(&other, "222");
    say(&one, "333");
    say(&other, "444");
    assert_tree(directory.path(), &[("log", "333\n444\n"), ("log.1", "111\n222\n")]);
}

#[test]
fn file_whose_time_is_over_is_moved_aside_under_the_date_when_it_began() {
    let directory = directory();
    let clock = SetClock::at(NOON);
    let path = directory.path().join("log");
    let rotation = Rotation::Time { when: "h".into(), interval: 1, old_files: 2 };
    let log = rotated(&path, rotation, &clock);
    say(&log, "before");
    for (hour, message) in [(1, "one"), (2, "two"), (5, "five")] {
        clock.set(NOON + hour * 3600);
        say(&log, message);
    }
    let kept = [("log", "five\n"), ("log.2026-01-07_14", "one\n"), ("log.2026-01-07_15", "two\n")];
    assert_tree(directory.path(), &kept);
}

#[test]
fn dated_files_beyond_the_number_to_keep_are_deleted_and_no_others() {
    let directory = directory();
    let clock = SetClock::at(NOON);
    let path = directory.path().join("log");
    let strangers = ["log.txt", "log.2026-01-01x", "other.2026-01-01", "log.2026-01-01_10"];
    for name in strangers.iter().chain(&["log.2026-01-02.gz", "log.2026-01-03", "log.2026-01-04"]) {
        fs::write(directory.path().join(name), "").unwrap();
    }
    fs::write(&path, "old\n").unwrap();
    set_age(&path, NOON);
    let rotation = Rotation::Time { when: "midnight".into(), interval: 1, old_files: 2 };
    let log = rotated(&path, rotation, &clock);
    say(&log, "same day");
    clock.set(NOON + 24 * 3600);
    say(&log, "next day");
    let mut expected: Vec<&str> = strangers.to_vec();
    expected.extend(["log", "log.2026-01-04", "log.2026-01-07"]);
    expected.sort_unstable();
    assert_eq!(tree(directory.path()).into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(fs::read_to_string(directory.path().join("log.2026-01-07")).unwrap(), "old\nsame day\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "next day\n");
}

#[test]
fn file_that_ended_while_nothing_ran_is_moved_aside_at_the_next_start() {
    let directory = directory();
    let path = directory.path().join("log");
    fs::write(&path, "old\n").unwrap();
    set_age(&path, NOON - 3 * 24 * 3600);
    let rotation = Rotation::Time { when: "D".into(), interval: 1, old_files: 2 };
    let log = rotated(&path, rotation, &SetClock::at(NOON));
    say(&log, "new");
    assert_tree(directory.path(), &[("log", "new\n"), ("log.2026-01-04", "old\n")]);
}

#[test]
fn second_file_of_one_date_replaces_nothing() {
    let directory = directory();
    let path = directory.path().join("log");
    fs::write(directory.path().join("log.2026-01-07"), "first\n").unwrap();
    fs::write(&path, "second\n").unwrap();
    set_age(&path, NOON);
    let clock = SetClock::at(NOON + 24 * 3600);
    let log = rotated(&path, Rotation::Time { when: "D".into(), interval: 1, old_files: 9 }, &clock);
    say(&log, "third");
    let expected = [("log", "third\n"), ("log.2026-01-07", "first\n"), ("log.2026-01-07.1", "second\n")];
    assert_tree(directory.path(), &expected);
}

#[test]
fn clock_that_was_far_ahead_does_not_end_rotation() {
    let directory = directory();
    let path = directory.path().join("log");
    fs::write(&path, "").unwrap();
    set_age(&path, NOON);
    let clock = SetClock::at(NOON);
    let log = rotated(&path, Rotation::Time { when: "H".into(), interval: 1, old_files: 9 }, &clock);
    say(&log, "one");
    clock.set(NOON + 1_000_000_000);
    say(&log, "far ahead");
    clock.set(NOON + 60);
    say(&log, "back");
    clock.set(NOON + 3660);
    say(&log, "rotated");
    assert_eq!(fs::read_to_string(&path).unwrap(), "rotated\n");
    assert_eq!(tree(directory.path()).len(), 3);
}

#[test]
fn two_logs_of_one_file_agree_on_its_time() {
    let directory = directory();
    let path = directory.path().join("log");
    fs::write(&path, "").unwrap();
    set_age(&path, NOON);
    let clock = SetClock::at(NOON);
    let rotation = Rotation::Time { when: "H".into(), interval: 1, old_files: 9 };
    let (one, other) = (rotated(&path, rotation.clone(), &clock), rotated(&path, rotation, &clock));
    say(&one, "1");
    say(&other, "2");
    clock.set(NOON + 3600);
    say(&one, "3");
    say(&other, "4");
    assert_tree(directory.path(), &[("log", "3\n4\n"), ("log.2026-01-07_13", "1\n2\n")]);
}

/// The variable that makes this test a writer, with the path as its value.
const WRITER: &str = "EVENTLOG_TEST_WRITER";

#[test]
fn processes_share_a_rotated_log_and_lose_nothing() {
    if let Some(path) = std::env::var_os(WRITER) {
        let log = by_size(Path::new(&path), 2000, 1000);
        (0..500).for_each(|number| say(&log, &format!("{} {number:04}", std::process::id())));
        return;
    }
    let directory = directory();
    let name = "eventlog::tests::rotation::processes_share_a_rotated_log_and_lose_nothing";
    let start = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name]).env(WRITER, directory.path().join("log"));
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut writers = [start(), start(), start()];
    let mut expected = Vec::new();
    for writer in &mut writers {
        assert!(writer.wait().unwrap().success());
        expected.extend((0..500).map(|number| format!("{} {number:04}", writer.id())));
    }
    let files = tree(directory.path());
    let mut lines: Vec<String> =
        files.values().flat_map(|text| text.lines().map(ToOwned::to_owned)).collect();
    lines.sort();
    expected.sort();
    // How often is not known: no process waits for one that is interrupted in the middle of it.
    assert!(files.len() > 1, "it was not rotated");
    assert!(lines == expected, "{} lines of {}", lines.len(), expected.len());
}

/// Makes a file as old as if it had been written at `seconds`.
fn set_age(path: &Path, seconds: i64) {
    let age = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(seconds).unwrap());
    fs::File::options().append(true).open(path).unwrap().set_modified(age).unwrap();
}
