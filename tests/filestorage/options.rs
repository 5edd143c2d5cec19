//! How a storage is opened, and what it says about the file.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use zeo_server::eventlog::{EventLog, Handler, Layout, Level, LogFile, Rotation, Settings, Target};
use zeo_server::filestorage::{FileStorage, Options, PackOptions};
use zeo_server::storage::{Error, Oid, Stats, Storage, Tid, Wait};

use super::{commit, load, store};
use crate::sandbox::{Sandbox, forks};

/// Opens `Data.fs` with a log in `log`.
pub(super) fn open(sandbox: &Sandbox, options: &Options) -> Result<FileStorage, Error> {
    let format = "%(levelname)s %(name)s %(message)s".to_owned();
    let layout = Layout { format, dateformat: String::new(), arbitrary_fields: false };
    let file = LogFile { path: sandbox.path("log"), rotation: Rotation::None, delay: false, encoding: None };
    let handler = Handler { level: Level::NOTSET, layout, target: Target::File(file) };
    let log = EventLog::open(&Settings { level: Level::ALL, handlers: vec![handler] }).unwrap();
    forks::apart(|| FileStorage::open(&sandbox.path("Data.fs"), options, Arc::new(log)))
}

pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A storage with one object, closed.
fn made(sandbox: &Sandbox) -> Tid {
    let storage = open(sandbox, &Options::default()).unwrap();
    let tid = commit(&storage, vec![store(0, Tid::ZERO, b"root".to_vec())]).unwrap();
    storage.close().unwrap();
    assert_eq!(sandbox.read("log"), "", "a new file is nothing to talk about");
    tid
}

const READ_ONLY: Options =
    Options { create: false, read_only: true, quota: None, stop: None, pack: PackOptions::DEFAULT };

#[test]
fn second_one_to_write_is_refused_and_told_who_was_first() {
    let sandbox = Sandbox::new();
    let first = open(&sandbox, &Options::default()).unwrap();
    assert_eq!(sandbox.read("Data.fs.lock"), format!(" {}\n", std::process::id()));
    let error = open(&sandbox, &Options::default()).err().unwrap();
    let path = sandbox.path("Data.fs");
    let reason = format!("another program has it open (process {})", std::process::id());
    assert_eq!(error.to_string(), format!("cannot lock {}: {reason}", path.display()));
    open(&sandbox, &READ_ONLY).unwrap();
    first.close().unwrap();
    open(&sandbox, &Options::default()).unwrap();
    assert_eq!(names(sandbox.root()), ["Data.fs", "Data.fs.index", "Data.fs.lock", "log"]);
}

#[test]
fn read_only_storage_reads_and_makes_no_file() {
    let sandbox = Sandbox::new();
    let tid = made(&sandbox);
    for name in ["Data.fs.index", "Data.fs.lock"] {
        fs::remove_file(sandbox.path(name)).unwrap();
    }
    let storage = open(&sandbox, &READ_ONLY).unwrap();
    assert_eq!(load(&storage, 0).unwrap(), Some((b"root".to_vec(), tid)));
    assert!(storage.info().read_only);
    let error = commit(&storage, vec![store(0, tid, b"x".to_vec())]).unwrap_err();
    assert!(matches!(error, Error::ReadOnly), "{error}");
    assert!(matches!(storage.new_oids(1), Err(Error::ReadOnly)));
    storage.close().unwrap();
    assert_eq!(names(sandbox.root()), ["Data.fs", "log"]);
    fs::remove_file(sandbox.path("Data.fs")).unwrap();
    assert!(open(&sandbox, &READ_ONLY).is_err());
    assert_eq!(names(sandbox.root()), ["log"]);
}

#[test]
fn file_of_python_2_is_read_and_never_written() {
    let sandbox = Sandbox::new();
    let tid = made(&sandbox);
    let mut bytes = fs::read(sandbox.path("Data.fs")).unwrap();
    bytes[..4].copy_from_slice(b"FS21");
    // With a damaged end, which is left as it is.
    bytes.extend(b"half a record");
    sandbox.write("Data.fs", &bytes);
    let storage = open(&sandbox, &Options::default()).unwrap();
    assert_eq!(load(&storage, 0).unwrap(), Some((b"root".to_vec(), tid)));
    assert!(storage.info().read_only);
    let error = commit(&storage, vec![store(0, tid, b"x".to_vec())]).unwrap_err();
    assert!(matches!(error, Error::ReadOnly), "{error}");
    storage.close().unwrap();
    assert!(fs::read(sandbox.path("Data.fs")).unwrap() == bytes, "it was written");
    let path = sandbox.path("Data.fs");
    let path = path.display();
    let told = format!(
        "WARNING ZODB.FileStorage {path} was written by Python 2 (format FS21): it is read-only here, as clients of \
         Python 3 cannot tell its texts from its bytes; convert it with zodbupdate\n\
         WARNING ZODB.FileStorage {path} is read up to byte {} only: a few bytes follow the last transaction\n",
        bytes.len() - 13
    );
    assert_eq!(sandbox.read("log"), told);
}

