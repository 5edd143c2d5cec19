//! A storage in one file, the format of ZODB's FileStorage to the byte: Python's programs read what this writes, and the
//! other way round. docs/filestorage.md has the layout and what happens at a crash.
//!
//! The file is a log: a transaction is added at its end and never changed, but for the one byte that says that it is
//! finished. So with the end of the last finished transaction (a snapshot) the file is read without a
//! lock. In memory is only where the current record of each object is (the [`Index`](index::Index)); it is made from the
//! file, and saved at the end only to make the next start quick.
//!
//! Promises: a transaction that was answered survives a power failure as a whole; one that was not is there as a whole or
//! not at all, and if there, then only together with all before it. A record is seen by readers when it is durable, and not
//! before. Nothing that a file may contain makes the process panic or take memory beyond the file's own size.
//!
//! Bottom up: `format` (bytes and values), `disk` (calls), `snapshot` (records), `window`, `damage` (what is whole in spite of
//! it), `walk`, `index`, `index_file`, `oddity`, `scan`, `open`, `inspect`; `plan` and `write` (the records of a transaction), `in_flight` (transactions between vote and publication);
//! `view` (reading), `commit` (voting and finishing), `syncer` (to the disk, and publishing), `transaction` (all of that, for
//! the callers); `pack` (a new file in place of the old one).
//!
//! It must not know of connections, or of what is in a record.

mod commit;
mod damage;
pub mod disk;
pub mod format;
mod in_flight;
mod index;
mod index_file;
mod inspect;
mod oddity;
mod open;
mod pack;
mod plan;
mod read_ahead;
mod scan;
mod snapshot;
mod syncer;
mod transaction;
mod undo;
mod view;
mod walk;
mod window;
mod write;

pub use inspect::Inspected;
pub use open::{CutOff, Options};
pub use pack::PackOptions;

use std::collections::BTreeSet;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use self::commit::Writer;
use self::disk::{Backend, FsBackend};
use self::pack::{Packing, Packs};
use self::snapshot::failed;
use self::transaction::FileTransaction;
use self::view::{State, View};
use crate::eventlog::EventLog;
use crate::storage::{
    CommitListener, CurrentRecords, Draft, Error, History, Info, Merge, Meta, Oid, Pack, PackOutcome,
    PackProgress, ReadReferences, Revision, SpoolSpace, Stats, Storage, Tid, Transaction, Undo, Undoable,
    Wait, lock, next_oids,
};
use crate::sys::files;

/// The name of its lines in the log.
const LOGGER: &str = "ZODB.FileStorage";

/// An open data file.
pub struct FileStorage {
    view: Arc<View>,
    writer: Arc<Writer>,
    spool_space: Arc<SpoolSpace>,
    backend: Box<dyn Backend>,
    syncer: Mutex<Option<JoinHandle<()>>>,
    packs: Packs,
    /// Held until it is closed; a read-only one has none.
    file_lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl FileStorage {
    /// Opens the data file `path`; warnings about it go to `log`.
    ///
    /// # Errors
    /// It cannot be opened, another program has it, or it is damaged in the middle.
    pub fn open(path: &Path, options: &Options, log: Arc<EventLog>) -> Result<Self, Error> {
        Self::open_at(Box::new(FsBackend::new(path.to_owned())), path.to_owned(), options, log)
    }

    /// Opens the data file of a backend, which messages call `path`.
    ///
    /// # Errors
    /// As [`FileStorage::open`].
    pub fn open_at(
        backend: Box<dyn Backend>,
        path: PathBuf,
        options: &Options,
        log: Arc<EventLog>,
    ) -> Result<Self, Error> {
        let path: Arc<Path> = path.into();
        let opened = open::open(&*backend, &path, options, &log)?;
        let open::Opened { disk, index, end, last, read_only, lock } = opened;
        let largest = index.last_up_to(Oid::MAX_FOLLOWED).map_or(0, |oid| oid.0);
        let view = Arc::new(View::new(path.clone(), State { disk, index, end, last }));
        let spool_space = SpoolSpace::of(files::parent(&path).into());
        let writer = Arc::new(Writer::new(view.clone(), log, options.quota, read_only, largest));
        let syncer = if read_only {
            None
        } else {
            let writer = writer.clone();
            let spawned = thread::Builder::new().name("sync".to_owned()).spawn(move || syncer::run(&writer));
            Some(spawned.map_err(|error| failed("start a thread for", &path, error))?)
        };
        let (syncer, file_lock, packs) = (Mutex::new(syncer), Mutex::new(lock), Packs::new(options.pack));
        Ok(Self { view, writer, spool_space, backend, syncer, packs, file_lock })
    }

    /// Reads the data file `path` from end to end, as a start without an index does, and changes nothing: what is wrong with
    /// it. A commit of a server that has the file open is not.
    ///
    /// # Errors
    /// It cannot be read, or is no data file.
    pub fn inspect(path: &Path, log: &EventLog) -> Result<Inspected, Error> {
        let backend = FsBackend::new(path.to_owned());
        let found = inspect::inspect(&backend, path, log)?;
        Ok(Inspected { cut_off: found.cut_off.filter(|_| !backend.is_locked()), ..found })
    }

    /// Ends a pack, lets the syncer do what is left, and waits for both.
    fn stop(&self) {
        self.packs.end();
        self.writer.close();
        // The syncer itself may have dropped the last reference, in the middle of its work; it ends after it.
        let own = |thread: &JoinHandle<()>| thread.thread().id() == thread::current().id();
        if let Some(thread) = lock(&self.syncer).take().filter(|thread| !own(thread)) {
            // A panic in it has ended the process.
            let _ = thread.join();
            self.writer.release_end();
        }
    }
}

impl Undo for FileStorage {
    fn undoable(&self, wait: Wait, visit: &mut dyn FnMut(Undoable) -> ControlFlow<()>) -> Result<(), Error> {
        undo::list(&self.view.snapshot(wait), visit)
    }

