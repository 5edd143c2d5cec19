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
    /// Nothing may be written: so configured, or the disk failed earlier.
    #[error("the storage is read-only")]
    ReadOnly,
    /// The data file may not grow further.
    #[error("the quota of the storage has been exceeded")]
    Quota,
    /// The transaction cannot be undone.
    #[error("{0}")]
    Undo(String),
    /// The transaction, ticket or iterator does not fit the moment.
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
