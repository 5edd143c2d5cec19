//! Votes, conflicts, aborts, publication.

use std::thread;

use super::*;
use crate::sandbox::{SOON, eventually};

#[test]
fn ids_are_given_once_and_never_below_one_in_use() {
    for Subject { name, storage, .. } in all() {
        let mut given: Vec<u64> = Vec::new();
        for count in [100, 1, 0, 30] {
            let ids = storage.new_oids(count).unwrap();
            assert!(!ids.is_empty() && ids.clone().count() <= count.max(1) as usize, "{name}: {ids:?}");
            given.extend(ids);
        }
        assert!(given.is_sorted_by(|one, next| one < next) && given[0] > 0, "{name}: {given:?}");
        commit(&*storage, vec![store(5000, Tid::ZERO, b"far")]).unwrap();
        assert!(*storage.new_oids(1).unwrap().start() > 5000, "{name}");
        // An id of the client's own choice leaves room for others.
        let refused = commit(&*storage, vec![store(u64::MAX, Tid::ZERO, b"last")]);
        assert!(refused.is_err(), "{name}");
        commit(&*storage, vec![store(Oid::MAX_CHOSEN.0, Tid::ZERO, b"last")]).unwrap();
        let given = *storage.new_oids(1).unwrap().start();
        commit(&*storage, vec![store(given, Tid::ZERO, b"given")]).unwrap();
    }
}

#[test]
fn all_conflicts_are_listed_with_their_data_and_a_later_right_store_cancels_one() {
    for Subject { name, storage, .. } in all() {
        let objects = (0..3).map(|oid| store(oid, Tid::ZERO, b"1")).collect();
        let base = commit(&*storage, objects).unwrap();
        let before = storage.stats();
        let wrong = vec![store(1, Tid(9), b"bad"), store(2, base, b"good"), store(0, Tid(8), b"bad too")];
        let mut transaction = begin(&*storage, Meta::default(), wrong);
        let conflict = |oid, given, data: &[u8]| Conflict {
            oid: Oid(oid),
            committed: base,
            given: Some(Tid(given)),
            data: data.to_vec(),
        };
        let expected = [conflict(1, 9, b"bad"), conflict(0, 8, b"bad too")];
        assert_eq!(vote(&mut transaction).unwrap(), expected, "{name}");
        assert_eq!(storage.stats(), before, "{name}");
        // The lock is free, and others commit.
        commit(&*storage, vec![store(9, Tid::ZERO, b"other")]).unwrap();
        for resolved in [store(1, base, b"resolved"), store(0, base, b"resolved too")] {
            transaction.push(resolved).unwrap();
        }
        assert_eq!(vote(&mut transaction).unwrap(), [], "{name}");
        let tid = finish(transaction).recv().unwrap().unwrap();
        assert_eq!(load(&*storage, 1, Tid::MAX).unwrap(), Some((b"resolved".to_vec(), tid, None)), "{name}");
        let changed = storage.last_transactions(1).unwrap().pop().unwrap();
        assert_eq!((changed.0, changed.1.len()), (tid, 3), "{name}");
    }
}

#[test]
fn store_of_a_new_object_builds_on_nothing_and_needs_data() {
    for Subject { name, storage, .. } in all() {
        commit(&*storage, vec![store(1, Tid(1234), b"any serial")]).unwrap();
        let mut transaction = begin(&*storage, Meta::default(), vec![store(2, Tid::ZERO, b"")]);
        let error = vote(&mut transaction).unwrap_err();
        assert!(matches!(error, Error::Transaction(_)), "{name}: {error}");
    }
}

