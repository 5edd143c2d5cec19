//! Why a storage does not do what it was asked.

use std::path::PathBuf;

use thiserror::Error;

use super::{Oid, Tid};
use crate::sys::system_error::SystemError;

/// What a storage refuses or fails at. `zeo` turns each into the exception that the Python clients know.
#[derive(Debug, Clone, Error)]
pub enum Error {
    /// The object, or this revision of it, does not exist.
    #[error("no object {0}")]
    NoSuchObject(Oid),
    /// An object was changed that builds on another revision than the current one.
    #[error("conflict on object {oid}: current is {committed}")]
    Conflict {
        /// The object.
        oid: Oid,
        /// Its current transaction.
        committed: Tid,
        /// The one that was built on.
        given: Tid,
    },
    /// An object that a transaction depends on is not at the revision that it read.
    #[error("object {oid} was changed in {committed}, not in {given}")]
    ReadConflict {
        /// The object.
        oid: Oid,
        /// Its current transaction.
        committed: Tid,
        /// The one that was read.
        given: Tid,
    },
    /// There is no such transaction to undo.
    #[error("no transaction {0}")]
    NoSuchTransaction(Tid),
    /// A transaction of which a pack may have removed a part.
    #[error("transaction {0} was packed and cannot be undone")]
    Packed(Tid),
    /// These objects keep a transaction from being undone.
    #[error("{}", cannot_undo(.0))]
    Undo(Vec<(Oid, NotUndone)>),
    /// Nothing may be written: so configured, or the disk failed earlier.
    #[error("the storage is read-only")]
    ReadOnly,
    /// The data file may not grow further.
    #[error("the quota of the storage has been exceeded")]
    Quota,
    /// The storage has no such ability.
    #[error("{0} is not offered by this storage")]
    Unsupported(&'static str),
    /// Only with [`Wait::Refused`](super::Wait): the call would have to wait.
    #[error("the call would have to wait")]
    WouldWait,
    /// What the storage relies on cannot be reached at the moment; a later attempt may succeed.
    #[error("the storage is not available: {0}")]
    Unavailable(String),
    /// Only one at a time.
    #[error("{0}")]
    Busy(&'static str),
    /// It was ended before it was done, and has changed nothing.
    #[error("cancelled")]
    Cancelled,
    /// The disk has not enough room for what is to be written.
    #[error("{needed} bytes are needed, the file system has {free}")]
    NoRoom {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The transaction or iterator does not fit the moment.
    #[error("{0}")]
    Transaction(String),
    /// The data on the disk contradict themselves.
    #[error("{}: {what} at byte {at}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Offset in it.
        at: u64,
        /// What is wrong there.
        what: String,
    },
    /// The system failed.
    #[error(transparent)]
    System(#[from] SystemError),
}

/// Why an object cannot go back to what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotUndone {
    /// The transaction made it, and it was changed since.
    ChangedSinceAdded,
    /// It was changed since, in a manner that cannot be merged.
    Changed,
    /// It was deleted since.
    Deleted,
    /// It was changed since, and did not exist before: there is nothing to merge with.
    NoDataBefore,
}

fn cannot_undo(objects: &[(Oid, NotUndone)]) -> String {
    let others = objects.len().saturating_sub(1);
    objects.first().map_or_else(String::new, |(oid, why)| {
        let why = match why {
            NotUndone::ChangedSinceAdded | NotUndone::Changed => "was changed since",
            NotUndone::Deleted => "was deleted",
            NotUndone::NoDataBefore => "was changed since and did not exist before",
        };
        match others {
            0 => format!("cannot undo: object {oid} {why}"),
            _ => format!("cannot undo: object {oid} {why}, and {others} others"),
        }
    })
}

impl Error {
    /// A finish without an accepted vote.
    #[must_use]
    pub fn not_voted() -> Self {
        Self::Transaction("this transaction has not been voted on".to_owned())
    }

    /// A second vote on what has been accepted.
    #[must_use]
    pub fn voted_already() -> Self {
        Self::Transaction("this transaction has been voted on".to_owned())
    }

    /// The records are asked for of a walk that has not begun or has ended.
    #[must_use]
    pub fn no_current_transaction() -> Self {
        Self::Transaction("the iterator is at no transaction".to_owned())
    }
}
