//! What is found in a file that is read from end to end, without a change to it.

use std::fs;

use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Inspected, Options};
use zeo_server::storage::{Oid, Operation, Storage, Tid};

use super::python::open;
use super::{commit, store};
use crate::sandbox::Sandbox;

fn inspect(sandbox: &Sandbox) -> Inspected {
    FileStorage::inspect(&sandbox.path("Data.fs"), &EventLog::disabled()).unwrap()
}

/// A file whose object 2 has its first data again in the third of four transactions, by a back pointer; where that is, and where
/// the data are.
fn made(sandbox: &Sandbox) -> (Vec<u8>, usize, u64) {
    let storage = open(&sandbox.path("Data.fs"), &Options::default()).unwrap();
    let first =
        commit(&storage, vec![store(1, Tid::ZERO, b"one".to_vec()), store(2, Tid::ZERO, b"first".to_vec())]);
    let first = first.unwrap();
    let second = commit(&storage, vec![store(2, first, b"second".to_vec())]).unwrap();
    let copy = Operation::Restore { oid: Oid(2), data: Some(b"first".to_vec()), previous: Some(first) };
    let start = usize::try_from(storage.stats().bytes).unwrap();
    commit(&storage, vec![copy]).unwrap();
    commit(&storage, vec![store(1, first, b"again".to_vec())]).unwrap();
    assert!(second > first);
    storage.close().unwrap();
    let bytes = fs::read(sandbox.path("Data.fs")).unwrap();
    let back = start + 23 + 42;
    let place = u64::from_be_bytes(bytes[back..back + 8].try_into().unwrap());
    assert!(place > 4 && bytes[start + 23 + 34..back] == [0; 8]);
    (bytes, back, place)
}

#[test]
fn sound_file_has_no_faults() {
    let sandbox = Sandbox::new();
    made(&sandbox);
    let found = inspect(&sandbox);
    assert_eq!((found.transactions, found.faults, found.listed), (4, 0, Vec::new()));
    assert!(found.cut_off.is_none() && found.refused.is_none());
}

#[test]
fn back_pointer_at_no_data_of_its_object_is_found() {
    let sandbox = Sandbox::new();
    let (bytes, back, place) = made(&sandbox);
    let record = back as u64 - 42;
    // Another object's record; in the middle of things; itself; later; far away.
    for target in [4 + 23, place + 1, 1, record, record + 60, bytes.len() as u64 + 7, u64::MAX] {
        let mut damaged = bytes.clone();
        damaged[back..back + 8].copy_from_slice(&target.to_be_bytes());
        fs::write(sandbox.path("Data.fs"), &damaged).unwrap();
        let found = inspect(&sandbox);
        let what = "a record that points at no data of its object".to_owned();
        assert_eq!(
            (found.transactions, found.faults, found.listed),
            (4, 1, vec![(record, what)]),
            "{target}"
        );
    }
}

#[test]
fn faults_without_number_are_counted_and_the_first_are_listed() {
    let sandbox = Sandbox::new();
    let storage = open(&sandbox.path("Data.fs"), &Options::default()).unwrap();
    let all: Vec<_> = (0..250).map(|oid| store(oid, Tid::ZERO, vec![7; 9])).collect();
    commit(&storage, all).unwrap();
    let start = usize::try_from(storage.stats().bytes).unwrap();
    let first = storage.current_tid(Oid(0)).unwrap();
    commit(&storage, (0..250).map(|oid| store(oid, first, vec![8; 9])).collect()).unwrap();
    storage.close().unwrap();
    let mut bytes = fs::read(sandbox.path("Data.fs")).unwrap();
    for number in 0..250 {
        bytes[start + 23 + number * 51 + 20] ^= 0x10;
    }
    fs::write(sandbox.path("Data.fs"), &bytes).unwrap();
    let found = inspect(&sandbox);
    assert_eq!((found.transactions, found.faults, found.listed.len()), (2, 250, 100));
    assert_eq!(found.listed[99].0, (start + 23 + 99 * 51) as u64);
}