#[test]
fn dependency_on_a_revision_that_is_not_current_is_refused() {
    for Subject { name, storage, .. } in all() {
        let first = commit(&*storage, vec![store(1, Tid::ZERO, b"a")]).unwrap();
        let check = |oid, serial| vec![Operation::CheckCurrent { oid: Oid(oid), serial }];
        let second = commit(&*storage, check(1, Some(first))).unwrap();
        assert!(second > first, "{name}");
        assert_eq!(storage.stats().objects, 1, "{name}");
        for serial in [None, Some(second)] {
            let error = commit(&*storage, check(1, serial)).unwrap_err();
            let Error::ReadConflict { oid, committed, given } = error else { panic!("{name}: {error}") };
            assert_eq!((oid, committed, given), (Oid(1), first, serial.unwrap_or(Tid::ZERO)));
        }
        let error = commit(&*storage, check(2, Some(first))).unwrap_err();
        assert!(matches!(error, Error::NoSuchObject(Oid(2))), "{name}: {error}");
    }
}

#[test]
fn deleted_object_is_gone_and_its_past_is_not() {
    for Subject { name, storage, .. } in all() {
        let first = commit(&*storage, vec![store(1, Tid::ZERO, b"a")]).unwrap();
        let delete = |oid, serial| vec![Operation::Delete { oid: Oid(oid), serial: Some(serial) }];
        assert!(matches!(commit(&*storage, delete(1, Tid(3))), Err(Error::Conflict { .. })), "{name}");
        assert!(matches!(commit(&*storage, delete(2, first)), Err(Error::NoSuchObject(_))), "{name}");
        let second = commit(&*storage, delete(1, first)).unwrap();
        assert!(matches!(load(&*storage, 1, Tid::MAX), Err(Error::NoSuchObject(Oid(1)))), "{name}");
        assert!(matches!(storage.current_tid(Oid(1)), Err(Error::NoSuchObject(_))), "{name}");
        assert_eq!(load(&*storage, 1, second).unwrap(), Some((b"a".to_vec(), first, Some(second))), "{name}");
        let check = vec![Operation::CheckCurrent { oid: Oid(1), serial: Some(second) }];
        assert!(matches!(commit(&*storage, check), Err(Error::NoSuchObject(_))), "{name}");
        // It comes back over its deletion only.
        let mut late = begin(&*storage, Meta::default(), vec![store(1, first, b"late")]);
        assert_eq!(vote(&mut late).unwrap()[0].committed, second, "{name}");
        let third = commit(&*storage, vec![store(1, second, b"again")]).unwrap();
        assert_eq!(storage.current_tid(Oid(1)).unwrap(), third, "{name}");
    }
}

#[test]
fn restored_records_are_taken_as_they_are() {
    for Subject { name, storage, .. } in all() {
        let first = commit(&*storage, vec![store(1, Tid::ZERO, b"a"), store(2, Tid::ZERO, b"b")]).unwrap();
        let chosen = Tid(first.0 + 1000);
        let meta = Meta { tid: Some(chosen), packed: true, user: b"u".to_vec(), ..Meta::default() };
        let restore = |oid, data: Option<&[u8]>, previous| Operation::Restore {
            oid: Oid(oid),
            data: data.map(<[u8]>::to_vec),
            previous,
        };
        let records = vec![
            restore(1, Some(b"new"), None),
            restore(2, None, None),
            restore(3, Some(b"c"), Some(Tid(5))),
        ];
        assert_eq!(commit_as(&*storage, meta.clone(), records).unwrap(), chosen, "{name}");
        assert_eq!(load(&*storage, 1, Tid::MAX).unwrap(), Some((b"new".to_vec(), chosen, None)), "{name}");
        assert!(matches!(load(&*storage, 2, Tid::MAX), Err(Error::NoSuchObject(_))), "{name}");
        assert_eq!(load(&*storage, 3, Tid::MAX).unwrap(), Some((b"c".to_vec(), chosen, None)), "{name}");
        // Without data it has those of an earlier one.
        let third = commit(&*storage, vec![restore(1, None, Some(first))]).unwrap();
        assert_eq!(load(&*storage, 1, Tid::MAX).unwrap(), Some((b"a".to_vec(), third, None)), "{name}");
        let error = commit_as(&*storage, meta, Vec::new()).unwrap_err();
        assert!(matches!(error, Error::Transaction(_)), "{name}: {error}");
        assert!(*storage.new_oids(1).unwrap().start() > 3, "{name}");
    }
}