    fn merge_with(&self, merge: Merge) {
        // A second one would break the contract; the first goes on.
        let _ = self.writer.merge.set(merge);
    }
}

impl Drop for FileStorage {
    fn drop(&mut self) {
        self.stop();
        self.view.disk().unlock();
    }
}

impl Pack for FileStorage {
    fn pack(
        &self,
        until: Tid,
        references: &mut ReadReferences<'_>,
        progress: &Arc<PackProgress>,
    ) -> Result<PackOutcome, Error> {
        let _running = self.packs.begin(progress)?;
        if self.writer.read_only.load(Ordering::Acquire) {
            return Err(Error::ReadOnly);
        }
        let (writer, backend) = (&*self.writer, &*self.backend);
        Packing { writer, backend, options: self.packs.options, until, progress }.run(references)
    }
}

impl Storage for FileStorage {
    fn info(&self) -> Info {
        Info {
            name: self.view.path.to_string_lossy().into_owned(),
            read_only: self.writer.read_only.load(Ordering::Acquire),
            restore: true,
            delete: true,
        }
    }

    fn stats(&self) -> Stats {
        self.view.stats()
    }

    fn subscribe(&self, listener: Arc<dyn CommitListener>) {
        // A second one would break the contract; the first goes on.
        let _ = self.writer.listener.set(listener);
    }

    fn load_before(
        &self,
        oid: Oid,
        before: Tid,
        wait: Wait,
        data: &mut Vec<u8>,
    ) -> Result<Option<Revision>, Error> {
        self.view.load_before(oid, before, wait, data)
    }

    fn load_serial(&self, oid: Oid, tid: Tid, wait: Wait) -> Result<Vec<u8>, Error> {
        self.view.load_serial(oid, tid, wait)
    }

    fn current_tid(&self, oid: Oid) -> Result<Tid, Error> {
        self.view.current_tid(oid)
    }

    fn new_oids(&self, count: u32) -> Result<RangeInclusive<u64>, Error> {
        if self.writer.read_only.load(Ordering::Acquire) {
            return Err(Error::ReadOnly);
        }
        let mut largest = lock(&self.writer.largest_oid);
        let given = next_oids(*largest, count)?;
        *largest = *given.end();
        Ok(given)
    }

    fn last_transactions(&self, count: usize) -> Result<Vec<(Tid, Vec<Oid>)>, Error> {
        let (found, damage) = walk::last_transactions(&self.view.snapshot(Wait::Allowed), count)?;
        if let Some(error) = damage {
            let known = found.len();
            let message = format_args!(
                "{error}: only the last {known} transactions are known; caches of clients that saw none of them start anew"
            );
            self.writer.log.warning(LOGGER, message);
        }
        Ok(found)
    }

    fn changes_since(
        &self,
        since: Tid,
        limit: usize,
        wait: Wait,
    ) -> Result<Option<(Tid, BTreeSet<Oid>)>, Error> {
        let (last, snapshot) = self.view.last(wait);
        match walk::changes_since(&snapshot, since, limit) {
            Ok(changed) => Ok(changed.map(|oids| (last, oids))),
            Err(error @ Error::Damaged { .. }) => {
                let message = format_args!("{error}: a client's cache starts anew");
                self.writer.log.warning(LOGGER, message);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn begin(&self, meta: Meta) -> Result<Box<dyn Transaction>, Error> {
        let draft = Draft::spooled(meta, self.spool_space.clone());
        Ok(Box::new(FileTransaction::new(self.writer.clone(), draft)))
    }

    fn close(&self) -> Result<(), Error> {
        self.stop();
        let Some(file_lock) = lock(&self.file_lock).take() else { return Ok(()) };
        let disk = self.view.disk();
        // An index beside another file would be wrong, or worse.
        let named = disk.check_name().map_err(|error| failed("close", &self.view.path, error));
        let saved = named.and_then(|()| {
            let published = self.view.published();
            let mut write =
                |out: &mut dyn std::io::Write| index_file::write(&published.index, published.end, out);
            let saved = self.backend.save_index(&mut write);
            saved.map_err(|error| failed("save the index of", &self.view.path, error))
        });
        disk.unlock();
        drop(file_lock);
        saved
    }

    fn history(&self) -> Option<&dyn History> {
        Some(&*self.view)
    }

    fn pack(&self) -> Option<&dyn Pack> {
        Some(self)
    }

    fn current_records(&self) -> Option<&dyn CurrentRecords> {
        Some(&*self.view)
    }

    fn undo(&self) -> Option<&dyn Undo> {
        Some(self)
    }
}
