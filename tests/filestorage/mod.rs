//! The storage in a file: crashes and faults by simulation, and the same files read and written by Python.

mod any_bytes;
mod crash;
mod damaged;
mod faults;
mod options;
mod python;
mod simulated;
mod threads;

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};

use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::storage::{Errand, Error, Oid, Operation, Storage, Tid, Vote};

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

/// Votes for a transaction of these steps.
fn vote(storage: &FileStorage, steps: Vec<Operation>) -> Result<Vote, Error> {
    let mut transaction = storage.begin(zeo_server::storage::Meta::default());
    for step in steps {
        transaction.push(step);
    }
    storage.vote(&mut transaction)
}

/// Votes for a transaction and finishes it; its id, and what will tell of its end.
fn begin_commit(
    storage: &FileStorage,
    steps: Vec<Operation>,
) -> Result<(Tid, Receiver<Result<(), Error>>), Error> {
    // The storage's own thread does what is left.
    finish(storage, steps).map(|(tid, finished, _)| (tid, finished))
}

/// A finished transaction: its id, what will tell of its end, and what is left to do.
type Begun = (Tid, Receiver<Result<(), Error>>, Option<Errand>);

fn finish(storage: &FileStorage, steps: Vec<Operation>) -> Result<Begun, Error> {
    match vote(storage, steps)? {
        Vote::Written { ticket, tid, .. } => {
            let (sender, receiver) = mpsc::channel();
            let errand = storage.finish(ticket, Box::new(move |result| drop(sender.send(result))));
            Ok((tid, receiver, errand))
        }
        Vote::Conflicts(conflicts) => panic!("{conflicts:?}"),
    }
}

/// Commits a transaction, on this thread or on the storage's own.
fn commit(storage: &FileStorage, steps: Vec<Operation>) -> Result<Tid, Error> {
    let (tid, finished, errand) = finish(storage, steps)?;
    errand.filter(|_| tid.0 % 2 == 0).into_iter().for_each(Errand::run);
    finished.recv().expect("a storage tells of each end").map(|()| tid)
}

/// The data and id of an object's current revision.
fn load(storage: &FileStorage, oid: u64) -> Result<Option<(Vec<u8>, Tid)>, Error> {
    let mut data = Vec::new();
    let found = storage.load_before(Oid(oid), Tid::MAX, &mut data)?;
    Ok(found.map(|revision| (data, revision.start)))
}
