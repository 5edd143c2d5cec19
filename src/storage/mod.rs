//! The contract between the network (`zeo`) and what keeps the data (`filestorage`, memory, later a database): what a
//! storage of object revisions can do.
//!
//! A storage is a sequence of transactions. Each has an id ([`Tid`]) later than all before it and gives new revisions to
//! some objects ([`Oid`]). A commit has four steps:
//!
//! 1. [`Storage::begin`] and [`Transaction::push`] collect the operations; no lock is held.
//! 2. [`Transaction::vote`] takes the storage's commit lock, judges the operations and writes them where no reader sees
//!    them. The transaction holds the lock until it is finished or dropped. A vote that is refused releases it at once.
//! 3. [`Transaction::finish`] fixes its place in the order and releases the lock; the next vote may follow at once.
//! 4. When it is durable it is published, in the order of the transactions: visible to readers, announced to the
//!    [`CommitListener`], answered to its committer. Several transactions may share one fsync(2), and none is visible or
//!    answered before it would survive a power failure.
//!
//! A transaction that is dropped is aborted, wherever it is before its finish: no lock can be left behind.
//!
//! Votes count finished transactions that are not published yet. A conflict names published revisions only, so that
//! the committer can load the revision that won: a vote waits for the publication of what it lost to, and is judged anew
//! if that was lost.
//!
//! The tid may be known at the vote (a file) or only at the publication (a database that several servers write to). The
//! second kind publishes transactions of other processes as well: they have no [`Completion`].
//!
//! Reads come from any number of threads. Every method may keep its thread as long as the disk or the network takes, but
//! for [`Storage::info`], [`Storage::stats`], [`Storage::subscribe`], [`Storage::begin`] and [`Transaction::push`], and for
//! those that are called with [`Wait::Refused`].
//!
//! What not every storage can do is a trait of its own, which [`Storage`] has an accessor for: the accessor is the flag.
//! Each ability comes with the first storage that has it: `blobs()` (open the blob of a revision for reading) with an operation
//! that takes over a written file.
//!
//! `tests/storage` is the contract as tests, over every storage.
//!
//! It must not know of sockets, message formats or of Python's names for what a storage can do.

mod ability;
mod draft;
mod error;
mod id;
mod judge;
mod lock;
mod memory;
mod next_ids;
mod pack;
mod spool;
mod stamp;

pub use ability::{
    Current, CurrentRecords, Diverged, History, HistoryEntry, MAX_HISTORY_BYTES, Merge, Record,
    RecordIterator, TransactionIterator, Undo, Undoable,
};
pub use draft::{Conflict, Draft, Meta, Operation, Serial, Step};
pub use error::{Error, NotUndone};
pub use id::{Oid, Tid};
pub use judge::{Change, Judgement, Lookup, NewRecord, Present, judge};
pub use lock::lock;
pub use memory::MemoryStorage;
pub use next_ids::{next_oids, next_tid};
pub use pack::{Pack, PackOutcome, PackPhase, PackProgress, ReadReferences};
pub use spool::{Spool, SpoolRange, SpoolSpace};

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Whether a call may keep its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It may, as long as the disk, the network or another transaction takes.
    Allowed,
    /// It may wait for the disk or the network. Where the work itself is long (a walk back through hundreds of revisions) it ends
    /// with [`Error::WouldWait`] and has had no effect.
    Brief,
    /// It may not: where it would have to wait, or the work is long, it ends with [`Error::WouldWait`] and has had no effect.
    Refused,
}

/// What a storage is. All of it is at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its name, for people: the path of the data file.
    pub name: String,
    /// Nothing may be written, by configuration or since the disk failed.
    pub read_only: bool,
    /// Clients learn that they may copy transactions of other storages into it ([`Operation::Restore`]).
    pub restore: bool,
    /// Clients learn that they may delete objects ([`Operation::Delete`]).
    pub delete: bool,
}

/// The state after the last published transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// That transaction; [`Tid::ZERO`]: there is none.
    pub last_tid: Tid,
    /// Objects in the storage. Deleted ones may count until a pack.
    pub objects: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// When the data of a revision held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// The transaction that made it.
    pub start: Tid,
    /// The transaction that made the next one; `None`: it is the current one.
    pub end: Option<Tid>,
}

/// The outcome of a vote that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vote {
    /// The transaction is written and holds the commit lock until it is finished or dropped.
    Accepted {
        /// The transaction's id, where it is known already.
        tid: Option<Tid>,
        /// Objects whose data are not those that the committer sent (undo).
        changed: Vec<Oid>,
    },
    /// Nothing is written and the commit lock is free: these stores do not build on the current revision of their object.
    /// All of them are listed. A later store of the same object in the same transaction that does cancels the conflict;
    /// then the transaction may be voted on again.
    Conflicts(Vec<Conflict>),
}

/// What is to be called when a finished transaction is published, or never will be.
pub struct Completion {
    /// The committer, by a number of the caller's choice: the [`CommitListener`] finds it in [`Published`].
    pub committer: u64,
    call: Box<dyn FnOnce(Result<Tid, Error>) + Send>,
}

impl Completion {
    /// Calls `call` once, perhaps on another thread, with the transaction's id or with why it was lost.
    pub fn new(committer: u64, call: impl FnOnce(Result<Tid, Error>) + Send + 'static) -> Self {
        Self { committer, call: Box::new(call) }
    }

