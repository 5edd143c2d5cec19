//! `status`: whether the program runs. Scripts parse the line, so that it never changes; docs/exit-status.md has the
//! members of the object.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::control::{Goal, StatusRecord};
use crate::exit::Exit;
use crate::sys::local_time::{DatePattern, LocalTime};

use super::action::Form;
use super::client::Client;
use super::failure::Failure;
use super::orphaned;
use super::outdated::{outdated_files, outdated_in_foreground};
use super::state::State;
use super::ui::{Severity, Ui};
use super::watch::warn_of_other_program;

pub(super) fn status(client: &Client, ui: &mut Ui<'_>, form: Form) -> Result<Exit, Failure> {
    let unknown = |failure| match failure {
        Failure::Interrupted => failure,
        failure => Failure::StatusUnknown(Box::new(failure)),
    };
    let status = client.status().map_err(unknown)?;
    let record = status.as_ref().map(|status| &status.record);
    let mut seen = Seen::of(record);
    let mut orphaned = if record.is_none() { orphaned::expect_none(client).err() } else { None };
    let mut foreground = None;
    if let Some(Failure::Foreground(pid)) = orphaned {
        seen = Seen::Program(pid);
        // It runs as it should: nothing to complain about.
        foreground = orphaned.take();
    }
    let (_, exit) = seen.describe();
    if form == Form::Json {
        let orphaned = orphaned.as_ref().or(foreground.as_ref());
        let object = orphaned.map_or_else(|| Object::of(record), Object::of_orphaned);
        let known = orphaned.is_none() || foreground.is_some();
        return ui.say(object.text()?).map(|()| if known { exit } else { Exit::Unknown });
    }
    warn_of_other_program(client, ui, record)?;
    seen.say(ui)?;
    let outdated = match seen {
        Seen::Program(pid) if foreground.is_some() => outdated_in_foreground(pid),
        _ => record.map(outdated_files).unwrap_or_default(),
    };
    if !outdated.is_empty() {
        ui.host.report(&Failure::Outdated(outdated));
    }
    if let Some(status) = status.filter(|_| form == Form::Long) {
        // The record ends its last line, and the peer puts an empty one after it.
        ui.say(status.text)?;
        for line in explain(&status.record) {
            ui.say(line)?;
        }
    }
    if foreground.is_some() && form == Form::Long {
        ui.say("in the foreground: fg runs it, without a manager")?;
    }
    orphaned.map_or(Ok(exit), |orphaned| Err(unknown(orphaned)))
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// No manager.
    Nothing,
    /// A manager without a program.
    Manager,
    /// A manager, and as this process the program.
    Program(u32),
}

impl Seen {
    pub(super) fn of(record: Option<&StatusRecord>) -> Self {
        record.map_or(Self::Nothing, |record| record.application.map_or(Self::Manager, Self::Program))
    }

    /// Prints the line, painted where there are colours.
    pub(super) fn say(self, ui: &mut Ui<'_>) -> Result<(), Failure> {
        let severity = match self {
            Self::Nothing => Severity::Bad,
            Self::Manager => Severity::Warning,
            Self::Program(_) => Severity::Good,
        };
        let line = ui.screen.paint(severity, self.describe().0);
        ui.say(line)
    }

    /// The line, and the exit status as of an init script (LSB 5.0).
    fn describe(self) -> (String, Exit) {
        match self {
            Self::Nothing => ("daemon manager not running".to_owned(), Exit::NotRunning),
            Self::Manager => {
                ("daemon manager running; daemon process not running".to_owned(), Exit::NotRunning)
            }
            Self::Program(pid) => (format!("program running; pid={pid}"), Exit::Success),
        }
    }
}

/// What the record means, in lines for the user.
fn explain(record: &StatusRecord) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(uptime) = uptime(record) {
        lines.push(format!("uptime: {}", Clock(uptime)));
    }
    if record.version.is_some() {
        lines.push(format!("restarts: {}", record.restarts));
    }
    lines.extend(record.last_exit.iter().map(|how| format!("last exit: {how}")));
    lines.extend(record.start_error.iter().map(|why| format!("not started: {why}")));
    if let Some((seconds, time)) = next_try(record) {
        let at = iso(time).map(|at| format!(", at {at}")).unwrap_or_default();
        lines.push(format!("next try: in {seconds:.0} s{at}"));
    }
    lines
}

/// How long the program has run, in seconds.
fn uptime(record: &StatusRecord) -> Option<f64> {
    record.application?;
    // A clock that was set back in between.
    record.lasttime.map(|started| (record.now - started).max(0.0))
}

/// When the program is started again: in so many seconds, and at that time.
fn next_try(record: &StatusRecord) -> Option<(f64, f64)> {
    let at = record.delay.filter(|_| State::of(Some(record)) == State::Backoff)?;
    Some(((at - record.now).max(0.0), at))
}

/// Local time with its distance from UTC (ISO 8601); `None`: a year that the system cannot write.
fn iso(time: f64) -> Option<String> {
    let seconds = Duration::try_from_secs_f64(time).ok()?.as_secs();
    let local = LocalTime::at(i64::try_from(seconds).ok()?)?;
    let mut text = String::new();
    local.text(&DatePattern::new("%Y-%m-%dT%H:%M:%S")?, &mut text).then_some(())?;
    let minutes = local.utc_offset() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    Some(format!("{text}{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60))
}

/// Seconds as days, hours, minutes and seconds.
struct Clock(f64);

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = Duration::try_from_secs_f64(self.0).unwrap_or_default().as_secs();
        let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
        if days > 0 {
            write!(f, "{days} d ")?;
        }
        write!(f, "{hours:02}:{minutes:02}:{:02}", seconds % 60)
    }
}

