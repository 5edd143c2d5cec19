//! What a pack removes, what it keeps, and that it is done as a whole or not at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options, PackOptions};
use zeo_server::storage::{Error, Meta, Oid, Operation, PackOutcome, PackProgress, Storage, Tid, Vote, Wait};

use super::options::{self, names};
use super::python::open as open_file;
use super::simulated::{Call, Simulated};
use super::{begin_commit, commit, finish, load, open, store, vote};
use crate::sandbox::Sandbox;

/// A record that refers to these objects; `mark` tells it from others.
pub(crate) fn record(mark: &str, objects: &[u64]) -> Vec<u8> {
    let mut record = format!("({mark}\n.(").into_bytes();
    for oid in objects {
        record.extend_from_slice(b"C\x08");
        record.extend_from_slice(&oid.to_be_bytes());
        record.extend_from_slice(b"N\x86Q");
    }
    record.extend_from_slice(b"t.");
    // The first pickle is an integer, which stands for the class.
    record[0] = b'I';
    record
}

/// As the network reads records.
pub(crate) fn references(record: &[u8], found: &mut Vec<Oid>) -> Result<(), String> {
    let mut ids = Vec::new();
    let mut reader = zeo_server::record::ReferenceReader::default();
    reader.read(record, &mut ids).map_err(|error| error.to_string())?;
    found.extend(ids.into_iter().map(Oid::from_bytes));
    Ok(())
}

pub(super) fn pack(storage: &FileStorage, until: Tid) -> Result<PackOutcome, Error> {
    storage.pack().expect("a file is packed").pack(until, &mut references, &Arc::new(PackProgress::default()))
}

#[track_caller]
fn packed(storage: &FileStorage, until: Tid) {
    assert!(matches!(pack(storage, until), Ok(PackOutcome::Packed { before, after }) if after < before));
}

/// A store whose record refers to these objects.
fn linking(oid: u64, serial: Tid, mark: &str, objects: &[u64]) -> Operation {
    store(oid, serial, record(mark, objects))
}

/// An undo: the object has the data again that it had in a transaction.
fn undo_to(oid: u64, tid: Tid) -> Operation {
    Operation::Restore { oid: Oid(oid), data: None, previous: Some(tid) }
}

fn exists(storage: &FileStorage, oid: u64) -> bool {
    load(storage, oid).is_ok_and(|found| found.is_some())
}

/// All transactions after one, with their records.
pub(super) fn since(storage: &FileStorage, tid: Tid) -> Vec<(Tid, Meta, Vec<zeo_server::storage::Record>)> {
    let mut walk = storage.history().unwrap().iterate(Some(Tid(tid.0 + 1)), None, Wait::Allowed).unwrap();
    let mut all = Vec::new();
    while let Some((tid, meta)) = walk.next(Wait::Allowed).unwrap() {
        let mut records = walk.records().unwrap();
        let mut of_transaction = Vec::new();
        while let Some(record) = records.next(Wait::Allowed).unwrap() {
            of_transaction.push(record);
        }
        all.push((tid, meta, of_transaction));
    }
    all
}

#[test]
fn old_revisions_and_what_nothing_refers_to_are_removed() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[1, 2]), linking(1, Tid::ZERO, "1", &[])]);
    let first = first.unwrap();
    let second = commit(&storage, vec![linking(2, Tid::ZERO, "2", &[3]), linking(3, Tid::ZERO, "2", &[])]);
    let second = second.unwrap();
    let until = commit(&storage, vec![linking(0, first, "3", &[1])]).unwrap();
    let later = commit(&storage, vec![linking(1, first, "4", &[])]).unwrap();
    let before = since(&storage, until);
    packed(&storage, until);
    // 2 and 3 hung by the root's old revision only.
    assert_eq!([0, 1, 2, 3].map(|oid| exists(&storage, oid)), [true, true, false, false]);
    assert_eq!(storage.stats().objects, 2);
    assert_eq!(since(&storage, until), before);
    let tids = |oid| {
        let entries = storage.history().unwrap().revisions(Oid(oid), 9, Wait::Allowed).unwrap();
        entries.into_iter().map(|entry| entry.tid).collect::<Vec<_>>()
    };
    assert_eq!((tids(0), tids(1)), (vec![until], vec![later, first]));
    // The second transaction has no record any more; the others are packed ones.
    let packed_ones: Vec<_> = since(&storage, Tid::ZERO);
    assert_eq!(
        packed_ones.iter().map(|(tid, meta, _)| (*tid, meta.packed)).collect::<Vec<_>>(),
        [(first, true), (until, true), (later, false)]
    );
    assert!(second > first);
    // Another start reads the same, from the index and without it.
    let objects = storage.stats();
    storage.close().unwrap();
    drop(storage);
    for index in [true, false] {
        let files = if index { files.clone() } else { Simulated::holding(files.data(), None) };
        let again = open(&files).unwrap();
        assert_eq!(again.stats(), objects);
        assert_eq!(load(&again, 1).unwrap(), Some((record("4", &[]), later)));
    }
}

