//! Undo: what is refused, what is written, and that all ways to read agree with it.

use std::ops::ControlFlow;

use zeo_server::storage::{Diverged, NotUndone, Undo};

use super::*;

/// Those that can undo.
fn able() -> Vec<Subject> {
    all().into_iter().filter(|subject| subject.storage.undo().is_some()).collect()
}

fn undo(tid: Tid) -> Operation {
    Operation::Undo { tid }
}

fn listed(undo: &dyn Undo) -> Vec<Tid> {
    let mut tids = Vec::new();
    let mut visit = |found: zeo_server::storage::Undoable| {
        tids.push(found.tid);
        ControlFlow::Continue(())
    };
    undo.undoable(Wait::Allowed, &mut visit).unwrap();
    tids
}

/// What an undo fails at.
#[track_caller]
fn refused(storage: &dyn Storage, tids: &[Tid]) -> Error {
    let mut transaction = begin(storage, Meta::default(), tids.iter().copied().map(undo).collect());
    vote(&mut transaction).unwrap_err()
}

#[track_caller]
fn assert_kept_back(storage: &dyn Storage, tid: Tid, objects: &[(u64, NotUndone)]) {
    let Error::Undo(found) = refused(storage, &[tid]) else { panic!("another refusal") };
    let found: Vec<_> = found.into_iter().map(|(oid, why)| (oid.0, why)).collect();
    assert_eq!(found, objects);
}

#[test]
fn storage_without_undo_refuses_the_step_and_stays_usable() {
    for Subject { name, storage, .. } in all() {
        if storage.undo().is_none() {
            let mut transaction = storage.begin(Meta::default()).unwrap();
            let error = transaction.push(undo(Tid(1))).unwrap_err();
            assert!(matches!(error, Error::Unsupported("undo")), "{name}: {error}");
            drop(transaction);
            commit(&*storage, vec![store(1, Tid::ZERO, b"x")]).unwrap();
        }
    }
}

#[test]
fn undone_change_is_undone_for_every_reader_and_can_be_undone_itself() {
    for Subject { name, storage, reopen, place } in able() {
        let listener = Listener::subscribe(&storage);
        let one =
            commit(&*storage, vec![store(1, Tid::ZERO, b"one"), store(2, Tid::ZERO, b"other")]).unwrap();
        let two = commit(&*storage, vec![store(1, one, b"two")]).unwrap();
        let mut transaction = begin(&*storage, Meta::default(), vec![undo(two)]);
        let Vote::Accepted { changed, .. } = transaction.vote(Wait::Allowed).unwrap() else {
            panic!("{name}")
        };
        assert_eq!(changed, [Oid(1)], "{name}");
        assert_eq!(load(&*storage, 1, Tid::MAX).unwrap(), Some((b"two".to_vec(), two, None)), "{name}");
        let undone = finish(transaction).recv().unwrap().unwrap();
        assert_eq!(load(&*storage, 1, Tid::MAX).unwrap(), Some((b"one".to_vec(), undone, None)), "{name}");
        assert_eq!(load(&*storage, 1, undone).unwrap(), Some((b"two".to_vec(), two, Some(undone))), "{name}");
        assert_eq!(storage.load_serial(Oid(1), undone, Wait::Allowed).unwrap(), b"one", "{name}");
        assert_eq!(storage.current_tid(Oid(1)).unwrap(), undone, "{name}");
        assert_eq!(storage.last_transactions(1).unwrap(), [(undone, vec![Oid(1)])], "{name}");
        let history = storage.history().unwrap().revisions(Oid(1), 9, Wait::Allowed).unwrap();
        let history: Vec<_> = history.iter().map(|entry| (entry.tid, entry.size)).collect();
        assert_eq!(history, [(undone, 0), (two, 3), (one, 3)], "{name}");
        let mut walk = storage.history().unwrap().iterate(Some(undone), None, Wait::Allowed).unwrap();
        walk.next(Wait::Allowed).unwrap().unwrap();
        let record = walk.records().unwrap().next(Wait::Allowed).unwrap().unwrap();
        assert_eq!((record.data, record.data_tid), (Some(b"one".to_vec()), Some(one)), "{name}");
        assert_eq!(listed(storage.undo().unwrap()), [undone, two, one], "{name}");
        assert_eq!(storage.stats().objects, 2, "{name}");
        // Of all three, in one transaction: the undo, the change, the creation.
        let gone = commit(&*storage, vec![undo(undone), undo(two), undo(one)]).unwrap();
        for oid in [1, 2] {
            assert!(matches!(load(&*storage, oid, Tid::MAX), Err(Error::NoSuchObject(_))), "{name}");
            assert!(matches!(storage.current_tid(Oid(oid)), Err(Error::NoSuchObject(_))), "{name}");
        }
        assert_eq!(storage.stats().objects, 2, "{name}");
        let heard = listener.heard().pop().unwrap();
        assert_eq!((heard.0, heard.1), (gone, vec![Oid(1), Oid(2)]), "{name}");
        // The undo of that is a chain of pointers.
        let back = commit(&*storage, vec![undo(gone)]).unwrap();
        listener.end();
        let check = |storage: &dyn Storage| {
            assert_eq!(load(storage, 1, Tid::MAX).unwrap(), Some((b"one".to_vec(), back, None)), "{name}");
            assert_eq!(load(storage, 2, Tid::MAX).unwrap(), Some((b"other".to_vec(), back, None)), "{name}");
        };
        check(&*storage);
        storage.close().unwrap();
        drop(storage);
        check(&*reopen.unwrap()(&place));
    }
}

