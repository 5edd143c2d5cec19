//! The lines that `runzeo` itself writes to the log, apart from those of the network and of the storages.

use std::fmt::Arguments;
use std::process;
use std::sync::Arc;

use crate::eventlog::{EventLog, Level};

/// The name that they have in the log, as those of Python's.
const LOGGER: &str = "ZEO.runzeo";

/// Writes them with the number of the process in front, as Python's server does.
#[derive(Clone)]
pub(super) struct Journal(Arc<EventLog>);

impl Journal {
    pub(super) fn new(log: Arc<EventLog>) -> Self {
        Self(log)
    }

    /// The whole log, for the network and the storages.
    pub(super) fn log(&self) -> &Arc<EventLog> {
        &self.0
    }

    #[track_caller]
    pub(super) fn write(&self, level: Level, message: Arguments<'_>) {
        self.0.log(level, LOGGER, format_args!("({}) {message}", process::id()));
    }

    #[track_caller]
    pub(super) fn info(&self, message: Arguments<'_>) {
        self.write(Level::INFO, message);
    }

    #[track_caller]
    pub(super) fn warning(&self, message: Arguments<'_>) {
        self.write(Level::WARNING, message);
    }

    #[track_caller]
    pub(super) fn error(&self, message: Arguments<'_>) {
        self.write(Level::ERROR, message);
    }
}