/// Each is a way to lose an object in Python's pack.
#[test]
fn what_a_later_transaction_refers_to_is_kept() {
    // Cut in one transaction, pasted in a later one.
    let storage = open(&Simulated::default()).unwrap();
    let chain = vec![linking(0, Tid::ZERO, "1", &[1]), linking(1, Tid::ZERO, "1", &[2])];
    let first = commit(&storage, [chain, vec![linking(2, Tid::ZERO, "1", &[])]].concat()).unwrap();
    let until = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
    commit(&storage, vec![linking(0, until, "3", &[1])]).unwrap();
    packed(&storage, until);
    assert_eq!([0, 1, 2].map(|oid| exists(&storage, oid)), [true; 3]);

    // Never referred to before.
    let storage = open(&Simulated::default()).unwrap();
    let root = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    let root = commit(&storage, vec![linking(0, root, "2", &[])]).unwrap();
    let until = commit(&storage, vec![linking(1, Tid::ZERO, "3", &[])]).unwrap();
    commit(&storage, vec![linking(2, Tid::ZERO, "4", &[1]), linking(0, root, "4", &[2])]).unwrap();
    packed(&storage, until);
    assert_eq!([0, 1, 2].map(|oid| exists(&storage, oid)), [true; 3]);

    // By data that an undo has brought back.
    for gc in [true, false] {
        let files = Simulated::default();
        let options = Options { pack: PackOptions { gc, keep_old: true }, ..Options::default() };
        let log = Arc::new(EventLog::disabled());
        let storage = FileStorage::open_at(Box::new(files), PathBuf::from("Data.fs"), &options, log).unwrap();
        let chain = vec![linking(0, Tid::ZERO, "1", &[1]), linking(1, Tid::ZERO, "1", &[2])];
        let first = commit(&storage, [chain, vec![linking(2, Tid::ZERO, "1", &[])]].concat()).unwrap();
        let second = commit(&storage, vec![linking(1, first, "2", &[])]).unwrap();
        let until = commit(&storage, vec![linking(0, first, "3", &[])]).unwrap();
        let undone = commit(&storage, vec![undo_to(1, first)]).unwrap();
        commit(&storage, vec![linking(0, until, "5", &[1])]).unwrap();
        let before = since(&storage, until);
        packed(&storage, until);
        assert_eq!([0, 1, 2].map(|oid| exists(&storage, oid)), [true; 3], "gc {gc}");
        assert_eq!(load(&storage, 1).unwrap(), Some((record("1", &[2]), undone)));
        assert_eq!(since(&storage, until), before);
        assert!(second < until);
    }
}

#[test]
fn state_that_an_undo_brings_back_stays_in_the_history_of_its_object() {
    let storage = open(&Simulated::default()).unwrap();
    let root = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    // Nothing refers to it at the time of the pack.
    let first = commit(&storage, vec![linking(1, Tid::ZERO, "2", &[])]).unwrap();
    let until = commit(&storage, vec![linking(0, root, "3", &[])]).unwrap();
    let changed = commit(&storage, vec![linking(1, first, "4", &[])]).unwrap();
    let undone = commit(&storage, vec![undo_to(1, first)]).unwrap();
    packed(&storage, until);
    let revisions = storage.history().unwrap().revisions(Oid(1), 9, Wait::Allowed).unwrap();
    let tids: Vec<_> = revisions.into_iter().map(|revision| revision.tid).collect();
    assert_eq!(tids, [undone, changed, first]);
    let mut data = Vec::new();
    let before = storage.load_before(Oid(1), changed, Wait::Allowed, &mut data).unwrap();
    assert_eq!((before.map(|revision| revision.start), data), (Some(first), record("2", &[])));

    // A deletion too.
    let storage = open(&Simulated::default()).unwrap();
    let root = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    let first = commit(&storage, vec![linking(1, Tid::ZERO, "2", &[])]).unwrap();
    let deleted = commit(&storage, vec![Operation::Delete { oid: Oid(1), serial: Some(first) }]).unwrap();
    let until = commit(&storage, vec![linking(0, root, "3", &[])]).unwrap();
    let changed = commit(&storage, vec![linking(1, deleted, "4", &[])]).unwrap();
    let undone = commit(&storage, vec![undo_to(1, deleted)]).unwrap();
    packed(&storage, until);
    assert!(!exists(&storage, 1));
    let tids = |tid| {
        let all = since(&storage, Tid::ZERO);
        let of =
            |records: &Vec<zeo_server::storage::Record>| records.iter().any(|record| record.oid == Oid(1));
        all.iter().any(|(found, _, records)| *found == tid && of(records))
    };
    assert!(tids(deleted) && tids(changed) && tids(undone) && !tids(first));
}

