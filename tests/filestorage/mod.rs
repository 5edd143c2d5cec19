//! The storage in a file: crashes and faults by simulation, on a real disk, and the same files read and written by
//! Python.

mod any_bytes;
mod crash;
mod damaged;
mod faults;
mod inspected;
mod middle;
mod on_disk;
mod options;
pub(crate) mod pack;
mod pack_python;
mod pack_random;
mod python;
mod random_damage;
pub(crate) mod simulated;
mod threads;

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};

use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::storage::{Completion, Error, Oid, Operation, Storage, Tid, Transaction, Vote, Wait};

use self::simulated::Simulated;

/// A storage on simulated files.
fn open(files: &Simulated) -> Result<FileStorage, Error> {
    static LOG: OnceLock<Arc<EventLog>> = OnceLock::new();
    let log = LOG.get_or_init(|| Arc::new(EventLog::disabled())).clone();
    FileStorage::open_at(Box::new(files.clone()), PathBuf::from("Data.fs"), &Options::default(), log)
}

fn store(oid: u64, serial: Tid, data: Vec<u8>) -> Operation {
    Operation::Store { oid: Oid(oid), serial: Some(serial), data }
}

/// A transaction of these steps.
fn begin(storage: &FileStorage, steps: Vec<Operation>) -> Box<dyn Transaction> {
    let mut transaction = storage.begin(zeo_server::storage::Meta::default()).expect("nothing is done yet");
    for step in steps {
        transaction.push(step).expect("it is small");
    }
    transaction
}

/// Votes for a transaction of these steps: the transaction, and its id.
fn vote(storage: &FileStorage, steps: Vec<Operation>) -> Result<(Box<dyn Transaction>, Tid), Error> {
    let mut transaction = begin(storage, steps);
    match transaction.vote(Wait::Allowed)? {
        Vote::Accepted { tid, .. } => Ok((transaction, tid.expect("a file knows it"))),
        Vote::Conflicts(conflicts) => panic!("{conflicts:?}"),
    }
}

/// Finishes a transaction; what receives the outcome.
fn finish(transaction: Box<dyn Transaction>) -> Receiver<Result<Tid, Error>> {
    let (sender, receiver) = mpsc::channel();
    transaction.finish(Completion::new(0, move |outcome| drop(sender.send(outcome))));
    receiver
}

/// Votes for a transaction and finishes it: its id, and what receives the outcome.
fn begin_commit(
    storage: &FileStorage,
    steps: Vec<Operation>,
) -> Result<(Tid, Receiver<Result<Tid, Error>>), Error> {
    vote(storage, steps).map(|(transaction, tid)| (tid, finish(transaction)))
}

/// Commits a transaction.
fn commit(storage: &FileStorage, steps: Vec<Operation>) -> Result<Tid, Error> {
    let (_, finished) = begin_commit(storage, steps)?;
    finished.recv().expect("each finish has an outcome")
}

/// The data and id of an object's current revision.
fn load(storage: &FileStorage, oid: u64) -> Result<Option<(Vec<u8>, Tid)>, Error> {
    let mut data = Vec::new();
    let found = storage.load_before(Oid(oid), Tid::MAX, Wait::Allowed, &mut data)?;
    Ok(found.map(|revision| (data, revision.start)))
}
