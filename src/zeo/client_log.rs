//! Lines of the log about a client of a storage.

use std::fmt::Arguments;
use std::sync::Arc;
use std::time::Instant;

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

    /// A line about a client, if there have not been too many; critical ones always.
    pub fn about(&self, level: Level, peer: &Peer, what: Arguments<'_>) {
        self.line(level, LOGGER, peer, level >= Level::CRITICAL, what);
    }

    /// The last line about a client.
    pub fn disconnected(&self, level: Level, logger: &'static str, peer: &Peer, why: &str) {
        self.line(level, logger, peer, true, format_args!("disconnected: {why}"));
    }

    fn line(&self, level: Level, logger: &'static str, peer: &Peer, must: bool, what: Arguments<'_>) {
        if !self.0.enabled(level) {
            return;
        }
        let Some(suppressed) = peer.admit_line(must, Instant::now()) else { return };
        if suppressed > 0 {
            let lines = if suppressed == 1 { "line" } else { "lines" };
            self.0.log(Level::WARNING, LOGGER, format_args!("({peer}) {suppressed} {lines} more suppressed"));
        }
        self.0.log(level, logger, format_args!("({peer}) {what}"));
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
