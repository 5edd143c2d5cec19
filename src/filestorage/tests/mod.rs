//! The storage as a whole, on a real disk.

mod faults;

use std::fs;
use std::sync::mpsc;

use tempfile::TempDir;

use super::*;
use crate::storage::{Conflict, Operation};

/// Commits steps; what the storage said.
pub(super) fn commit(storage: &FileStorage, meta: Meta, steps: Vec<Operation>) -> Result<Tid, Error> {
    let mut transaction = storage.begin(meta);
    for step in steps {
        transaction.push(step);
    }
    match storage.vote(&mut transaction)? {
        Vote::Written { ticket, tid, .. } => {
            let (sender, receiver) = mpsc::channel();
            storage.finish(ticket, Box::new(move |result| sender.send(result).unwrap()));
            receiver.recv().unwrap().map(|()| tid)
        }
        Vote::Conflicts(conflicts) => panic!("{conflicts:?}"),
    }
}

pub(super) fn store(oid: u64, serial: Tid, data: &[u8]) -> Operation {
    Operation::Store { oid: Oid(oid), serial: Some(serial), data: data.to_vec() }
}

struct Fixture {
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn try_open(&self, options: &Options) -> Result<FileStorage, Error> {
        FileStorage::open(&self.path("Data.fs"), options, Arc::new(EventLog::disabled()))
    }

    fn open(&self) -> FileStorage {
        self.try_open(&Options::default()).unwrap()
    }
}

/// Data, start and end.
type Loaded = (Vec<u8>, Tid, Option<Tid>);

fn load(storage: &FileStorage, oid: u64, before: Tid) -> Result<Option<Loaded>, Error> {
    let mut data = b"kept".to_vec();
    let found = storage.load_before(Oid(oid), before, &mut data);
    assert_eq!(&data[..4], b"kept");
    if !matches!(found, Ok(Some(_))) {
        assert_eq!(data.len(), 4, "{found:?}");
    }
    Ok(found?.map(|revision| (data[4..].to_vec(), revision.start, revision.end)))
}

#[test]
fn what_was_committed_is_there_now_and_after_a_restart_with_and_without_index() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    assert_eq!((storage.last_tid(), storage.length(), storage.size()), (Tid::ZERO, 0, 4));
    let large = vec![7; 3_000_000];
    let first =
        commit(&storage, Meta::default(), vec![store(0, Tid::ZERO, b"root"), store(5, Tid::ZERO, &large)]);
    let first = first.unwrap();
    let second = commit(&storage, Meta::default(), vec![store(0, first, b"root, again")]).unwrap();
    let check = |storage: &FileStorage| {
        assert_eq!(load(storage, 0, first).unwrap(), None);
        let before = load(storage, 0, second).unwrap();
        assert_eq!(before, Some((b"root".to_vec(), first, Some(second))));
        assert_eq!(load(storage, 0, Tid::MAX).unwrap(), Some((b"root, again".to_vec(), second, None)));
        assert!(load(storage, 5, Tid::MAX).unwrap() == Some((large.clone(), first, None)));
        assert!(matches!(load(storage, 6, Tid::MAX), Err(Error::NoSuchObject(Oid(6)))));
        assert_eq!(storage.load_serial(Oid(0), first).unwrap(), b"root");
        assert_eq!((storage.last_tid(), storage.length()), (second, 2));
        assert_eq!(storage.size(), fs::metadata(fixture.path("Data.fs")).unwrap().len());
    };
    check(&storage);
    // Left as by a crash.
    drop(storage);
    let storage = fixture.open();
    check(&storage);
    storage.close().unwrap();
    assert!(fixture.path("Data.fs.index").exists());
    let storage = fixture.open();
    check(&storage);
    assert_eq!(storage.new_oids(10).unwrap(), Oid(6));
    assert_eq!(storage.new_oids(1).unwrap(), Oid(16));
}

#[test]
fn records_of_any_length_are_whole_whatever_those_before_had() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    let data = |oid: u64, length: usize| -> Vec<u8> {
        (0..length).map(|n| u8::try_from((n as u64 + oid) % 251).unwrap()).collect()
    };
    let lengths = [1, 63, 64, 65, 300, 1000, 1999, 2000, 2001, 2042, 9000];
    let all = || (1_u64..).zip(lengths);
    let steps = all().map(|(oid, length)| store(oid, Tid::ZERO, &data(oid, length))).collect();
    let tid = commit(&storage, Meta::default(), steps).unwrap();
    for (before, _) in all() {
        for (oid, length) in all() {
            // Until the length of those before is learnt.
            for _ in 0..500 {
                load(&storage, before, Tid::MAX).unwrap();
            }
            let loaded = load(&storage, oid, Tid::MAX).unwrap();
            assert!(loaded == Some((data(oid, length), tid, None)), "{length} after object {before}");
        }
    }
}

