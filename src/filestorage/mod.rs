//! A storage in one file, the format of ZODB's FileStorage to the byte: Python's programs read what this writes, and the
//! other way round. docs/filestorage.md has the layout and what happens at a crash.
//!
//! The file is a log: a transaction is added at its end and never changed, but for the one byte that says that it is
//! finished. So whoever knows where the last finished transaction ends (a [`Snapshot`]) reads without a
//! lock. In memory is only where the current record of each object is (the [`Index`]); it is made from the
//! file, and saved at the end only to make the next start quick.
//!
//! Promises: a transaction that was answered survives a power failure as a whole; one that was not is there as a whole or
//! not at all, and if there, then only together with all before it. A record is seen by readers when it is durable, and not
//! before. Nothing that a file may contain makes the process panic or take memory beyond the file's own size.
//!
//! Bottom up: `format` (bytes and values), `disk` (calls), `guess` and `snapshot` (records), `index`, `index_file`, `scan`; `open`;
//! `read` and `walk`; `vote` (judging), `write`, `under_way` and `commit` (the way of a transaction), `syncer` (to the
//! disk).
//!
//! It must not know of connections, or of what is in a record.

mod commit;
pub mod disk;
pub mod format;
mod guess;
mod index;
mod index_file;
mod index_older;
mod open;
mod read;
mod scan;
mod snapshot;
mod syncer;
#[cfg(test)]
mod tests;
mod under_way;
mod vote;
mod walk;
mod write;

pub use open::Options;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{self, JoinHandle};

use self::disk::{Beside, Disk, Place};
use self::guess::Guess;
use self::index::Index;
use self::snapshot::{Snapshot, failed};
use self::under_way::Commit;
use self::vote::Now;
use crate::eventlog::EventLog;
use crate::storage::{
    Audience, Current, Errand, Error, Finished, HistoryEntry, Meta, Oid, Revision, Storage, Ticket, Tid,
    Traits, Transaction, TransactionIterator, Vote,
};
use crate::sys::files;

/// Under this name it speaks in the log.
const LOGGER: &str = "ZODB.FileStorage";

/// An open data file.
pub struct FileStorage {
    core: Arc<Core>,
    syncer: Mutex<Option<JoinHandle<()>>>,
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

/// What the threads share.
struct Core {
    path: Arc<Path>,
    place: Box<dyn Place>,
    log: Arc<EventLog>,
    quota: Option<u64>,
    /// So configured, or the disk failed.
    read_only: AtomicBool,
    published: RwLock<Visible>,
    /// How much of a record is read at first.
    guess: Guess,
    commit: Mutex<Commit>,
    /// There is something in the queue, or the storage is closed.
    work: Condvar,
    /// Nothing is in the queue or being published.
    idle: Condvar,
    /// Up to here there is space on the disk.
    reserved: AtomicU64,
    /// In use or handed out.
    largest_oid: Mutex<u64>,
    audience: OnceLock<Arc<dyn Audience>>,
}

/// What readers see. All of it belongs together: a pack replaces it as a whole.
struct Visible {
    disk: Arc<dyn Disk>,
    index: Index,
    end: u64,
    last: Tid,
}

impl Visible {
    fn snapshot(&self, path: &Arc<Path>) -> Snapshot {
        Snapshot { disk: self.disk.clone(), path: path.clone(), end: self.end }
    }
}

impl Core {
    fn published(&self) -> RwLockReadGuard<'_, Visible> {
        self.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets readers see a transaction.
    fn publish(&self, tid: Tid, end: u64, records: &[(Oid, Now)]) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        for (oid, now) in records {
            published.index.insert(*oid, now.at);
        }
        (published.end, published.last) = (end, tid);
    }
}