    /// Calls it.
    pub fn call(self, outcome: Result<Tid, Error>) {
        (self.call)(outcome);
    }
}

/// A durable transaction at the moment of its publication.
pub struct Published {
    /// Its id.
    pub tid: Tid,
    /// The objects that it changed, each once.
    pub oids: Vec<Oid>,
    /// Objects in the storage from then on.
    pub objects: u64,
    /// Size of the storage in bytes from then on.
    pub bytes: u64,
    /// The committer's; `None`: another process made the transaction, or the completion has been called.
    pub completion: Option<Completion>,
}

/// Hears of every published transaction, in their order, from one thread at a time.
pub trait CommitListener: Send + Sync {
    /// A group of transactions is durable. `make_visible` lets readers see all of them; the listener calls it exactly once,
    /// under the lock that ties what a reader sees to what its client has been sent. The listener may take and call each
    /// [`Completion`] at its turn between the announcements; the storage calls those that are left.
    fn committed(&self, group: &mut [Published], make_visible: &mut dyn FnMut());

    /// Nothing can be written any more; why is in the log. What is durable can still be read.
    fn failed(&self) {}
}

/// A transaction until its finish. Dropped, it is aborted.
pub trait Transaction: Send {
    /// Adds an operation; they are carried out in order, at the vote. Takes only memory and, for large transactions, space in
    /// a temporary file.
    ///
    /// # Errors
    /// What cannot be kept or is not supported; the transaction is then good for nothing but to be dropped.
    fn push(&mut self, operation: Operation) -> Result<(), Error>;

    /// Takes the commit lock, when the transaction that holds it is finished or dropped, and judges and writes this one.
    /// After an error nothing of it is written and the lock is free.
    ///
    /// # Errors
    /// [`Error::ReadConflict`], [`Error::Conflict`] (of a delete), [`Error::NoSuchObject`], [`Error::NoSuchTransaction`],
    /// [`Error::Packed`] and [`Error::Undo`] (of an undo), [`Error::ReadOnly`], [`Error::Quota`], [`Error::Unavailable`], or what could not be read or written. With [`Wait::Refused`] also
    /// [`Error::WouldWait`]: the vote may be tried again.
    fn vote(&mut self, wait: Wait) -> Result<Vote, Error>;

    /// Gives the accepted transaction its place in the order and releases the commit lock. `completion` is called when it is
    /// published, or with the reason why it never will be: the disk failed, or it was not voted on.
    fn finish(self: Box<Self>, completion: Completion);
}

/// A storage. All methods may be called from any thread.
pub trait Storage: Send + Sync {
    /// What it is.
    fn info(&self) -> Info;

    /// Its state, read as a whole.
    fn stats(&self) -> Stats;

    /// Sets the listener for published transactions; once, before the first transaction.
    fn subscribe(&self, listener: Arc<dyn CommitListener>);

    /// The last revision of an object from before a transaction: appends its data to `data`. `None`: the object is
    /// younger. `data` is as it was after an error and after `None`.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`]: it is unknown, or that revision is its deletion. [`Error::WouldWait`], if `wait` says so. What
    /// cannot be read.
    fn load_before(
        &self,
        oid: Oid,
        before: Tid,
        wait: Wait,
        data: &mut Vec<u8>,
    ) -> Result<Option<Revision>, Error>;

    /// The data that a transaction gave an object.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`]: it gave it none. [`Error::WouldWait`], if `wait` says so. What cannot be read.
    fn load_serial(&self, oid: Oid, tid: Tid, wait: Wait) -> Result<Vec<u8>, Error>;

    /// The transaction of the current revision.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`]: it is unknown or deleted. What cannot be read.
    fn current_tid(&self, oid: Oid) -> Result<Tid, Error>;

    /// Ids that no object has and that are given out once: at least one, at most `count`.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; [`Error::Transaction`]: there are none left. [`Error::Unavailable`].
    fn new_oids(&self, count: u32) -> Result<RangeInclusive<u64>, Error>;

    /// The last `count` published transactions, oldest first, with the objects of each; fewer, or none, where the storage does
    /// not know more.
    ///
    /// # Errors
    /// What cannot be read.
    fn last_transactions(&self, count: usize) -> Result<Vec<(Tid, Vec<Oid>)>, Error>;

    /// The last published transaction and all objects that were changed after `since`; `None`: they are more than `limit`, or
    /// the storage does not know.
    ///
    /// # Errors
    /// [`Error::WouldWait`], if `wait` says so. What cannot be read.
    fn changes_since(
        &self,
        since: Tid,
        limit: usize,
        wait: Wait,
    ) -> Result<Option<(Tid, BTreeSet<Oid>)>, Error>;

    /// An empty transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    fn begin(&self, meta: Meta) -> Result<Box<dyn Transaction>, Error>;

    /// Waits for what was finished, and saves what makes the next start quick. Nothing may be called after it.
    ///
    /// # Errors
    /// What could not be written; the data are safe nevertheless.
    fn close(&self) -> Result<(), Error>;

    /// Earlier revisions and transactions can be listed.
    fn history(&self) -> Option<&dyn History> {
        None
    }

    /// What is not needed any more can be removed.
    fn pack(&self) -> Option<&dyn Pack> {
        None
    }

    /// Current records can be walked through by id.
    fn current_records(&self) -> Option<&dyn CurrentRecords> {
        None
    }

    /// Transactions can be undone.
    fn undo(&self) -> Option<&dyn Undo> {
        None
    }
}
