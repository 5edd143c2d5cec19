//! The contract of `zeo_server::storage`, as tests that run over every storage. Another one is a line in [`all`].

mod commits;
mod packs;
mod reads;
mod undo;

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::storage::{
    CommitListener, Completion, Conflict, Error, MemoryStorage, Meta, Oid, Operation, Published, Storage,
    Tid, Transaction, Vote, Wait,
};

use crate::sandbox::forks;

/// Opens a storage, as new or as it was left.
type Open = fn(&TempDir) -> Arc<dyn Storage>;

/// A storage under test.
struct Subject {
    name: &'static str,
    storage: Arc<dyn Storage>,
    /// What is in it when it is opened again; `None`: nothing persists.
    reopen: Option<Open>,
    place: TempDir,
}

/// An empty one of each kind.
fn all() -> Vec<Subject> {
    vec![subject("memory", |_| Arc::new(MemoryStorage::new("m")), None), subject("file", file, Some(file))]
}

fn subject(name: &'static str, open: Open, reopen: Option<Open>) -> Subject {
    let place = tempfile::tempdir().unwrap();
    Subject { name, storage: open(&place), reopen, place }
}

fn file(place: &TempDir) -> Arc<dyn Storage> {
    let log = Arc::new(EventLog::disabled());
    Arc::new(
        forks::apart(|| FileStorage::open(&place.path().join("Data.fs"), &Options::default(), log)).unwrap(),
    )
}

fn store(oid: u64, serial: Tid, data: &[u8]) -> Operation {
    Operation::Store { oid: Oid(oid), serial: Some(serial), data: data.to_vec() }
}

fn begin(storage: &dyn Storage, meta: Meta, operations: Vec<Operation>) -> Box<dyn Transaction> {
    let mut transaction = storage.begin(meta).unwrap();
    for operation in operations {
        transaction.push(operation).unwrap();
    }
    transaction
}

/// Votes; the conflicts, if there are some.
fn vote(transaction: &mut Box<dyn Transaction>) -> Result<Vec<Conflict>, Error> {
    transaction.vote(Wait::Allowed).map(|vote| match vote {
        Vote::Accepted { .. } => Vec::new(),
        Vote::Conflicts(conflicts) => conflicts,
    })
}

fn finish(transaction: Box<dyn Transaction>) -> Receiver<Result<Tid, Error>> {
    let (sender, receiver) = mpsc::channel();
    transaction.finish(Completion::new(7, move |outcome| drop(sender.send(outcome))));
    receiver
}

/// Commits, and waits for the end.
fn commit_as(storage: &dyn Storage, meta: Meta, operations: Vec<Operation>) -> Result<Tid, Error> {
    let mut transaction = begin(storage, meta, operations);
    let conflicts = vote(&mut transaction)?;
    assert_eq!(conflicts, []);
    finish(transaction).recv().unwrap()
}

fn commit(storage: &dyn Storage, operations: Vec<Operation>) -> Result<Tid, Error> {
    commit_as(storage, Meta::default(), operations)
}

/// Data, start and end of the last revision before a transaction.
pub type Loaded = (Vec<u8>, Tid, Option<Tid>);

/// What [`Storage::load_before`] gives; it leaves what was in the buffer.
pub fn load(storage: &dyn Storage, oid: u64, before: Tid) -> Result<Option<Loaded>, Error> {
    let mut data = b"kept".to_vec();
    let found = storage.load_before(Oid(oid), before, Wait::Allowed, &mut data);
    assert_eq!(&data[..4], b"kept");
    if !matches!(found, Ok(Some(_))) {
        assert_eq!(data.len(), 4, "{found:?}");
    }
    Ok(found?.map(|revision| (data[4..].to_vec(), revision.start, revision.end)))
}

/// What a listener heard: transaction, objects, length, size, committer.
type Heard = (Tid, Vec<Oid>, u64, u64, Option<u64>);

/// Remembers what it hears, and what readers saw before and after.
struct Listener {
    storage: Mutex<Option<Arc<dyn Storage>>>,
    heard: Mutex<Vec<Heard>>,
}

impl Listener {
    fn subscribe(storage: &Arc<dyn Storage>) -> Arc<Self> {
        let listener = Arc::new(Self { storage: Mutex::new(Some(storage.clone())), heard: Mutex::default() });
        storage.subscribe(listener.clone());
        listener
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// It holds the storage no more.
    fn end(&self) {
        *self.storage.lock().unwrap() = None;
    }
}

impl CommitListener for Listener {
    fn committed(&self, group: &mut [Published], make_visible: &mut dyn FnMut()) {
        let storage = self.storage.lock().unwrap().clone();
        if let Some(storage) = &storage {
            assert!(storage.stats().last_tid < group[0].tid, "visible too early");
        }
        make_visible();
        let last = &group[group.len() - 1];
        if let Some(storage) = &storage {
            let stats = storage.stats();
            assert_eq!((stats.last_tid, stats.objects, stats.bytes), (last.tid, last.objects, last.bytes));
        }
        for Published { tid, oids, objects, bytes, completion } in group {
            let committer = completion.as_ref().map(|completion| completion.committer);
            self.heard.lock().unwrap().push((*tid, oids.clone(), *objects, *bytes, committer));
            if tid.0 % 2 == 0 {
                completion.take().expect("nobody has called it").call(Ok(*tid));
            }
        }
    }
}
