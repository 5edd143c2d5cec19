//! The manager's state as clients and the service manager see it.

use std::ffi::OsString;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::command::Command;
use super::service_notify::NotifyState;
use super::state::{State, describe};
use crate::config::Runner;
use crate::control::{Goal, StatusRecord};
use crate::sys::signals::{self, number};

/// What the state machine does not know of the program.
#[derive(Debug, Default)]
pub struct ProgramStatus {
    /// The words of the program that runs, where they may not be those of the configuration: one that was adopted, or
    /// started before a reload.
    pub running_words: Option<Vec<OsString>>,
    /// When the program was last started, by the wall clock, in seconds.
    pub started: Option<f64>,
    /// Why the program could not be started when that was last tried.
    pub start_error: Option<String>,
    /// What the program that last ended had written, if it was not up.
    pub last_output: Option<String>,
    /// How the start test of the program that runs last failed.
    pub test_error: Option<String>,
    /// What the program says of itself.
    pub note: Option<String>,
    /// How many times this process was replaced by the binary on the disk.
    pub replaced: u64,
    /// When the configuration was read, by the wall clock, in seconds.
    pub configured: f64,
}

/// What a watching client is sent a new record for when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    pid: Option<i32>,
    up: bool,
    testing: bool,
    goal: Goal,
    backoff: u64,
    restarts: u64,
    /// When the next start or the next SIGKILL is due, on a clock that never steps.
    due: Option<Duration>,
    start_error: Option<String>,
    note: Option<String>,
}

impl ProgramStatus {
    /// The whole state, at a time of `now` on the state machine's clock.
    pub fn record(&self, state: &State, runner: &Runner, command: &Command, now: Duration) -> StatusRecord {
        let wall_clock = wall_clock();
        let remaining = state.delay().map(|due| due.saturating_sub(now).as_secs_f64());
        StatusRecord {
            now: wall_clock,
            goal: state.goal(),
            delay: remaining.map(|seconds| wall_clock + seconds),
            backoff: state.backoff().as_secs(),
            lasttime: self.started,
            application: state.pid().and_then(|pid| u32::try_from(pid).ok()),
            testing: state.testing(),
            manager: std::process::id(),
            backoff_limit: runner.backoff_limit.as_secs(),
            filename: command.file.clone().into_os_string(),
            args: Some(self.running_words.as_ref().unwrap_or(&command.words).clone()),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ready: state.up().is_some(),
            restarts: state.restarts(),
            replaced: self.replaced,
            handles_usr2: state
                .pid()
                .and_then(|pid| u32::try_from(pid).ok())
                .map(|pid| signals::is_handled(pid, number::USR2)),
            configured: Some(self.configured),
            last_exit: state.last_end().map(describe),
            start_error: self.start_error.clone(),
            last_output: self.last_output.clone(),
            test_error: self.test_error.clone(),
            note: self.note.clone(),
        }
    }

    /// What a change of is a change to those that watch.
    pub fn watched(&self, state: &State) -> Watched {
        Watched {
            pid: state.pid(),
            up: state.up().is_some(),
            testing: state.testing(),
            goal: state.goal(),
            backoff: state.backoff().as_secs(),
            restarts: state.restarts(),
            due: state.delay(),
            start_error: self.start_error.clone(),
            note: self.note.clone(),
        }
    }

    /// What the manager of this manager is sent.
    pub fn for_service_manager(&self, state: &State) -> NotifyState {
        NotifyState {
            ready: state.up().is_some(),
            stopping: state.goal() == Goal::Exiting,
            status: self.in_words(state),
        }
    }

    /// The state in a line for a person.
    fn in_words(&self, state: &State) -> String {
        match (state.pid(), state.goal()) {
            (Some(pid), Goal::Up) if state.up().is_some() => match &self.note {
                Some(note) => format!("program running; pid={pid}; {note}"),
                None => format!("program running; pid={pid}"),
            },
            (Some(pid), Goal::Up) => format!("program starting; pid={pid}"),
            (Some(pid), _) => format!("program stopping; pid={pid}"),
            (None, Goal::Up) if state.backoff().is_zero() => "program to be started".to_owned(),
            (None, Goal::Up) => {
                let how = state.last_end().map(|end| format!("; last exit: {}", describe(end)));
                let how =
                    how.or_else(|| Some(format!("; {}", self.start_error.as_ref()?))).unwrap_or_default();
                format!("program to be started again in {} s{how}", state.backoff().as_secs())
            }
            (None, _) => "program not running".to_owned(),
        }
    }
}

/// Seconds since the epoch. For the record only: every interval is measured on the monotonic clock.
pub fn wall_clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
