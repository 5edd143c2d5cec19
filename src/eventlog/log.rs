//! The log that programs write to.

use std::fmt;
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::clock::{Clock, Moment, SystemClock};
use super::error::Error;
use super::handler::{OpenHandler, Scratch};
use super::level::Level;
use super::record::Record;
use super::settings::Settings;

/// An open event log, which threads may share. A record is written before the call returns; no call fails.
pub struct EventLog {
    /// The lowest level that a handler accepts; absent: there is no handler.
    threshold: Option<Level>,
    started: Moment,
    clock: Box<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handlers: Vec<OpenHandler>,
    scratch: Scratch,
}

impl fmt::Debug for EventLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EventLog").field("threshold", &self.threshold).finish_non_exhaustive()
    }
}

impl EventLog {
    /// Opens each handler. Relative paths are resolved now: a later change of the working directory does not matter.
    ///
    /// # Errors
    /// The first handler that cannot be opened.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Self::open_with(settings, Box::new(SystemClock))
    }

    /// A log without handlers.
    #[must_use]
    pub fn disabled() -> Self {
        Self::new(Level::NOTSET, Vec::new(), Box::new(SystemClock))
    }

    /// The log of a program without an `<eventlog>`: warnings and above as `NAME: MESSAGE` on stderr.
    #[must_use]
    pub fn stderr_warnings() -> Self {
        Self::new(Level::NOTSET, vec![OpenHandler::stderr_warnings()], Box::new(SystemClock))
    }

    /// [`EventLog::open`] with another clock.
    pub(super) fn open_with(settings: &Settings, clock: Box<dyn Clock>) -> Result<Self, Error> {
        let open = |handler| OpenHandler::open(handler, &*clock);
        let handlers = settings.handlers.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(settings.level, handlers, clock))
    }

    fn new(level: Level, handlers: Vec<OpenHandler>, clock: Box<dyn Clock>) -> Self {
        let threshold = handlers.iter().map(OpenHandler::level).min().map(|lowest| lowest.max(level));
        let started = clock.now();
        Self { threshold, started, clock, state: Mutex::new(State { handlers, scratch: Scratch::default() }) }
    }

    /// Whether a record of this level would go anywhere.
    #[must_use]
    pub fn enabled(&self, level: Level) -> bool {
        self.threshold.is_some_and(|threshold| level >= threshold)
    }

    /// Writes a record to each handler that accepts its level. `logger` is the logger's name, such as `root`.
    #[track_caller]
    pub fn log(&self, level: Level, logger: &str, message: fmt::Arguments<'_>) {
        if !self.enabled(level) {
            return;
        }
        // Before the lock: formatting the message may itself log.
        let made;
        let message = if let Some(message) = message.as_str() {
            message
        } else {
            made = message.to_string();
            &made
        };
        let place = Location::caller();
        let mut state = self.state();
        let State { handlers, scratch } = &mut *state;
        // The clock is read under the lock, so that times in a file never go back.
        let record =
            Record { level, logger, message, created: self.clock.now(), started: self.started, place };
        for handler in handlers.iter_mut().filter(|handler| level >= handler.level()) {
            handler.emit(&record, scratch, &*self.clock);
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

    /// Reopens all log files, for `logreopen`, SIGHUP and SIGUSR2. Each new file is opened before the old one is closed.
    /// A delayed file stays delayed.
    ///
    /// # Errors
    /// Which files could not be reopened; their old ones stay in use, and the others are reopened all the same.
    pub fn reopen(&self) -> Result<(), Error> {
        let mut state = self.state();
        let files = state.handlers.iter_mut().filter_map(OpenHandler::file);
        let failed: Vec<Error> = files.filter_map(|file| file.reopen().err()).collect();
        if failed.is_empty() { Ok(()) } else { Err(Error::Several(failed)) }
    }

    /// The descriptors of the open log files, for a program that executes itself again. They are close-on-exec, and valid
    /// until the next record or reopening.
    #[must_use]
    pub fn descriptors(&self) -> Vec<RawFd> {
        let mut state = self.state();
        let files = state.handlers.iter_mut().filter_map(OpenHandler::file);
        files.filter_map(|file| file.descriptor()).collect()
    }

    /// A panic while logging leaves nothing inconsistent, so poisoning is ignored.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
