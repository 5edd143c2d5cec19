//! What some storages can do and others cannot: a trait for each ability, and the values that it deals in.

use std::ops::ControlFlow;

use super::{Error, Meta, Oid, Tid, Wait};

/// Bytes that the entries of a history may take together.
pub const MAX_HISTORY_BYTES: usize = 64 << 20;

/// A transaction in the history of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The transaction.
    pub tid: Tid,
    /// Its description of itself.
    pub meta: Meta,
    /// Length of the data in bytes, 0 where the record points at earlier data.
    pub size: u64,
}

impl HistoryEntry {
    /// Adds it to the others.
    ///
    /// # Errors
    /// [`Error::Transaction`]: they would take more than [`MAX_HISTORY_BYTES`]; `bytes` counts what they take.
    pub fn add_to(self, entries: &mut Vec<Self>, bytes: &mut usize) -> Result<(), Error> {
        let Meta { user, description, extension, .. } = &self.meta;
        *bytes += size_of::<Self>() + user.len() + description.len() + extension.len();
        if *bytes > MAX_HISTORY_BYTES {
            let count = entries.len();
            return Err(Error::Transaction(format!(
                "the history is too long for one reply; ask for {count} revisions"
            )));
        }
        entries.push(self);
        Ok(())
    }
}

/// A data record of a transaction, as an iteration shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The object.
    pub oid: Oid,
    /// Its data; `None`: from here on the object does not exist.
    pub data: Option<Vec<u8>>,
    /// The transaction of the record that this one points at, if it has no data of its own.
    pub data_tid: Option<Tid>,
}

/// An object as it is now, in a walk through all objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// The object.
    pub oid: Oid,
    /// The transaction of its current revision.
    pub tid: Tid,
    /// Its data.
    pub data: Vec<u8>,
    /// The object after it; `None`: it is the last one.
    pub next: Option<Oid>,
}

/// A walk through the transactions, oldest first, over what was there when it began.
pub trait TransactionIterator: Send {
    /// The next transaction; `None` at the end.
    ///
    /// # Errors
    /// [`Error::WouldWait`], if `wait` says so. What cannot be read.
    fn next(&mut self, wait: Wait) -> Result<Option<(Tid, Meta)>, Error>;

    /// The records of the transaction that `next` returned last, from its first.
    ///
    /// # Errors
    /// What cannot be read; there is no such transaction.
    fn records(&mut self) -> Result<Box<dyn RecordIterator>, Error>;
}

/// A walk through the records of one transaction.
pub trait RecordIterator: Send {
    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// [`Error::WouldWait`], if `wait` says so. What cannot be read.
    fn next(&mut self, wait: Wait) -> Result<Option<Record>, Error>;
}

/// Listing earlier revisions and transactions.
pub trait History: Send + Sync {
    /// The last `size` revisions of an object, newest first.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`]: it is unknown. [`Error::Transaction`]: they take more than [`MAX_HISTORY_BYTES`].
    /// [`Error::WouldWait`], if `wait` says so.
    fn revisions(&self, oid: Oid, size: usize, wait: Wait) -> Result<Vec<HistoryEntry>, Error>;

    /// Walks the published transactions from `start` to `stop`, both inclusive.
    ///
    /// # Errors
    /// [`Error::WouldWait`], if `wait` says so. What cannot be read.
    fn iterate(
        &self,
        start: Option<Tid>,
        stop: Option<Tid>,
        wait: Wait,
    ) -> Result<Box<dyn TransactionIterator>, Error>;
}

/// A transaction that can be undone, as far as its storage can say without a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undoable {
    /// The transaction.
    pub tid: Tid,
    /// Its description of itself.
    pub meta: Meta,
    /// Its length in bytes.
    pub size: u64,
}

/// The data of an object that was changed again since the transaction that is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diverged<'a> {
    /// What the undone transaction made of it: both others come from there.
    pub base: &'a [u8],
    /// The current data.
    pub current: &'a [u8],
    /// The data before the undone transaction.
    pub before: &'a [u8],
}

/// Data with both changes of a diverged object; `None`: they cannot be merged.
pub type Merge = fn(Diverged<'_>) -> Option<Vec<u8>>;

/// Undoing transactions, by [`Operation::Undo`](super::Operation::Undo).
pub trait Undo: Send + Sync {
    /// Calls `visit` with the published transactions that can be undone, newest first, until it breaks off. They are those since
    /// the last one that a pack kept.
    ///
    /// # Errors
    /// [`Error::WouldWait`], if `wait` says so, perhaps after some. What cannot be read.
    fn undoable(&self, wait: Wait, visit: &mut dyn FnMut(Undoable) -> ControlFlow<()>) -> Result<(), Error>;

    /// How to merge objects that have been changed since; once, before the first transaction. Without it such are refused.
    fn merge_with(&self, merge: Merge);
}

/// Walking through the current records of all objects, by id.
pub trait CurrentRecords: Send + Sync {
    /// The first object at or after `from` that exists; `None`: there is none.
    ///
    /// # Errors
    /// [`Error::WouldWait`], if `wait` says so. What cannot be read.
    fn next_record(&self, from: Oid, wait: Wait) -> Result<Option<Current>, Error>;
}