#[test]
fn undo_that_later_changes_forbid_names_all_their_objects_and_writes_nothing() {
    for Subject { name, storage, .. } in able() {
        let one =
            commit(&*storage, (1..=3).map(|oid| store(oid, Tid::ZERO, b"one")).collect::<Vec<_>>()).unwrap();
        let two = commit(&*storage, (1..=3).map(|oid| store(oid, one, b"two")).collect::<Vec<_>>()).unwrap();
        let three = commit(&*storage, vec![store(1, two, b"three"), store(3, two, b"three")]).unwrap();
        assert_kept_back(&*storage, two, &[(1, NotUndone::Changed), (3, NotUndone::Changed)]);
        let added = NotUndone::ChangedSinceAdded;
        assert_kept_back(&*storage, one, &[(1, added), (2, added), (3, added)]);
        commit(&*storage, vec![Operation::Delete { oid: Oid(3), serial: Some(three) }]).unwrap();
        assert_kept_back(&*storage, two, &[(1, NotUndone::Changed), (3, NotUndone::Deleted)]);
        // The same data again count as unchanged; together with what changed it again it can be undone.
        let four = commit(&*storage, vec![store(1, three, b"two")]).unwrap();
        assert_kept_back(&*storage, two, &[(3, NotUndone::Deleted)]);
        commit(&*storage, vec![undo(four), undo(three)]).unwrap_err();
        assert_eq!(storage.stats().last_tid, four, "{name}");
    }
}

#[test]
fn what_is_no_transaction_or_was_packed_cannot_be_undone() {
    for Subject { name, storage, .. } in able() {
        let packed = Meta { packed: true, ..Meta::default() };
        let kept = commit_as(&*storage, packed, vec![store(1, Tid::ZERO, b"one")]).unwrap();
        let after = commit(&*storage, vec![store(1, kept, b"two")]).unwrap();
        assert!(matches!(refused(&*storage, &[kept]), Error::Packed(tid) if tid == kept), "{name}");
        for unknown in [Tid::ZERO, Tid(after.0 + 1), Tid::MAX] {
            let error = refused(&*storage, &[after, unknown]);
            assert!(matches!(error, Error::NoSuchTransaction(tid) if tid == unknown), "{name}: {error}");
        }
        assert_eq!(listed(storage.undo().unwrap()), [after], "{name}");
        commit(&*storage, vec![undo(after)]).unwrap();
        assert_eq!(load(&*storage, 1, Tid::MAX).unwrap().unwrap().0, b"one", "{name}");
    }
}

#[test]
fn diverged_object_is_merged_by_whom_knows_how() {
    // Each is a row of bytes, of which the one that differs from the base wins.
    fn merge(Diverged { base, current, before }: Diverged<'_>) -> Option<Vec<u8>> {
        let one = |((base, current), before): ((&u8, &u8), &u8)| match (base == current, base == before) {
            (true, _) => Some(*before),
            (_, true) => Some(*current),
            _ => None,
        };
        base.iter().zip(current).zip(before).map(one).collect()
    }
    for Subject { name, storage, .. } in able() {
        storage.undo().unwrap().merge_with(merge);
        let one = commit(&*storage, vec![store(1, Tid::ZERO, b"aaaa")]).unwrap();
        let two = commit(&*storage, vec![store(1, one, b"baaa")]).unwrap();
        let three = commit(&*storage, vec![store(1, two, b"bcaa")]).unwrap();
        let four = commit(&*storage, vec![store(1, three, b"bcda")]).unwrap();
        // Both in one transaction: the second builds on the merged data of the first.
        let mut transaction = begin(&*storage, Meta::default(), vec![undo(two), undo(three)]);
        let Vote::Accepted { changed, .. } = transaction.vote(Wait::Allowed).unwrap() else {
            panic!("{name}")
        };
        assert_eq!(changed, [Oid(1)], "{name}");
        let undone = finish(transaction).recv().unwrap().unwrap();
        assert_eq!(load(&*storage, 1, Tid::MAX).unwrap(), Some((b"aada".to_vec(), undone, None)), "{name}");
        commit(&*storage, vec![store(1, undone, b"aaza")]).unwrap();
        assert_kept_back(&*storage, four, &[(1, NotUndone::Changed)]);
    }
}

#[test]
fn undo_stands_beside_other_steps_of_its_transaction() {
    for Subject { name, storage, .. } in able() {
        let one = commit(&*storage, vec![store(1, Tid::ZERO, b"one"), store(2, Tid::ZERO, b"one")]).unwrap();
        let two = commit(&*storage, vec![store(1, one, b"two"), store(2, one, b"two")]).unwrap();
        let operations = vec![store(1, two, b"own"), undo(two)];
        let mut transaction = begin(&*storage, Meta::default(), operations);
        // The object has the data of the same transaction by then.
        assert!(matches!(vote(&mut transaction), Err(Error::Undo(found)) if found.len() == 1), "{name}");
        drop(transaction);
        let done =
            commit(&*storage, vec![undo(two), store(2, two, b"own"), store(3, Tid::ZERO, b"new")]).unwrap();
        for (oid, data) in [(1, b"one"), (2, b"own"), (3, b"new")] {
            assert_eq!(load(&*storage, oid, Tid::MAX).unwrap(), Some((data.to_vec(), done, None)), "{name}");
        }
        let mut transaction = begin(&*storage, Meta::default(), vec![undo(done), store(2, one, b"late")]);
        assert_eq!(vote(&mut transaction).unwrap().len(), 1, "{name}");
    }
}
