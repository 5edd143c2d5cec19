//! The log as the programs use it.

use std::fmt;
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::clock::{Clock, Moment, SystemClock};
use super::error::Error;
use super::level::Level;
use super::outlet::{Outlet, Scratch};
use super::record::Record;
use super::settings::Settings;

/// An open event log. Threads may share it; each record is written before the call returns, and no call fails.
pub struct EventLog {
    /// Below this no handler takes a record; absent: there is no handler.
    threshold: Option<Level>,
    started: Moment,
    clock: Box<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    outlets: Vec<Outlet>,
    scratch: Scratch,
}

impl fmt::Debug for EventLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EventLog").field("threshold", &self.threshold).finish_non_exhaustive()
    }
}

impl EventLog {
    /// Opens each handler. Relative paths are those of the working directory of this moment, whatever it is later.
    ///
    /// # Errors
    /// The first handler that cannot be opened.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Self::open_with(settings, Box::new(SystemClock))
    }

    /// A log that nobody reads, for a program that was told to keep none.
    #[must_use]
    pub fn disabled() -> Self {
        Self::new(Level::NOTSET, Vec::new(), Box::new(SystemClock))
    }

    /// What stands in when no `<eventlog>` is configured: warnings and above as
    /// `NAME: MESSAGE` on stderr.
    #[must_use]
    pub fn stderr_warnings() -> Self {
        Self::new(Level::NOTSET, vec![Outlet::stderr_warnings()], Box::new(SystemClock))
    }

    /// As [`EventLog::open`], with another clock.
    pub(super) fn open_with(settings: &Settings, clock: Box<dyn Clock>) -> Result<Self, Error> {
        let open = |handler| Outlet::open(handler, &*clock);
        let outlets = settings.handlers.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(settings.level, outlets, clock))
    }

    fn new(level: Level, outlets: Vec<Outlet>, clock: Box<dyn Clock>) -> Self {
        let threshold = outlets.iter().map(Outlet::level).min().map(|lowest| lowest.max(level));
        let started = clock.now();
        Self { threshold, started, clock, state: Mutex::new(State { outlets, scratch: Scratch::default() }) }
    }

    /// Whether a record of this level would go anywhere.
    #[must_use]
    pub fn enabled(&self, level: Level) -> bool {
        self.threshold.is_some_and(|threshold| level >= threshold)
    }

    /// Writes a record to each handler that takes its level. `logger` is who speaks, `root` by custom.
    #[track_caller]
    pub fn log(&self, level: Level, logger: &str, message: fmt::Arguments<'_>) {
        if !self.enabled(level) {
            return;
        }
        // Before the lock: what is formatted may itself log.
        let made;
        let message = if let Some(message) = message.as_str() {
            message
        } else {
            made = message.to_string();
            &made
        };
        let place = Location::caller();
        let mut state = self.state();
        let State { outlets, scratch } = &mut *state;
        // The clock too is asked under the lock, so that the times in a file do not go back.
        let record =
            Record { level, logger, message, created: self.clock.now(), started: self.started, place };
        for outlet in outlets.iter_mut().filter(|outlet| level >= outlet.level()) {
            outlet.emit(&record, scratch, &*self.clock);
        }
    }

    /// [`EventLog::log`] at level 10.
    #[track_caller]
    pub fn debug(&self, logger: &str, message: fmt::Arguments<'_>) {
        self.log(Level::DEBUG, logger, message);
    }

    /// [`EventLog::log`] at level 20.
    #[track_caller]
    pub fn info(&self, logger: &str, message: fmt::Arguments<'_>) {
        self.log(Level::INFO, logger, message);
    }

    /// [`EventLog::log`] at level 30.
    #[track_caller]
    pub fn warning(&self, logger: &str, message: fmt::Arguments<'_>) {
        self.log(Level::WARNING, logger, message);
    }

    /// [`EventLog::log`] at level 40.
    #[track_caller]
    pub fn error(&self, logger: &str, message: fmt::Arguments<'_>) {
        self.log(Level::ERROR, logger, message);
    }

    /// [`EventLog::log`] at level 50.
    #[track_caller]
    pub fn critical(&self, logger: &str, message: fmt::Arguments<'_>) {
        self.log(Level::CRITICAL, logger, message);
    }

    /// Opens all log files anew, for `logreopen`, SIGHUP and SIGUSR2: each new file is opened before the old one is
    /// closed. A file that waits for its first record still waits.
    ///
    /// # Errors
    /// What could not be opened anew, one or several; it stays as it was, and the others are opened nevertheless.
    pub fn reopen(&self) -> Result<(), Error> {
        let mut state = self.state();
        let mut failed: Vec<Error> =
            state.outlets.iter_mut().filter_map(|outlet| outlet.reopen().err()).collect();
        match (failed.pop(), failed.is_empty()) {
            (None, _) => Ok(()),
            (Some(only), true) => Err(only),
            (Some(last), false) => {
                failed.push(last);
                Err(Error::Several(failed))
            }
        }
    }

    /// The descriptors of the log files that are open now, for a program that executes itself anew. They are
    /// close-on-exec, and valid until the next record or reopening.
    #[must_use]
    pub fn descriptors(&self) -> Vec<RawFd> {
        self.state().outlets.iter().filter_map(Outlet::descriptor).collect()
    }

    /// A thread that panicked while it logged leaves nothing half done that the next record would not replace.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
