//! The contract between the network (`zeo`) and the disk (`filestorage`): what a storage of object revisions can do.
//!
//! A storage is a sequence of transactions. Each has an id ([`Tid`]) later than all before it and gives new revisions to
//! some objects ([`Oid`]). A transaction is made in three steps. It is collected outside of the storage ([`Transaction`]);
//! no lock is held. [`Storage::vote`] checks it and writes it where no reader sees it; one transaction at a time is between
//! its vote and its finish, which whoever calls must see to (the commit lock). [`Storage::finish`] fixes its place in the
//! order and returns; the next vote may follow at once. When it is durable it is published, in the order of the
//! transactions: visible to readers, told to the [`Audience`], answered to its committer. So several transactions may
//! share one fsync(2), and none is seen or answered before it would survive a power failure.
//!
//! Reads come from any number of threads and never wait for a commit.
//!
//! It must not know of sockets, message formats or files.

mod errand;
mod error;
mod id;
mod memory;
mod spool;
mod stamp;
mod transaction;

pub use errand::{Carrier, Errand};
pub use error::Error;
pub use id::{Oid, Tid};
pub use memory::MemoryStorage;
pub use spool::{Piece, Spool};
pub use transaction::{Conflict, Meta, Operation, Serial, Step, Transaction};

use std::sync::Arc;

/// Where the data of a revision were put, and when they held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// The transaction that made it.
    pub start: Tid,
    /// The transaction that made the next one; `None`: it is the current one.
    pub end: Option<Tid>,
}

/// A vote that holds the storage until it is finished or aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub u64);

/// What a vote came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vote {
    /// The transaction is written; `changed` are objects whose data the storage itself decided (undo).
    Written {
        /// For [`Storage::finish`] or [`Storage::abort`].
        ticket: Ticket,
        /// The transaction's id.
        tid: Tid,
        /// Objects whose data are not those that the committer sent.
        changed: Vec<Oid>,
    },
    /// Nothing is written: these stores do not build on the current revision of their object. All of them are listed. A
    /// later store of the same object in the same transaction that does so cancels the conflict.
    Conflicts(Vec<Conflict>),
}

/// A transaction at the moment of its publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published<'a> {
    /// Its id.
    pub tid: Tid,
    /// The objects that it changed, each once.
    pub oids: &'a [Oid],
    /// Objects in the storage from then on.
    pub length: u64,
    /// Size of the storage in bytes from then on.
    pub size: u64,
}

/// Who is told of every transaction, in their order, from one thread at a time.
pub trait Audience: Send + Sync {
    /// The transaction is durable. `make_visible` lets readers see it, and must be called exactly once, under whatever
    /// lock ties "what a reader sees" to "what its client has been told".
    fn publish(&self, transaction: &Published<'_>, make_visible: &mut dyn FnMut());

    /// All of a group are published and answered: nothing is to be kept back any more. May overlap with the next group.
    fn send(&self) {}
}

/// What becomes of a finish: called once, right after the transaction was published, or with why it never will be.
pub type Finished = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// What a storage can and cannot do, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traits {
    /// As `get_info` tells it: the path of the data file.
    pub name: String,
    /// Nothing may be written.
    pub read_only: bool,
    /// `undo`, `undo_log` and `Operation::Undo` work.
    pub undo: bool,
    /// `next_record` works.
    pub record_iteration: bool,
    /// The interfaces of `ZODB.interfaces` that it offers, in resolution order.
    pub interfaces: &'static [&'static str],
}

/// One entry of an object's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The transaction.
    pub tid: Tid,
    /// Its description of itself.
    pub meta: Meta,
    /// Length of the data in bytes; 0 where the record points at earlier data.
    pub size: u64,
}

/// Bytes that the entries of a history may take together.
pub const HISTORY: usize = 64 << 20;