#[test]
fn revision_that_is_kept_for_an_undo_may_refer_to_a_deleted_object() {
    let storage = open(&Simulated::default()).unwrap();
    let chain = vec![linking(0, Tid::ZERO, "1", &[1]), linking(1, Tid::ZERO, "1", &[2])];
    let first = commit(&storage, [chain, vec![linking(2, Tid::ZERO, "1", &[])]].concat()).unwrap();
    commit(&storage, vec![linking(1, first, "2", &[])]).unwrap();
    commit(&storage, vec![Operation::Delete { oid: Oid(2), serial: Some(first) }]).unwrap();
    let until = commit(&storage, vec![linking(0, first, "3", &[1])]).unwrap();
    let undone = commit(&storage, vec![undo_to(1, first)]).unwrap();
    packed(&storage, until);
    assert_eq!([0, 1, 2].map(|oid| exists(&storage, oid)), [true, true, false]);
    assert_eq!(load(&storage, 1).unwrap(), Some((record("1", &[2]), undone)));
}

#[test]
fn last_transaction_keeps_its_id() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    let root = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    let until = commit(&storage, vec![linking(7, Tid::ZERO, "2", &[])]).unwrap();
    packed(&storage, until);
    assert_eq!((exists(&storage, 0), exists(&storage, 7)), (true, false));
    drop(storage);
    let again = open(&files).unwrap();
    assert_eq!(again.stats().last_tid, until);
    let records: Vec<_> =
        since(&again, Tid::ZERO).into_iter().map(|(tid, _, all)| (tid, all.len())).collect();
    assert_eq!(records, [(root, 1), (until, 0)]);
}

#[test]
fn deleted_object_goes_with_its_deletion() {
    let storage = open(&Simulated::default()).unwrap();
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[]), linking(1, Tid::ZERO, "1", &[])]);
    let delete = |oid, serial| Operation::Delete { oid: Oid(oid), serial: Some(serial) };
    let deleted = commit(&storage, vec![delete(1, first.unwrap())]).unwrap();
    let until = commit(&storage, vec![linking(2, Tid::ZERO, "3", &[])]).unwrap();
    packed(&storage, until);
    assert_eq!(storage.stats().objects, 1);
    // It may be stored again, from any revision.
    commit(&storage, vec![linking(1, deleted, "4", &[])]).unwrap();
    assert!(exists(&storage, 1));
}

fn on_disk(sandbox: &Sandbox) -> FileStorage {
    options::open(sandbox, &Options::default()).unwrap()
}

#[test]
fn reference_to_an_object_that_does_not_exist_is_logged_and_the_pack_goes_on() {
    let sandbox = Sandbox::new();
    let storage = on_disk(&sandbox);
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[5, 6]), linking(6, Tid::ZERO, "1", &[])]);
    let first = first.unwrap();
    let delete = Operation::Delete { oid: Oid(6), serial: Some(first) };
    let until = commit(&storage, vec![delete, linking(7, Tid::ZERO, "2", &[])]).unwrap();
    packed(&storage, until);
    assert!(exists(&storage, 0));
    let log = sandbox.read("log");
    for missing in ["0x5", "0x6"] {
        let line = format!("object 0x0 refers to object {missing}, which does not exist");
        assert!(log.contains(&line), "{log}");
    }
}

