//! The state as clients see it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::announce::Told;
use super::super::state::{Client, State, describe};
use super::Manager;
use crate::control::{Mood, StatusRecord};

/// What a change of is a change to those who watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pid: Option<i32>,
    up: bool,
    testing: bool,
    mood: Mood,
    backoff: u64,
    restarts: u64,
    /// When the next try or the next SIGKILL is due, on a clock that never steps.
    due: Option<Duration>,
    note: Option<String>,
}

impl Manager<'_> {
    pub(super) fn record(&self) -> StatusRecord {
        let now = wall_clock();
        let remaining = self.state.delay().map(|due| due.saturating_sub(self.now()).as_secs_f64());
        StatusRecord {
            now,
            mood: self.state.mood(),
            delay: remaining.map(|seconds| now + seconds),
            backoff: self.state.backoff().as_secs(),
            lasttime: self.started,
            application: self.state.pid().and_then(|pid| u32::try_from(pid).ok()),
            testing: self.state.testing(),
            manager: std::process::id(),
            backoff_limit: self.runner.backoff_limit.as_secs(),
            filename: self.command.file.clone().into_os_string(),
            args: Some(self.adopted_words.as_ref().unwrap_or(&self.command.words).clone()),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ready: self.state.up().is_some(),
            restarts: self.state.restarts(),
            replaced: self.replaced,
            last_exit: self.state.last_end().map(describe),
            start_error: self.start_error.clone(),
            last_output: self.last_output.clone(),
            note: self.note.clone(),
        }
    }

    /// Tells all who are told of each change, if there is anything new. Of several events that have come, each that may
    /// change again what the one before it changed waits for this.
    pub(super) fn tell(&mut self) {
        self.tell_watchers();
        self.announce();
    }

    /// Tells whoever manages this manager, if there is anything new.
    pub(super) fn announce(&mut self) {
        let now = self.now();
        if let Some(announcer) = &mut self.announcer {
            let told = Told {
                ready: self.state.up().is_some(),
                stopping: self.state.mood() == Mood::Exiting,
                status: in_words(&self.state, self.note.as_deref()),
            };
            announcer.tell(told, now);
        }
    }

    /// Tells those who watch, if there is anything new.
    fn tell_watchers(&mut self) {
        if !self.clients.are_watching() {
            self.shown = None;
            return;
        }
        let now = self.to_show();
        if self.shown.as_ref() != Some(&now) {
            let record = self.record();
            self.clients.tell_watchers(&record);
            self.shown = Some(now);
        }
    }

    /// Makes a client one that watches, and tells it the state, which others that watch know by now.
    pub(super) fn watch(&mut self, client: Client) {
        let record = self.record();
        self.clients.watch(client, &record);
        self.shown = Some(self.to_show());
    }

    fn to_show(&self) -> Shown {
        Shown {
            pid: self.state.pid(),
            up: self.state.up().is_some(),
            testing: self.state.testing(),
            mood: self.state.mood(),
            backoff: self.state.backoff().as_secs(),
            restarts: self.state.restarts(),
            due: self.state.delay(),
            note: self.note.clone(),
        }
    }
}

/// The state in a line for a person.
fn in_words(state: &State, note: Option<&str>) -> String {
    match (state.pid(), state.mood()) {
        (Some(pid), Mood::Up) if state.up().is_some() => match note {
            Some(note) => format!("program running; pid={pid}; {note}"),
            None => format!("program running; pid={pid}"),
        },
        (Some(pid), Mood::Up) => format!("program starting; pid={pid}"),
        (Some(pid), _) => format!("program stopping; pid={pid}"),
        (None, Mood::Up) => match state.last_end().map(describe) {
            Some(how) => format!("program to be started again; last exit: {how}"),
            None => "program to be started".to_owned(),
        },
        (None, _) => "program not running".to_owned(),
    }
}

/// Seconds since the epoch. For the record only: every interval is measured on the monotonic clock.
pub(super) fn wall_clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
