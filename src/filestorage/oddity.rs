//! What is odd about a data file and does not by itself keep it from being read.

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use super::LOGGER;
use crate::eventlog::EventLog;

/// Something odd, at some position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// A transaction is not later than the one before.
    TimeReduction,
    /// A transaction has an unknown status, or that of an unfinished one in front of others.
    Status(u8),
    /// A transaction has a wrong length before or behind its records, which are whole.
    Length,
    /// A record names another transaction than the one that it is in.
    RecordTid,
    /// A record does not point at the object's previous one.
    Previous,
    /// A record takes its data from a place where the object has none.
    BackPointer,
    /// There is no whole transaction up to where the next one begins.
    Passed {
        /// Where that is.
        to: u64,
    },
}

impl Display for Oddity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeReduction => f.write_str("a transaction that is not later than the one before"),
            Self::Status(status) => write!(f, "a transaction of unknown status {:?}", char::from(*status)),
            Self::Length => f.write_str("a transaction with a wrong length, which is read by its records"),
            Self::RecordTid => f.write_str("a record of another transaction than the one that it is in"),
            Self::Previous => f.write_str("a record that does not point at the previous one of its object"),
            Self::BackPointer => f.write_str("a record that points at no data of its object"),
            Self::Passed { to } => write!(f, "damage up to byte {to}, in front of whole transactions"),
        }
    }
}

/// Logs the first oddities, and how many more there were: a file may have one in each record.
pub(super) struct Oddities<'a> {
    log: &'a EventLog,
    path: &'a Path,
    seen: u64,
}

impl<'a> Oddities<'a> {
    const MAX_LINES: u64 = 20;

    /// Those of a data file.
    pub(super) fn new(log: &'a EventLog, path: &'a Path) -> Self {
        Self { log, path, seen: 0 }
    }

    /// One more.
    pub(super) fn report(&mut self, odd: Oddity, at: u64) {
        self.seen += 1;
        if self.seen <= Self::MAX_LINES {
            let path = self.path.display();
            self.log.warning(LOGGER, format_args!("{path} has {odd}, at byte {at}"));
        }
    }

    /// That was all.
    pub(super) fn report_others(&self) {
        if let Some(more) = self.seen.checked_sub(Self::MAX_LINES).filter(|more| *more > 0) {
            let path = self.path.display();
            self.log.warning(LOGGER, format_args!("{path} has {more} more such oddities"));
        }
    }
}