#[test]
fn what_is_no_data_file_is_refused_and_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("Data.fs", "#!/bin/sh\n");
    let error = open(&sandbox, &Options::default()).err().unwrap();
    let path = sandbox.path("Data.fs");
    let reason = "it is no data file of a FileStorage: neither FS30 nor FS21 at byte 0";
    assert_eq!(error.to_string(), format!("{}: {reason}", path.display()));
    assert_eq!(sandbox.read("Data.fs"), "#!/bin/sh\n");
}

#[test]
fn created_storage_takes_the_place_of_another() {
    let sandbox = Sandbox::new();
    made(&sandbox);
    let storage = open(&sandbox, &Options { create: true, ..Options::default() }).unwrap();
    assert_eq!(storage.stats(), Stats { last_tid: Tid::ZERO, objects: 0, bytes: 4 });
    drop(storage);
    assert_eq!(sandbox.read("Data.fs"), "FS30");
    assert!(open(&sandbox, &Options { create: true, ..READ_ONLY }).is_err());
}

#[test]
fn quota_ends_growth_but_not_reading() {
    let sandbox = Sandbox::new();
    let tid = made(&sandbox);
    let end = fs::metadata(sandbox.path("Data.fs")).unwrap().len();
    let storage = open(&sandbox, &Options { quota: Some(end + 23), ..Options::default() }).unwrap();
    // The first record begins at the quota, a second one behind it.
    let two = [1, 2].map(|oid| store(oid, Tid::ZERO, b"x".to_vec()));
    let error = commit(&storage, two.to_vec()).unwrap_err();
    assert!(matches!(error, Error::Quota), "{error}");
    assert_eq!(fs::metadata(sandbox.path("Data.fs")).unwrap().len(), end);
    commit(&storage, two[..1].to_vec()).unwrap();
    let error = commit(&storage, two[1..].to_vec()).unwrap_err();
    assert!(matches!(error, Error::Quota), "{error}");
    assert_eq!(load(&storage, 0).unwrap(), Some((b"root".to_vec(), tid)));
}

#[test]
fn storage_that_stops_in_the_past_shows_what_was_then() {
    let sandbox = Sandbox::new();
    let first = made(&sandbox);
    let storage = open(&sandbox, &Options::default()).unwrap();
    let second = commit(&storage, vec![store(0, first, b"later".to_vec())]).unwrap();
    storage.close().unwrap();
    for (stop, expected) in [(second, b"root".to_vec()), (Tid(second.0 + 1), b"later".to_vec())] {
        let storage = open(&sandbox, &Options { stop: Some(stop), ..READ_ONLY }).unwrap();
        assert_eq!(load(&storage, 0).unwrap().map(|(data, _)| data), Some(expected));
    }
    assert!(open(&sandbox, &Options { stop: Some(second), ..Options::default() }).is_err());
}

#[test]
fn ids_of_a_storage_grow_and_are_given_once() {
    let sandbox = Sandbox::new();
    let storage = open(&sandbox, &Options::default()).unwrap();
    assert_eq!(storage.new_oids(100).unwrap(), 1..=100);
    commit(&storage, vec![store(500, Tid::ZERO, b"far".to_vec())]).unwrap();
    assert_eq!(storage.new_oids(1).unwrap(), 501..=501);
    // What it has not given out leaves room for what it will.
    let most = 0x7fff_ffff_ffff_ffff;
    assert!(commit(&storage, vec![store(most + 1, Tid::ZERO, b"beyond".to_vec())]).is_err());
    commit(&storage, vec![store(most, Tid::ZERO, b"last".to_vec())]).unwrap();
    assert_eq!(storage.new_oids(1).unwrap(), most + 1..=most + 1);
    commit(&storage, vec![store(most + 1, Tid::ZERO, b"given".to_vec())]).unwrap();
    assert_eq!(
        storage
            .current_records()
            .unwrap()
            .next_record(Oid(501), Wait::Allowed)
            .unwrap()
            .map(|found| (found.oid, found.next)),
        Some((Oid(most), Some(Oid(most + 1))))
    );
}