#[test]
fn record_that_cannot_be_read_keeps_all_objects_and_is_named() {
    let sandbox = Sandbox::new();
    let storage = on_disk(&sandbox);
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[1])]).unwrap();
    let second = commit(&storage, vec![store(1, Tid::ZERO, b"no pickle".to_vec())]).unwrap();
    let until =
        commit(&storage, vec![linking(0, first, "3", &[1]), linking(9, Tid::ZERO, "3", &[])]).unwrap();
    packed(&storage, until);
    assert_eq!([0, 1, 9].map(|oid| exists(&storage, oid)), [true; 3]);
    assert_eq!(storage.history().unwrap().revisions(Oid(0), 9, Wait::Allowed).unwrap().len(), 1);
    let line = format!("what object 0x1 of transaction {second} refers to cannot be read");
    assert!(sandbox.read("log").contains(&line), "{}", sandbox.read("log"));
}

#[test]
fn storage_without_a_root_keeps_all_objects() {
    let storage = open(&Simulated::default()).unwrap();
    let first = commit(&storage, vec![linking(1, Tid::ZERO, "1", &[])]).unwrap();
    let until = commit(&storage, vec![linking(1, first, "2", &[])]).unwrap();
    packed(&storage, until);
    assert!(exists(&storage, 1));
}

#[test]
fn pack_that_has_nothing_to_remove_leaves_the_files_alone() {
    let sandbox = Sandbox::new();
    let storage = on_disk(&sandbox);
    assert_eq!(pack(&storage, Tid::MAX).unwrap(), PackOutcome::Unchanged);
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    assert_eq!(pack(&storage, Tid::MAX).unwrap(), PackOutcome::Unchanged);
    let second = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
    assert_eq!(pack(&storage, Tid(first.0 - 1)).unwrap(), PackOutcome::Unchanged);
    packed(&storage, second);
    let old = fs::read(sandbox.path("Data.fs.old")).unwrap();
    for until in [second, first, Tid::MAX] {
        assert_eq!(pack(&storage, until).unwrap(), PackOutcome::Unchanged);
    }
    assert_eq!(fs::read(sandbox.path("Data.fs.old")).unwrap(), old);
    assert_eq!(
        names(sandbox.root()),
        ["Data.fs", "Data.fs.index", "Data.fs.lock", "Data.fs.old", "log"],
        "nothing is left"
    );
    let words = "The database has already been packed to a later time or no changes have been made since the last pack";
    assert!(sandbox.read("log").contains(words));
}

#[test]
fn old_file_stays_as_it_was_and_the_new_one_has_its_place_and_mode() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("elsewhere")).unwrap();
    symlink("elsewhere/real.fs", sandbox.path("Data.fs")).unwrap();
    let storage = on_disk(&sandbox);
    let real = sandbox.path("elsewhere/real.fs");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    let second = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
    let length = usize::try_from(storage.stats().bytes).unwrap();
    let before = fs::read(&real).unwrap();
    packed(&storage, second);
    assert!(fs::symlink_metadata(sandbox.path("Data.fs")).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read(sandbox.path("elsewhere/real.fs.old")).unwrap()[..length], before[..length]);
    // Commits go to the new one.
    let third = commit(&storage, vec![linking(0, second, "3", &[])]).unwrap();
    storage.close().unwrap();
    drop(storage);
    let again = on_disk(&sandbox);
    assert_eq!(load(&again, 0).unwrap(), Some((record("3", &[]), third)));
    assert_eq!(names(&sandbox.path("elsewhere")), ["real.fs", "real.fs.old"]);
}

#[test]
fn without_keep_old_there_is_no_old_file() {
    let sandbox = Sandbox::new();
    let options = Options { pack: PackOptions { gc: true, keep_old: false }, ..Options::default() };
    let storage = open_file(&sandbox.path("Data.fs"), &options).unwrap();
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    packed(&storage, commit(&storage, vec![linking(0, first, "2", &[])]).unwrap());
    assert_eq!(names(sandbox.root()), ["Data.fs", "Data.fs.index", "Data.fs.lock"]);
}

#[test]
fn what_an_interrupted_pack_left_is_removed_at_the_start() {
    let sandbox = Sandbox::new();
    for name in ["Data.fs.pack", "Data.fs.old.new"] {
        fs::write(sandbox.path(name), "half").unwrap();
    }
    let storage = on_disk(&sandbox);
    assert_eq!(names(sandbox.root()), ["Data.fs", "Data.fs.index", "Data.fs.lock", "log"]);
    drop(storage);
}