#[test]
fn transaction_that_is_dropped_leaves_nothing_and_the_lock_free() {
    for Subject { name, storage, .. } in all() {
        let before = storage.stats();
        for size in [10, 1 << 20] {
            let mut transaction =
                begin(&*storage, Meta::default(), vec![store(1, Tid::ZERO, &vec![7; size])]);
            drop(begin(&*storage, Meta::default(), vec![store(1, Tid::ZERO, &vec![7; size])]));
            assert_eq!(vote(&mut transaction).unwrap(), [], "{name}");
            assert!(matches!(load(&*storage, 1, Tid::MAX), Err(Error::NoSuchObject(_))), "{name}");
            drop(transaction);
            assert_eq!(storage.stats(), before, "{name}");
        }
        commit(&*storage, vec![store(1, Tid::ZERO, b"kept")]).unwrap();
        assert_eq!(load(&*storage, 1, Tid::MAX).unwrap().unwrap().0, b"kept", "{name}");
    }
}

#[test]
fn finish_without_an_accepted_vote_is_an_error() {
    for Subject { name, storage, .. } in all() {
        let transaction = begin(&*storage, Meta::default(), vec![store(1, Tid::ZERO, b"a")]);
        let error = finish(transaction).recv().unwrap().unwrap_err();
        assert!(matches!(error, Error::Transaction(_)), "{name}: {error}");
        commit(&*storage, Vec::new()).unwrap();
        let mut transaction = begin(&*storage, Meta::default(), Vec::new());
        vote(&mut transaction).unwrap();
        assert!(vote(&mut transaction).is_err(), "{name}: two votes");
    }
}

#[test]
fn second_vote_waits_for_the_commit_lock_unless_it_may_not() {
    for Subject { name, storage, .. } in all() {
        for finishes in [true, false] {
            let mut holder = begin(&*storage, Meta::default(), Vec::new());
            vote(&mut holder).unwrap();
            let mut waiting = begin(&*storage, Meta::default(), Vec::new());
            let refused = waiting.vote(Wait::Refused);
            assert!(matches!(refused, Err(Error::WouldWait)), "{name}: {refused:?}");
            let (begun, begins) = mpsc::channel();
            let next = thread::spawn(move || {
                begun.send(()).unwrap();
                vote(&mut waiting).unwrap();
                finish(waiting).recv().unwrap()
            });
            begins.recv().unwrap();
            assert!(!next.is_finished(), "{name}");
            let tid = finishes.then(|| finish(holder).recv().unwrap().unwrap());
            let next = next.join().unwrap().unwrap();
            assert!(tid.is_none_or(|tid| tid < next), "{name}");
        }
    }
}

#[test]
fn transactions_are_published_in_their_order_and_seen_when_they_are_answered() {
    const CLIENTS: u64 = 6;
    for Subject { name, storage, .. } in all() {
        let listener = Listener::subscribe(&storage);
        let commit_often = |client: u64| {
            let storage = storage.clone();
            move || {
                let mut serial = Tid::ZERO;
                for round in 0..60 {
                    let data = format!("{client} {round}").into_bytes();
                    // Two records of one object: the last one counts.
                    let twice = vec![store(client, serial, b"not this"), store(client, serial, &data)];
                    serial = commit(&*storage, twice).unwrap();
                    let seen = load(&*storage, client, Tid::MAX).unwrap();
                    assert_eq!(seen, Some((data, serial, None)), "an answered commit is seen");
                }
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|client| thread::spawn(commit_often(client))).collect();
        for client in clients {
            client.join().unwrap();
        }
        let all = 60 * usize::try_from(CLIENTS).unwrap();
        eventually(SOON, || listener.heard().len() == all);
        let heard = listener.heard();
        assert!(heard.is_sorted_by(|one, next| one.0 < next.0 && one.3 < next.3), "{name}: out of order");
        assert!(heard.iter().all(|(_, oids, .., committer)| oids.len() == 1 && *committer == Some(7)));
        let last = storage.last_transactions(usize::MAX).unwrap();
        assert!(last.iter().map(|(tid, _)| *tid).eq(heard.iter().map(|(tid, ..)| *tid)), "{name}");
        listener.end();
    }
}
