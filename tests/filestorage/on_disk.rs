//! The storage as a whole, on a real disk.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;

use tempfile::TempDir;
use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::storage::{
    CommitListener, Completion, Draft, Error, Meta, Oid, Operation, Published, SpoolSpace, Stats, Storage,
    Tid, Wait,
};

use super::{commit, finish, vote};
use crate::sandbox::forks;
use crate::storage::load;

fn store(oid: u64, serial: Tid, data: &[u8]) -> Operation {
    super::store(oid, serial, data.to_vec())
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
        // A program that is just being started would hold the lock of a storage that was closed here.
        forks::apart(|| FileStorage::open(&self.path("Data.fs"), options, Arc::new(EventLog::disabled())))
    }

    fn open(&self) -> FileStorage {
        self.try_open(&Options::default()).unwrap()
    }
}

#[test]
fn what_was_committed_is_there_now_and_after_a_restart_with_and_without_index() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    assert_eq!(storage.stats(), Stats { last_tid: Tid::ZERO, objects: 0, bytes: 4 });
    let large = vec![7; 3_000_000];
    let first = commit(&storage, vec![store(0, Tid::ZERO, b"root"), store(5, Tid::ZERO, &large)]);
    let first = first.unwrap();
    let second = commit(&storage, vec![store(0, first, b"root, again")]).unwrap();
    let check = |storage: &FileStorage| {
        assert_eq!(load(storage, 0, first).unwrap(), None);
        let before = load(storage, 0, second).unwrap();
        assert_eq!(before, Some((b"root".to_vec(), first, Some(second))));
        assert_eq!(load(storage, 0, Tid::MAX).unwrap(), Some((b"root, again".to_vec(), second, None)));
        assert!(load(storage, 5, Tid::MAX).unwrap() == Some((large.clone(), first, None)));
        assert!(matches!(load(storage, 6, Tid::MAX), Err(Error::NoSuchObject(Oid(6)))));
        assert_eq!(storage.load_serial(Oid(0), first, Wait::Allowed).unwrap(), b"root");
        let bytes = fs::metadata(fixture.path("Data.fs")).unwrap().len();
        assert_eq!(storage.stats(), Stats { last_tid: second, objects: 2, bytes });
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
    assert_eq!(storage.new_oids(10).unwrap(), 6..=15);
    assert_eq!(storage.new_oids(1).unwrap(), 16..=16);
}

#[test]
fn records_of_any_length_are_whole() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    let data = |oid: u64, length: usize| -> Vec<u8> {
        (0..length).map(|n| u8::try_from((n as u64 + oid) % 251).unwrap()).collect()
    };
    // Around what is read with the header.
    let lengths = [1, 981, 982, 983, 1023, 1024, 1025, 1066, 9000];
    let all = || (1_u64..).zip(lengths);
    let steps = all().map(|(oid, length)| store(oid, Tid::ZERO, &data(oid, length))).collect();
    let tid = commit(&storage, steps).unwrap();
    for (oid, length) in all() {
        let loaded = load(&storage, oid, Tid::MAX).unwrap();
        assert!(loaded == Some((data(oid, length), tid, None)), "{length}");
    }
}

#[test]
fn transaction_of_large_records_is_whole_and_never_in_memory() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    let record = |oid: u64| {
        let pieces = (0..500_u64).map(|piece| vec![u8::try_from((piece + oid) % 251).unwrap(); 10_000]);
        pieces.collect::<Vec<_>>().concat()
    };
    let mut draft = Draft::spooled(Meta::default(), SpoolSpace::of(fixture.directory.path().into()));
    for oid in 0..12 {
        draft.push(Operation::Store { oid: Oid(oid), serial: None, data: record(oid) }).unwrap();
    }
    assert!(draft.memory() <= 256 << 10, "{}", draft.memory());
    let steps = (0..12).map(|oid| store(oid, Tid::ZERO, &record(oid))).collect();
    let tid = commit(&storage, steps).unwrap();
    let last = commit(&storage, vec![store(3, tid, b"small again")]).unwrap();
    drop(storage);
    let storage = fixture.open();
    for oid in 0..12 {
        assert!(storage.load_serial(Oid(oid), tid, Wait::Allowed).unwrap() == record(oid), "{oid}");
    }
    assert_eq!(load(&storage, 3, Tid::MAX).unwrap(), Some((b"small again".to_vec(), last, None)));
}

