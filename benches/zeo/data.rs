//! The data file that both servers serve.

use std::path::Path;
use std::sync::{Arc, mpsc};

use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::storage::{Completion, Meta, Oid, Operation, Storage, Vote, Wait};

/// A record of a Plone site has about this size in the mean.
pub const RECORD: usize = 300;

/// Objects of one transaction.
const BATCH: u64 = 10_000;

/// Makes a file with this number of objects, their ids from 0 on.
pub fn make(path: &Path, objects: u64) {
    let storage = FileStorage::open(path, &Options::default(), Arc::new(EventLog::disabled())).unwrap();
    let mut oids = 0..objects;
    while !oids.is_empty() {
        let mut transaction = storage.begin(Meta::default()).unwrap();
        for oid in oids.by_ref().take(usize::try_from(BATCH).unwrap()) {
            transaction.push(Operation::Store { oid: Oid(oid), serial: None, data: record(oid) }).unwrap();
        }
        let Vote::Accepted { .. } = transaction.vote(Wait::Allowed).unwrap() else { panic!("a conflict") };
        let (done, wait) = mpsc::channel();
        transaction.finish(Completion::new(0, move |result| done.send(result).unwrap()));
        wait.recv().unwrap().unwrap();
    }
    storage.close().unwrap();
}

/// Two pickles, as a record is: a class, and a state that is text of its own for each object.
pub fn record(oid: u64) -> Vec<u8> {
    let mut data = b"\x80\x03cpersistent.mapping\nPersistentMapping\nq\0.\x80\x03".to_vec();
    let text = RECORD - data.len() - 7;
    data.extend(b"X");
    data.extend(u32::try_from(text).unwrap().to_le_bytes());
    data.extend(format!("{oid:0>text$}").into_bytes());
    data.extend(b"q\x01.");
    data
}
