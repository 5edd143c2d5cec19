//! Any bytes as a data file with an index: an answer to each question, no panic, no memory beyond what the files have.
#![no_main]

use std::fs;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::storage::{Oid, Storage, Tid, Wait};

fuzz_target!(|input: (Vec<u8>, Option<Vec<u8>>)| {
    let (data, index) = input;
    let place = tempfile::tempdir().expect("a directory can be made");
    let path = place.path().join("Data.fs");
    fs::write(&path, [b"FS30", &data[..]].concat()).expect("a file can be written");
    if let Some(index) = index {
        fs::write(place.path().join("Data.fs.index"), index).expect("a file can be written");
    }
    let Ok(storage) = FileStorage::open(&path, &Options::default(), Arc::new(EventLog::disabled())) else { return };
    let history = storage.history().expect("it has one");
    let mut oid = Some(Oid(0));
    while let Some(Ok(Some(found))) = oid.map(|oid| storage.current_records().expect("it has them").next_record(oid, Wait::Allowed)) {
        let mut bytes = Vec::new();
        let _ = (storage.load_before(found.oid, found.tid, Wait::Allowed, &mut bytes), history.revisions(found.oid, 9, Wait::Allowed));
        oid = found.next;
    }
    if let Ok(mut walk) = history.iterate(None, Some(Tid::MAX), Wait::Allowed) {
        while let Ok(Some(_)) = walk.next(Wait::Allowed) {
            let Ok(mut records) = walk.records() else { break };
            while let Ok(Some(_)) = records.next(Wait::Allowed) {}
        }
    }
    let _ = (storage.last_transactions(9), storage.close());
});