#[test]
fn conflicts_are_listed_and_a_later_right_store_cancels_one() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    let base =
        commit(&storage, Meta::default(), (0..3).map(|oid| store(oid, Tid::ZERO, b"1")).collect()).unwrap();
    let size = storage.size();
    let mut transaction = storage.begin(Meta::default());
    let steps = [store(1, Tid(9), b"bad"), store(2, base, b"good"), store(0, Tid(8), b"bad too")];
    for step in steps {
        transaction.push(step);
    }
    let conflict = |oid, given, data: &[u8]| Conflict {
        oid: Oid(oid),
        committed: base,
        given: Some(Tid(given)),
        data: data.to_vec(),
    };
    let expected = vec![conflict(1, 9, b"bad"), conflict(0, 8, b"bad too")];
    assert_eq!(storage.vote(&mut transaction).unwrap(), Vote::Conflicts(expected));
    assert_eq!(fs::metadata(fixture.path("Data.fs")).unwrap().len(), size);
    transaction.push(store(1, base, b"resolved"));
    transaction.push(store(0, base, b"resolved too"));
    let Vote::Written { ticket, tid, .. } = storage.vote(&mut transaction).unwrap() else { panic!() };
    assert!(storage.vote(&mut storage.begin(Meta::default())).is_err(), "two votes at a time");
    let (sender, receiver) = mpsc::channel();
    storage.finish(ticket, Box::new(move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap().unwrap();
    assert_eq!(load(&storage, 1, Tid::MAX).unwrap(), Some((b"resolved".to_vec(), tid, None)));
    assert_eq!(storage.last_transactions(1).unwrap(), [(tid, vec![Oid(2), Oid(1), Oid(0)])]);
}

#[test]
fn transaction_of_large_records_is_whole_and_never_in_memory() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    let record = |oid: u64| {
        let pieces = (0..500_u64).map(|piece| vec![u8::try_from((piece + oid) % 251).unwrap(); 10_000]);
        pieces.collect::<Vec<_>>().concat()
    };
    let mut transaction = storage.begin(Meta::default());
    for oid in 0..12 {
        transaction.push(Operation::Store { oid: Oid(oid), serial: None, data: record(oid) });
    }
    assert!(transaction.memory() <= 256 << 10, "{}", transaction.memory());
    let Vote::Written { ticket, tid, .. } = storage.vote(&mut transaction).unwrap() else { panic!() };
    let (sender, receiver) = mpsc::channel();
    storage.finish(ticket, Box::new(move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap().unwrap();
    let last = commit(&storage, Meta::default(), vec![store(3, tid, b"small again")]).unwrap();
    drop(storage);
    let storage = fixture.open();
    for oid in 0..12 {
        assert!(storage.load_serial(Oid(oid), tid).unwrap() == record(oid), "{oid}");
    }
    assert_eq!(load(&storage, 3, Tid::MAX).unwrap(), Some((b"small again".to_vec(), last, None)));
}

#[test]
fn last_reference_may_be_let_go_of_by_the_storages_own_thread() {
    let fixture = Fixture::new();
    let storage = Arc::new(fixture.open());
    let mut transaction = storage.begin(Meta::default());
    transaction.push(store(1, Tid::ZERO, b"data"));
    let Vote::Written { ticket, tid, .. } = storage.vote(&mut transaction).unwrap() else { panic!() };
    let (go, gone) = mpsc::channel::<()>();
    let (sender, receiver) = mpsc::channel();
    let held = storage.clone();
    let finished = move |result| {
        gone.recv().unwrap();
        drop(held);
        sender.send(result).unwrap();
    };
    drop(storage.finish(ticket, Box::new(finished)));
    drop(storage);
    go.send(()).unwrap();
    receiver.recv().unwrap().unwrap();
    assert_eq!(load(&fixture.open(), 1, Tid::MAX).unwrap(), Some((b"data".to_vec(), tid, None)));
}

#[test]
fn aborted_transaction_leaves_nothing() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    // A small one is not in the file before it is finished.
    for (size, length) in [(10, 4..=4), (1 << 20, 1 << 20..=2 << 20)] {
        let mut transaction = storage.begin(Meta::default());
        transaction.push(store(1, Tid::ZERO, &vec![7; size]));
        let Vote::Written { ticket, .. } = storage.vote(&mut transaction).unwrap() else { panic!() };
        assert!(length.contains(&fs::metadata(fixture.path("Data.fs")).unwrap().len()), "{size}");
        storage.abort(ticket);
        assert_eq!(fs::metadata(fixture.path("Data.fs")).unwrap().len(), 4);
        storage.finish(ticket, Box::new(|result| assert!(matches!(result, Err(Error::Transaction(_))))));
    }
    assert_eq!((storage.last_tid(), storage.length()), (Tid::ZERO, 0));
}