#[test]
fn readers_go_on_in_the_file_that_they_began_with() {
    let sandbox = Sandbox::new();
    let storage = on_disk(&sandbox);
    let first =
        commit(&storage, vec![linking(0, Tid::ZERO, "1", &[]), linking(3, Tid::ZERO, "1", &[])]).unwrap();
    let second = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
    let mut walk = storage.history().unwrap().iterate(None, None, Wait::Allowed).unwrap();
    assert_eq!(walk.next(Wait::Allowed).unwrap().unwrap().0, first);
    packed(&storage, second);
    let mut records = walk.records().unwrap();
    assert_eq!(records.next(Wait::Allowed).unwrap().unwrap().data, Some(record("1", &[])));
    assert_eq!(records.next(Wait::Allowed).unwrap().unwrap().oid, Oid(3));
    assert_eq!(walk.next(Wait::Allowed).unwrap().unwrap().0, second);
}

/// Commits something while a pack looks at the root object, and packs.
fn pack_meanwhile(storage: &FileStorage, until: Tid, meanwhile: impl Fn()) -> Result<PackOutcome, Error> {
    let mut done = false;
    let mut read = |record: &[u8], found: &mut Vec<Oid>| {
        if !std::mem::replace(&mut done, true) {
            meanwhile();
        }
        references(record, found)
    };
    storage.pack().unwrap().pack(until, &mut read, &Arc::new(PackProgress::default()))
}

#[test]
fn what_is_committed_meanwhile_is_kept_with_all_that_it_needs() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    let chain = vec![linking(0, Tid::ZERO, "1", &[1]), linking(1, Tid::ZERO, "1", &[2])];
    let first = commit(&storage, [chain, vec![linking(2, Tid::ZERO, "1", &[])]].concat()).unwrap();
    let until = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
    // An object is linked again that the pack would drop, and new ones come.
    let meanwhile = || {
        let steps = vec![linking(0, until, "3", &[1, 5]), linking(5, Tid::ZERO, "3", &[])];
        commit(&storage, steps).unwrap();
    };
    let outcome = pack_meanwhile(&storage, until, meanwhile).unwrap();
    assert!(matches!(outcome, PackOutcome::Packed { .. }));
    assert_eq!([0, 1, 2, 5].map(|oid| exists(&storage, oid)), [true; 4]);

    // An undo goes back to a revision that the pack would drop.
    let current = load(&storage, 0).unwrap().unwrap().1;
    let until = commit(&storage, vec![linking(0, current, "4", &[1])]).unwrap();
    let before = storage.stats().objects;
    let meanwhile = || {
        commit(&storage, vec![undo_to(0, current)]).unwrap();
    };
    assert!(matches!(pack_meanwhile(&storage, until, meanwhile), Ok(PackOutcome::Packed { .. })));
    assert_eq!(load(&storage, 0).unwrap().unwrap().0, record("3", &[1, 5]));
    assert_eq!(storage.stats().objects, before);
    let whole = files.data();
    drop(storage);
    let again = open(&Simulated::holding(whole, None)).unwrap();
    assert_eq!([0, 1, 2, 5].map(|oid| exists(&again, oid)), [true; 4]);
}

#[test]
fn pack_waits_for_a_transaction_that_has_been_voted_on() {
    let storage = Arc::new(open(&Simulated::default()).unwrap());
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    let until = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
    let (transaction, tid) = vote(&storage, vec![linking(0, until, "3", &[])]).unwrap();
    let progress = Arc::new(PackProgress::default());
    let packing = {
        let storage = storage.clone();
        thread::spawn(move || pack(&storage, until))
    };
    let finished = finish(transaction);
    assert_eq!(finished.recv().unwrap().unwrap(), tid);
    assert!(matches!(packing.join().unwrap(), Ok(PackOutcome::Packed { .. })));
    assert_eq!(load(&storage, 0).unwrap(), Some((record("3", &[]), tid)));
    drop(progress);
}

#[test]
fn only_one_pack_runs_at_a_time_and_it_can_be_cancelled() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    let until = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
    let before = files.data();
    let progress = Arc::new(PackProgress::default());
    let mut read = |record: &[u8], found: &mut Vec<Oid>| {
        assert_eq!(pack(&storage, until).unwrap_err().to_string(), "Already packing");
        progress.cancel();
        references(record, found)
    };
    let outcome = storage.pack().unwrap().pack(until, &mut read, &progress);
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    assert_eq!(files.data(), before);
    packed(&storage, until);
    storage.close().unwrap();
    assert!(matches!(pack(&storage, until), Err(Error::Cancelled)));
}