/// A thread that panicked while it held a lock left no half-done change: each is a single step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FileStorage {
    /// Opens the data file `path`; warnings about it go to `log`.
    ///
    /// # Errors
    /// It cannot be opened, another program has it, or it is damaged in the middle.
    pub fn open(path: &Path, options: &Options, log: Arc<EventLog>) -> Result<Self, Error> {
        Self::open_at(Box::new(Beside::new(path.to_owned())), path.to_owned(), options, log)
    }

    /// Opens the data file of a place, which messages call `path`.
    ///
    /// # Errors
    /// As [`FileStorage::open`].
    pub fn open_at(
        place: Box<dyn Place>,
        path: PathBuf,
        options: &Options,
        log: Arc<EventLog>,
    ) -> Result<Self, Error> {
        let path: Arc<Path> = path.into();
        let opened = open::open(&*place, &path, options, &log)?;
        let open::Opened { disk, index, end, last, read_only, lock } = opened;
        let largest = index.last().map_or(0, |oid| oid.0);
        let core = Arc::new(Core {
            path: path.clone(),
            place,
            log,
            quota: options.quota,
            read_only: AtomicBool::new(read_only),
            published: RwLock::new(Visible { disk, index, end, last }),
            guess: Guess::default(),
            commit: Mutex::new(Commit::after(end, last)),
            work: Condvar::new(),
            idle: Condvar::new(),
            reserved: AtomicU64::new(0),
            largest_oid: Mutex::new(largest),
            audience: OnceLock::new(),
        });
        let syncer = if read_only {
            None
        } else {
            let core = core.clone();
            let spawned = thread::Builder::new().name("sync".to_owned()).spawn(move || syncer::run(&core));
            Some(spawned.map_err(|error| failed("start a thread for", &path, error))?)
        };
        Ok(Self { core, syncer: Mutex::new(syncer), lock: Mutex::new(lock) })
    }

    /// Lets the thread do what is left, and waits for it.
    fn stop(&self) {
        self.core.abort_any();
        locked(&self.core.commit).closing = true;
        self.core.work.notify_one();
        // That thread itself may have let go of the last reference, in the middle of its work; it ends after it.
        let own = |thread: &JoinHandle<()>| thread.thread().id() == thread::current().id();
        if let Some(thread) = locked(&self.syncer).take().filter(|thread| !own(thread)) {
            // Its panic has been told where it happened.
            let _ = thread.join();
            self.core.release_reserved();
        }
    }
}

impl Drop for FileStorage {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Storage for FileStorage {
    fn traits(&self) -> Traits {
        Traits {
            name: self.core.path.to_string_lossy().into_owned(),
            read_only: self.core.read_only.load(Ordering::Acquire),
            undo: false,
            record_iteration: true,
            interfaces: &[
                "IStorageRestoreable",
                "IStorageIteration",
                "IStorageUndoable",
                "IStorageCurrentRecordIteration",
                "IExternalGC",
                "IStorage",
            ],
        }
    }

    fn attach(&self, audience: Arc<dyn Audience>) {
        // A second one would break the contract; the first goes on.
        let _ = self.core.audience.set(audience);
    }

    fn last_tid(&self) -> Tid {
        self.core.published().last
    }

    fn length(&self) -> u64 {
        self.core.published().index.length()
    }

    fn size(&self) -> u64 {
        self.core.published().end
    }

    fn load_before(&self, oid: Oid, before: Tid, data: &mut Vec<u8>) -> Result<Option<Revision>, Error> {
        self.core.load_before(oid, before, data)
    }

    fn load_serial(&self, oid: Oid, tid: Tid) -> Result<Vec<u8>, Error> {
        self.core.load_serial(oid, tid)
    }

    fn current_tid(&self, oid: Oid) -> Result<Tid, Error> {
        self.core.current_tid(oid)
    }

    fn history(&self, oid: Oid, size: usize) -> Result<Vec<HistoryEntry>, Error> {
        self.core.history(oid, size)
    }

    fn new_oids(&self, count: u32) -> Result<Oid, Error> {
        if self.core.read_only.load(Ordering::Acquire) {
            return Err(Error::ReadOnly);
        }
        let mut largest = locked(&self.core.largest_oid);
        let none_left = || Error::Transaction("there are no object ids left".to_owned());
        let first = largest.checked_add(1).map(Oid).ok_or_else(none_left)?;
        let last = largest.checked_add(u64::from(count)).ok_or_else(none_left)?;
        *largest = last;
        Ok(first)
    }

    fn next_record(&self, from: Oid) -> Result<Option<Current>, Error> {
        self.core.next_record(from)
    }

    fn last_transactions(&self, count: usize) -> Result<Vec<(Tid, Vec<Oid>)>, Error> {
        let snapshot = self.core.published().snapshot(&self.core.path);
        walk::last_transactions(&snapshot, count)
    }

    fn iterate(&self, start: Option<Tid>, stop: Option<Tid>) -> Result<Box<dyn TransactionIterator>, Error> {
        let snapshot = self.core.published().snapshot(&self.core.path);
        Ok(Box::new(walk::Walk::new(snapshot, start, stop)?))
    }

    fn begin(&self, meta: Meta) -> Transaction {
        Transaction::spooled(meta, files::parent(&self.core.path).into())
    }

    fn vote(&self, transaction: &mut Transaction) -> Result<Vote, Error> {
        self.core.vote(transaction)
    }

    fn finish(&self, ticket: Ticket, finished: Finished) -> Option<Errand> {
        self.core.finish(ticket, finished)
    }

    fn abort(&self, ticket: Ticket) {
        self.core.abort(ticket);
    }

    fn close(&self) -> Result<(), Error> {
        self.stop();
        let mut lock = locked(&self.lock);
        // Read-only ones have none.
        if lock.is_none() {
            return Ok(());
        }
        let published = self.core.published();
        let mut write =
            |out: &mut dyn std::io::Write| index_file::write(&published.index, published.end, out);
        let saved = self.core.place.save_index(&mut write);
        *lock = None;
        saved.map_err(|error| failed("save the index of", &self.core.path, error))
    }
}
