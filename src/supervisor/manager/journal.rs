//! What the manager writes of itself.

use crate::eventlog::{Error, EventLog, Level};

/// Our name in the event log.
const LOGGER: &str = "zdrun";

/// The event log, under the manager's name.
#[derive(Debug)]
pub struct Journal {
    log: EventLog,
    is_configured: bool,
}

impl Journal {
    /// `is_configured`: the log is one of the configuration, and not stderr for want of another.
    pub fn new(log: EventLog, is_configured: bool) -> Self {
        Self { log, is_configured }
    }

    /// Whether an event log is configured; without one, warnings and errors are on stderr.
    pub fn is_configured(&self) -> bool {
        self.is_configured
    }

    /// The log itself, for those parts of the manager that write to it.
    pub fn event_log(&self) -> &EventLog {
        &self.log
    }

    /// Writes a record.
    pub fn write(&self, level: Level, message: &str) {
        self.log.log(level, LOGGER, format_args!("{message}"));
    }

    /// Writes a warning, if there is one.
    pub fn warn(&self, message: Option<String>) {
        if let Some(message) = message {
            self.write(Level::WARNING, &message);
        }
    }

    /// Opens the files of the log anew by their names.
    ///
    /// # Errors
    /// One cannot be opened; the old one is written on.
    pub fn reopen(&mut self) -> Result<(), Error> {
        self.log.reopen()
    }
}