#[test]
fn storage_that_is_closed_ends_its_pack() {
    let storage = open(&Simulated::default()).unwrap();
    let first =
        commit(&storage, vec![linking(0, Tid::ZERO, "1", &[1]), linking(1, Tid::ZERO, "1", &[])]).unwrap();
    let until = commit(&storage, vec![linking(0, first, "2", &[1])]).unwrap();
    let progress = Arc::new(PackProgress::default());
    thread::scope(|scope| {
        let mut read = |record: &[u8], found: &mut Vec<Oid>| {
            scope.spawn(|| storage.close().unwrap());
            crate::sandbox::eventually(crate::sandbox::SOON, || progress.advance(0).is_err());
            references(record, found)
        };
        let outcome = storage.pack().unwrap().pack(until, &mut read, &progress);
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    });
}

#[test]
fn pack_is_refused_where_it_cannot_be_done() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("Data.fs");
    drop(open_file(&path, &Options::default()).unwrap());
    let storage = open_file(&path, &Options { read_only: true, ..Options::default() }).unwrap();
    assert!(matches!(pack(&storage, Tid::MAX), Err(Error::ReadOnly)));

    let files = Simulated::default();
    let storage = open(&files).unwrap();
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    let until = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
    files.fail_after(Call::Room, 20);
    let error = pack(&storage, until).unwrap_err();
    assert!(matches!(error, Error::NoRoom { free: 20, needed: 50..300 }), "{error}");
}

#[test]
fn pack_that_fails_leaves_the_storage_as_it_was() {
    for call in [Call::Write, Call::Sync, Call::Replace] {
        for successes in 0..4 {
            let files = Simulated::default();
            let storage = open(&files).unwrap();
            let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
            let until = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
            let before = files.data();
            files.fail_after(call, successes);
            let outcome = pack(&storage, until);
            files.heal();
            let what = format!("{call:?} {successes}");
            if outcome.is_err() {
                assert_eq!(files.data(), before, "{what}");
            }
            let third = commit(&storage, vec![linking(0, until, "3", &[])]).unwrap();
            assert_eq!(load(&storage, 0).unwrap(), Some((record("3", &[]), third)), "{what}");
            if outcome.is_err() {
                packed(&storage, until);
            }
            drop(storage);
            assert_eq!(load(&open(&files).unwrap(), 0).unwrap(), Some((record("3", &[]), third)), "{what}");
        }
    }
}

#[test]
fn object_that_comes_twice_in_a_transaction_has_its_last_record() {
    let storage = open(&Simulated::default()).unwrap();
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    let twice = |mark: &str| {
        vec![
            Operation::Restore { oid: Oid(0), data: Some(record(&format!("{mark}1"), &[])), previous: None },
            Operation::Restore { oid: Oid(0), data: Some(record(&format!("{mark}2"), &[])), previous: None },
        ]
    };
    let second = commit(&storage, twice("2")).unwrap();
    let third = commit(&storage, twice("3")).unwrap();
    let undone = commit(&storage, vec![undo_to(0, second)]).unwrap();
    let before = since(&storage, second);
    packed(&storage, second);
    assert_eq!(since(&storage, second), before);
    assert_eq!(load(&storage, 0).unwrap(), Some((record("22", &[]), undone)));
    assert!(first < third);
    let mut data = Vec::new();
    storage.load_before(Oid(0), undone, Wait::Allowed, &mut data).unwrap().unwrap();
    assert_eq!(data, record("32", &[]));
}

#[test]
fn conflicting_transaction_meets_the_packed_state() {
    let storage = open(&Simulated::default()).unwrap();
    let first = commit(&storage, vec![linking(0, Tid::ZERO, "1", &[])]).unwrap();
    let second = commit(&storage, vec![linking(0, first, "2", &[])]).unwrap();
    packed(&storage, second);
    let mut transaction = super::begin(&storage, vec![linking(0, first, "3", &[])]);
    assert!(matches!(transaction.vote(Wait::Allowed), Ok(Vote::Conflicts(_))));
    drop(transaction);
    let (tid, finished) = begin_commit(&storage, vec![linking(0, second, "3", &[])]).unwrap();
    assert_eq!(finished.recv().unwrap().unwrap(), tid);
}