#[test]
fn last_reference_may_be_dropped_by_the_storages_own_thread() {
    let fixture = Fixture::new();
    let storage = Arc::new(fixture.open());
    let (transaction, tid) = vote(&storage, vec![store(1, Tid::ZERO, b"data")]).unwrap();
    let (go, gone) = mpsc::channel::<()>();
    let (sender, receiver) = mpsc::channel();
    let held = storage.clone();
    transaction.finish(Completion::new(0, move |outcome| {
        gone.recv().unwrap();
        drop(held);
        sender.send(outcome).unwrap();
    }));
    drop(storage);
    go.send(()).unwrap();
    receiver.recv().unwrap().unwrap();
    assert_eq!(load(&fixture.open(), 1, Tid::MAX).unwrap(), Some((b"data".to_vec(), tid, None)));
}

#[test]
fn dropped_transaction_leaves_nothing() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    // A small one is not in the file before it is finished.
    for (size, length) in [(10, 4..=4), (1 << 20, 1 << 20..=2 << 20)] {
        let (transaction, _) = vote(&storage, vec![store(1, Tid::ZERO, &vec![7; size])]).unwrap();
        assert!(length.contains(&fs::metadata(fixture.path("Data.fs")).unwrap().len()), "{size}");
        drop(transaction);
        assert_eq!(fs::metadata(fixture.path("Data.fs")).unwrap().len(), 4);
    }
    assert_eq!(storage.stats(), Stats { last_tid: Tid::ZERO, objects: 0, bytes: 4 });
}

#[test]
fn closed_storage_leaves_nothing_of_a_transaction_that_was_voted_on() {
    let fixture = Fixture::new();
    let storage = fixture.open();
    let large = vec![store(1, Tid::ZERO, &vec![7; 1 << 20])];
    let (transaction, _) = vote(&storage, large).unwrap();
    storage.close().unwrap();
    assert_eq!(fs::metadata(fixture.path("Data.fs")).unwrap().len(), 4);
    finish(transaction).recv().unwrap().unwrap_err();
    assert_eq!(fs::metadata(fixture.path("Data.fs")).unwrap().len(), 4);
}

/// Set for the process that is to end: the file.
const FILE: &str = "ZEO_TEST_FAULT_FILE";

/// Panics when it hears of a transaction.
struct Faulty;

impl CommitListener for Faulty {
    fn committed(&self, _: &mut [Published], _: &mut dyn FnMut()) {
        panic!("injected");
    }
}

/// Ends the process.
fn commit_with_a_faulty_listener(path: &Path) {
    let storage =
        FileStorage::open(path, &Options::default(), Arc::new(EventLog::stderr_warnings())).unwrap();
    storage.subscribe(Arc::new(Faulty));
    let _ = commit(&storage, vec![store(1, Tid::ZERO, b"durable")]);
}

#[test]
fn fault_in_publishing_ends_the_process_and_no_commit_hangs() {
    if let Some(path) = env::var_os(FILE) {
        return commit_with_a_faulty_listener(Path::new(&path));
    }
    let fixture = Fixture::new();
    let name = "filestorage::on_disk::fault_in_publishing_ends_the_process_and_no_commit_hangs";
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env(FILE, fixture.path("Data.fs")).stdout(Stdio::null());
    let output = forks::output(&mut child).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let line = "a fault of this program in bringing transactions to the disk; it ends, to be started again";
    assert!(stderr.contains(line) && stderr.contains("injected"), "{stderr}");
    let storage = fixture.open();
    assert_eq!(load(&storage, 1, Tid::MAX).unwrap().unwrap().0, b"durable", "it was on the disk before");
}
