//! Lines of the log about a client of a storage.

use std::fmt::Arguments;
use std::sync::Arc;

use super::LOGGER;
use super::exception::Exception;
use super::peer::Peer;
use crate::eventlog::{EventLog, Level};

/// Where they go.
#[derive(Clone)]
pub struct ClientLog(Arc<EventLog>);

impl ClientLog {
    /// Into this log.
    pub fn new(log: Arc<EventLog>) -> Self {
        Self(log)
    }

    /// A line about no client.
    pub fn info(&self, what: Arguments<'_>) {
        self.0.log(Level::INFO, LOGGER, what);
    }

    /// A line about a client.
    pub fn about(&self, level: Level, peer: &Peer, what: Arguments<'_>) {
        self.0.log(level, LOGGER, format_args!("({peer}) {what}"));
    }

    /// The line about an exception that a client is sent, unless it is part of normal life.
    pub fn exception(&self, peer: &Peer, method: &str, exception: &Exception) {
        if !exception.expected {
            self.about(Level::ERROR, peer, format_args!("{method}: {}", exception.describe()));
        }
    }

    /// Does what concerns the commit lock: a panic there, in whichever task, would leave it taken for ever, so that it ends
    /// the process.
    pub fn or_end<R>(&self, doing: Arguments<'_>, work: impl FnOnce() -> R) -> R {
        self.0.or_end(LOGGER, doing, work)
    }
}