/// `status --json`. What is not known, or does not apply, is null.
#[derive(Debug, Serialize)]
struct Object {
    state: State,
    should_be_up: bool,
    pid: Option<u32>,
    manager_pid: Option<u32>,
    version: Option<String>,
    ready: bool,
    testing: bool,
    started: Option<String>,
    uptime: Option<f64>,
    restarts: Option<u64>,
    replaced: Option<u64>,
    backoff: u64,
    next_try: Option<String>,
    next_try_in: Option<f64>,
    last_exit: Option<String>,
    last_output: Option<String>,
    start_error: Option<String>,
    note: Option<String>,
    program: Option<Vec<String>>,
    changed: Vec<String>,
    left_behind: Option<Vec<i32>>,
}

fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

impl Object {
    fn of(record: Option<&StatusRecord>) -> Self {
        let program = record.and_then(|record| record.args.as_ref());
        let ours = record.filter(|record| record.version.is_some());
        let next_try = record.and_then(next_try);
        Self {
            state: State::of(record),
            should_be_up: record.is_some_and(|record| record.goal == Goal::Up),
            pid: record.and_then(|record| record.application),
            manager_pid: record.map(|record| record.manager).filter(|pid| *pid != 0),
            version: ours.and_then(|record| record.version.clone()),
            ready: record.is_some_and(|record| record.ready),
            testing: record.is_some_and(|record| record.testing),
            started: record.and_then(|record| record.lasttime).and_then(iso),
            uptime: record.and_then(uptime),
            restarts: ours.map(|record| record.restarts),
            replaced: ours.map(|record| record.replaced),
            backoff: record.map_or(0, |record| record.backoff),
            next_try: next_try.and_then(|(_, time)| iso(time)),
            next_try_in: next_try.map(|(seconds, _)| seconds),
            last_exit: record.and_then(|record| record.last_exit.clone()),
            last_output: record.and_then(|record| record.last_output.clone()),
            start_error: record.and_then(|record| record.start_error.clone()),
            note: record.and_then(|record| record.note.clone()),
            program: program.map(|words| words.iter().map(|w| w.to_string_lossy().into_owned()).collect()),
            changed: texts(&record.map(outdated_files).unwrap_or_default()),
            left_behind: None,
        }
    }

    /// Of what runs without a manager, about which no more is known.
    fn of_orphaned(left: &Failure) -> Self {
        let none = Self::of(None);
        match left {
            Failure::Unmanaged(pid) => Self { state: State::Unmanaged, pid: Some(*pid), ..none },
            Failure::Foreground(pid) => {
                let changed = texts(&outdated_in_foreground(*pid));
                Self { state: State::Foreground, pid: Some(*pid), changed, ..none }
            }
            Failure::LeftBehind(pids) => {
                Self { state: State::LeftBehind, left_behind: Some(pids.0.clone()), ..none }
            }
            _ => none,
        }
    }

    fn text(&self) -> Result<String, Failure> {
        let failed = |error: serde_json::Error| Failure::System {
            what: "cannot write the status as JSON",
            source: error.into(),
        };
        serde_json::to_string(self).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(keys: &str) -> StatusRecord {
        StatusRecord::parse(keys.replace('|', "\n").as_bytes()).expect("a record")
    }

    #[test]
    fn record_is_explained_as_far_as_it_goes() {
        let ours = "version=1|backofflimit=10|now=100000.5";
        for (keys, lines) in [
            ("application=7".to_owned(), vec![]),
            ("application=7|now=100|lasttime=93".to_owned(), vec!["uptime: 00:00:07"]),
            (
                format!("application=7|lasttime=5.0|restarts=3|lastexit='exit status 1'|{ours}"),
                vec!["uptime: 1 d 03:46:35", "restarts: 3", "last exit: exit status 1"],
            ),
            (format!("application=7|lasttime=200000|{ours}"), vec!["uptime: 00:00:00", "restarts: 0"]),
        ] {
            assert_eq!(explain(&record(&keys)), lines, "{keys}");
        }
        let waiting = format!("application=0|lasttime=5|backoff=2|delay=100002.5|starterror='x'|{ours}");
        let lines = explain(&record(&waiting));
        assert_eq!(lines[..2], ["restarts: 0", "not started: x"]);
        assert!(lines[2].starts_with("next try: in 2 s, at 1970-01-0"), "{lines:?}");
    }

    #[test]
    fn times_are_iso_8601_with_their_distance_from_utc() {
        let text = iso(1_043_409_600.0).expect("a time");
        assert!(text.starts_with("2003-01-2") && text.len() == "2003-01-24T12:00:00+00:00".len(), "{text}");
        for none in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(iso(none), None, "{none}");
        }
    }

    #[test]
    fn object_of_no_manager_has_every_member() {
        let text = Object::of(None).text().expect("JSON");
        let expected =
            r#"{"state":"no-manager","should_be_up":false,"pid":null,"manager_pid":null,"version":null,"#;
        assert!(text.starts_with(expected), "{text}");
        let whole: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(whole.as_object().map(serde_json::Map::len), Some(21));
    }

    #[test]
    fn words_and_texts_of_any_kind_make_valid_json() {
        let odd = record("application=7|args=['a\\udcff', '\"\\n\\x01é']|lastoutput='\"\\\\'");
        let text = Object::of(Some(&odd)).text().expect("JSON");
        let whole: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(whole["program"], serde_json::json!(["a\u{fffd}", "\"\n\u{1}é"]));
        assert_eq!(whole["last_output"], "\"\\");
        assert_eq!(whole["restarts"], serde_json::Value::Null);
    }
}
