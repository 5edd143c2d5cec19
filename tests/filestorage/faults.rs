//! The disk says no: the transaction fails, says why, and is never seen; the storage goes on, or stops writing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use zeo_server::storage::{Error, Oid, Stats, Storage, Tid};

use crate::sandbox::{SOON, eventually};

use super::simulated::{Call, Simulated};
use super::{begin_commit, commit, finish, load, open, store, vote};

fn injected(error: &Error, verb: &str) -> bool {
    error.to_string() == format!("cannot {verb} Data.fs: injected")
}

#[test]
fn failed_write_takes_the_transaction_back_and_the_next_one_succeeds() {
    // Where space can be set aside there is one write, after the finish; else one at the vote and one that finishes it.
    for (can_reserve, writes) in [(true, 1), (false, 2)] {
        let files = Simulated::default();
        files.can_reserve(can_reserve);
        let storage = open(&files).unwrap();
        let first = commit(&storage, vec![store(1, Tid::ZERO, b"one".to_vec())]).unwrap();
        let before = files.data();
        for successes in 0..writes {
            files.fail_after(Call::Write, successes);
            let error = commit(&storage, vec![store(1, first, b"two".to_vec())]).unwrap_err();
            assert!(injected(&error, "write"), "{error}");
            assert!(files.data() == before, "something was left");
            assert_eq!(load(&storage, 1).unwrap(), Some((b"one".to_vec(), first)));
            assert_eq!(storage.stats(), Stats { last_tid: first, objects: 1, bytes: before.len() as u64 });
            files.heal();
        }
        let second = commit(&storage, vec![store(1, first, b"two".to_vec())]).unwrap();
        assert_eq!(load(&storage, 1).unwrap(), Some((b"two".to_vec(), second)));
    }
}

#[test]
fn full_disk_is_told_at_the_vote() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    files.fail_after(Call::Reserve, 0);
    let before = files.data();
    let error = vote(&storage, vec![store(1, Tid::ZERO, b"one".to_vec())]).err().unwrap();
    assert!(injected(&error, "write"), "{error}");
    files.heal();
    // Enough for this one, but not for more in advance.
    assert!(files.data() == before);
    commit(&storage, vec![store(1, Tid::ZERO, b"one".to_vec())]).unwrap();
}

#[test]
fn what_builds_on_a_lost_transaction_is_lost_too() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    let first = commit(&storage, vec![store(1, Tid::ZERO, b"one".to_vec())]).unwrap();
    let gate = files.gate.lock().unwrap();
    files.fail_after(Call::Write, 1);
    files.fail_after(Call::Sync, 1);
    let (second, held) = begin_commit(&storage, vec![store(2, Tid::ZERO, b"held".to_vec())]).unwrap();
    eventually(SOON, || files.calls_left(Call::Sync) == Some(0));
    let (third, lost) = begin_commit(&storage, vec![store(1, first, b"lost".to_vec())]).unwrap();
    // A finished transaction counts before it is published.
    let (transaction, _) = vote(&storage, vec![store(1, third, b"lost too".to_vec())]).unwrap();
    drop(gate);
    held.recv().unwrap().unwrap();
    assert!(injected(&lost.recv().unwrap().unwrap_err(), "write"));
    assert!(injected(&finish(transaction).recv().unwrap().unwrap_err(), "write"));
    files.heal();
    let fourth = commit(&storage, vec![store(1, first, b"two".to_vec())]).unwrap();
    assert_eq!(load(&storage, 1).unwrap(), Some((b"two".to_vec(), fourth)));
    drop(storage);
    let again = open(&files).unwrap();
    assert_eq!(load(&again, 1).unwrap(), Some((b"two".to_vec(), fourth)));
    assert_eq!(load(&again, 2).unwrap(), Some((b"held".to_vec(), second)));
    assert_eq!(files.rests().len(), 0);
}

#[test]
fn failed_fsync_fails_all_that_wait_and_ends_all_writing() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    let first = commit(&storage, vec![store(1, Tid::ZERO, b"one".to_vec())]).unwrap();
    let before = files.data();
    // One in the fsync that succeeds but has not returned, others behind it.
    let gate = files.gate.lock().unwrap();
    files.fail_after(Call::Sync, 1);
    let (second, finished) = begin_commit(&storage, vec![store(2, Tid::ZERO, b"two".to_vec())]).unwrap();
    eventually(SOON, || files.calls_left(Call::Sync) == Some(0));
    let durable = files.data();
    let waiting: Vec<_> = (3..6)
        .map(|oid| begin_commit(&storage, vec![store(oid, Tid::ZERO, b"lost".to_vec())]).unwrap().1)
        .collect();
    drop(gate);
    finished.recv().unwrap().unwrap();
    for finished in waiting {
        let error = finished.recv().unwrap().unwrap_err();
        assert!(injected(&error, "sync"), "{error}");
    }
    assert!(durable.len() > before.len());
    assert!(files.data() == durable, "not cut off at the last durable transaction");
    assert_eq!((storage.stats().last_tid, storage.stats().objects), (second, 2));
    assert!((3..6).all(|oid| matches!(load(&storage, oid), Err(Error::NoSuchObject(Oid(_))))));
    assert_eq!(load(&storage, 1).unwrap(), Some((b"one".to_vec(), first)));
    // A disk that works again changes nothing: what it dropped, it dropped.
    files.heal();
    assert!(storage.info().read_only);
    let error = commit(&storage, vec![store(1, first, b"never".to_vec())]).unwrap_err();
    assert!(matches!(error, Error::ReadOnly), "{error}");
    assert!(matches!(storage.new_oids(1), Err(Error::ReadOnly)));
    storage.close().unwrap();
    let again = open(&files).unwrap();
    assert_eq!((again.stats().last_tid, again.stats().objects), (second, 2));
}

#[test]
fn end_that_cannot_be_cut_off_ends_all_writing() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    let first = commit(&storage, vec![store(1, Tid::ZERO, b"one".to_vec())]).unwrap();
    files.fail_after(Call::Write, 0);
    files.fail_after(Call::Truncate, 0);
    commit(&storage, vec![store(1, first, b"two".to_vec())]).unwrap_err();
    files.heal();
    let error = commit(&storage, vec![store(1, first, b"two".to_vec())]).unwrap_err();
    assert!(matches!(error, Error::ReadOnly), "{error}");
    assert_eq!(load(&storage, 1).unwrap(), Some((b"one".to_vec(), first)));
    drop(storage);
    let again = open(&files).unwrap();
    assert_eq!(load(&again, 1).unwrap(), Some((b"one".to_vec(), first)));
    assert_eq!(files.rests().len(), 1);
}

#[test]
fn fault_in_a_vote_leaves_the_storage_free_for_the_next() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    files.faulty.store(true, Ordering::SeqCst);
    let voted = catch_unwind(AssertUnwindSafe(|| vote(&storage, vec![store(1, Tid::ZERO, b"one".to_vec())])));
    assert_eq!(*voted.err().unwrap().downcast::<&str>().unwrap(), "injected");
    let tid = commit(&storage, vec![store(1, Tid::ZERO, b"two".to_vec())]).unwrap();
    drop(storage);
    assert_eq!(load(&open(&files).unwrap(), 1).unwrap(), Some((b"two".to_vec(), tid)));
}