impl HistoryEntry {
    /// Puts it behind the others.
    ///
    /// # Errors
    /// [`Error::Transaction`]: they would take more than [`HISTORY`] bytes; `taken` is what they take.
    pub fn add_to(self, entries: &mut Vec<Self>, taken: &mut usize) -> Result<(), Error> {
        let Meta { user, description, extension, .. } = &self.meta;
        *taken += size_of::<Self>() + user.len() + description.len() + extension.len();
        if *taken > HISTORY {
            let most = entries.len();
            return Err(Error::Transaction(format!(
                "the history is too long to be told; ask for {most} revisions"
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
    /// What cannot be read.
    fn next(&mut self) -> Result<Option<(Tid, Meta)>, Error>;

    /// The records of the transaction that `next` gave last, from its first.
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
    /// What cannot be read.
    fn next(&mut self) -> Result<Option<Record>, Error>;
}

/// A storage. All methods may be called from any thread.
pub trait Storage: Send + Sync {
    /// What it can do.
    fn traits(&self) -> Traits;

    /// Sets who is told of transactions; before the first vote, and once.
    fn attach(&self, audience: Arc<dyn Audience>);

    /// The last published transaction; [`Tid::ZERO`] when there is none.
    fn last_tid(&self) -> Tid;

    /// Objects in it.
    fn length(&self) -> u64;

    /// Its size in bytes: the end of the last published transaction.
    fn size(&self) -> u64;

    /// The last revision of an object from before a transaction: appends its data to `data`. `None`: the object is
    /// younger. `data` is as it was after an error and after `None`.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`]: it is unknown, or that revision is its deletion.
    fn load_before(&self, oid: Oid, before: Tid, data: &mut Vec<u8>) -> Result<Option<Revision>, Error>;

    /// The data that a transaction gave an object.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`]: it did not.
    fn load_serial(&self, oid: Oid, tid: Tid) -> Result<Vec<u8>, Error>;

    /// The transaction of the current revision.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`]: it is unknown or deleted.
    fn current_tid(&self, oid: Oid) -> Result<Tid, Error>;

    /// The last `size` revisions of an object, newest first.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`]: it is unknown. [`Error::Transaction`]: they have more to say than [`HISTORY`] bytes.
    fn history(&self, oid: Oid, size: usize) -> Result<Vec<HistoryEntry>, Error>;

    /// `count` ids that no object has and that are given to nobody else, as the first of a row.
    ///
    /// # Errors
    /// [`Error::ReadOnly`].
    fn new_oids(&self, count: u32) -> Result<Oid, Error>;

    /// The first object at or after `from`; `None`: there is none.
    ///
    /// # Errors
    /// What cannot be read.
    fn next_record(&self, from: Oid) -> Result<Option<Current>, Error>;

    /// The last `count` transactions, oldest first, with the objects of each.
    ///
    /// # Errors
    /// What cannot be read.
    fn last_transactions(&self, count: usize) -> Result<Vec<(Tid, Vec<Oid>)>, Error>;

    /// Walks the published transactions from `start` to `stop`, both inclusive.
    ///
    /// # Errors
    /// What cannot be opened.
    fn iterate(&self, start: Option<Tid>, stop: Option<Tid>) -> Result<Box<dyn TransactionIterator>, Error>;

    /// An empty transaction, which keeps what is too much for memory near the storage.
    fn begin(&self, meta: Meta) -> Transaction {
        Transaction::new(meta)
    }

    /// Checks a transaction and writes it; it holds the storage until its ticket is finished or aborted. After an error and
    /// after conflicts nothing of it is left, and the storage is free.
    ///
    /// # Errors
    /// [`Error::ReadConflict`], [`Error::Conflict`] (of a delete), [`Error::NoSuchObject`], [`Error::ReadOnly`],
    /// [`Error::Quota`], or what could not be written.
    fn vote(&self, transaction: &mut Transaction) -> Result<Vote, Error>;

    /// Gives a voted transaction its place in the order and returns; `finished` is called, perhaps on another thread, when
    /// it is published. The storage is free for the next vote. With an errand nothing happens until it is run or dropped;
    /// without one, others are at it or all is done.
    fn finish(&self, ticket: Ticket, finished: Finished) -> Option<Errand>;

    /// Takes a voted transaction back; the storage is free.
    fn abort(&self, ticket: Ticket);

    /// Waits for what was finished, and saves what makes the next start quick. Nothing may be called after it.
    ///
    /// # Errors
    /// What could not be written; the data are safe nevertheless.
    fn close(&self) -> Result<(), Error>;
}
