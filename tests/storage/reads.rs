//! Revisions, history, iteration, records, what is there after a restart.

use std::collections::BTreeSet;

use super::*;

#[test]
fn revisions_are_found_by_their_time() {
    for Subject { name, storage, .. } in all() {
        let first = commit(&*storage, vec![store(1, Tid::ZERO, b"a")]).unwrap();
        let second = commit(&*storage, vec![store(1, first, b"bb"), store(2, Tid::ZERO, b"c")]).unwrap();
        assert_eq!(load(&*storage, 1, first).unwrap(), None, "{name}");
        assert_eq!(load(&*storage, 1, second).unwrap(), Some((b"a".to_vec(), first, Some(second))), "{name}");
        assert_eq!(load(&*storage, 1, Tid::MAX).unwrap(), Some((b"bb".to_vec(), second, None)), "{name}");
        assert!(matches!(load(&*storage, 3, Tid::MAX), Err(Error::NoSuchObject(Oid(3)))), "{name}");
        assert_eq!(storage.load_serial(Oid(1), first, Wait::Allowed).unwrap(), b"a", "{name}");
        assert_eq!(storage.load_serial(Oid(1), second, Wait::Allowed).unwrap(), b"bb", "{name}");
        assert!(
            matches!(storage.load_serial(Oid(2), first, Wait::Allowed), Err(Error::NoSuchObject(_))),
            "{name}"
        );
        assert_eq!(storage.current_tid(Oid(1)).unwrap(), second, "{name}");
        let stats = storage.stats();
        assert_eq!((stats.last_tid, stats.objects), (second, 2), "{name}");
        // Short revisions that have just been written can be had at once, where it can be known.
        let mut data = Vec::new();
        match storage.load_before(Oid(1), Tid::MAX, Wait::Refused, &mut data) {
            Ok(found) => assert_eq!(found.map(|found| found.start), Some(second), "{name}"),
            Err(error) => assert!(matches!(error, Error::WouldWait), "{name}: {error}"),
        }
    }
}

#[test]
fn changes_are_listed_since_any_transaction() {
    for Subject { name, storage, .. } in all() {
        let tids: Vec<Tid> = (1..=5)
            .map(|n| {
                commit(&*storage, vec![store(n, Tid::ZERO, b"x"), store(n + 10, Tid::ZERO, b"x")]).unwrap()
            })
            .collect();
        let oids = |range: std::ops::RangeInclusive<u64>| -> BTreeSet<Oid> {
            range.clone().chain(range.map(|n| n + 10)).map(Oid).collect()
        };
        for (since, missed) in [(Tid::ZERO, 1..=5), (tids[0], 2..=5), (tids[3], 5..=5)] {
            let changes = storage.changes_since(since, 10, Wait::Allowed).unwrap();
            assert_eq!(changes, Some((tids[4], oids(missed))), "{name}");
        }
        assert_eq!(
            storage.changes_since(tids[4], 10, Wait::Allowed).unwrap(),
            Some((tids[4], BTreeSet::new())),
            "{name}"
        );
        assert_eq!(storage.changes_since(tids[0], 7, Wait::Allowed).unwrap(), None, "{name}");
        let last = storage.last_transactions(2).unwrap();
        let expected = [(tids[3], vec![Oid(4), Oid(14)]), (tids[4], vec![Oid(5), Oid(15)])];
        assert_eq!(last, expected, "{name}");
    }
}

#[test]
fn history_lists_the_revisions_newest_first() {
    for Subject { name, storage, .. } in all() {
        let Some(history) = storage.history() else { continue };
        let described = |text: &[u8]| Meta { description: text.to_vec(), ..Meta::default() };
        let first = commit_as(&*storage, described(b"one"), vec![store(1, Tid::ZERO, b"a")]).unwrap();
        let second = commit_as(&*storage, described(b"two"), vec![store(1, first, b"bb")]).unwrap();
        let found = |size| {
            let entries = history.revisions(Oid(1), size, Wait::Allowed).unwrap();
            entries
                .into_iter()
                .map(|entry| (entry.tid, entry.meta.description, entry.size))
                .collect::<Vec<_>>()
        };
        let all = [(second, b"two".to_vec(), 2), (first, b"one".to_vec(), 1)];
        assert_eq!((found(9), found(1)), (all.to_vec(), all[..1].to_vec()), "{name}");
        assert!(matches!(history.revisions(Oid(2), 1, Wait::Allowed), Err(Error::NoSuchObject(_))), "{name}");
    }
}

#[test]
fn iteration_shows_what_was_there_when_it_began() {
    for Subject { name, storage, .. } in all() {
        let Some(history) = storage.history() else { continue };
        let first = commit(&*storage, vec![store(1, Tid::ZERO, b"a")]).unwrap();
        let meta = Meta { user: b"u".to_vec(), extension: b"e".to_vec(), ..Meta::default() };
        let second =
            commit_as(&*storage, meta, vec![store(1, first, b"b"), store(2, Tid::ZERO, b"c")]).unwrap();
        let mut walk = history.iterate(Some(second), None, Wait::Allowed).unwrap();
        commit(&*storage, vec![store(1, second, b"d")]).unwrap();
        assert!(walk.records().is_err(), "{name}");
        let (tid, found) = walk.next(Wait::Allowed).unwrap().unwrap();
        assert_eq!((tid, found.user, found.extension), (second, b"u".to_vec(), b"e".to_vec()), "{name}");
        for _ in 0..2 {
            let mut records = walk.records().unwrap();
            for (oid, data) in [(1, b"b"), (2, b"c")] {
                let record = records.next(Wait::Allowed).unwrap().unwrap();
                assert_eq!((record.oid, record.data, record.data_tid), (Oid(oid), Some(data.to_vec()), None));
            }
            assert_eq!(records.next(Wait::Allowed).unwrap(), None, "{name}");
        }
        assert_eq!(walk.next(Wait::Allowed).unwrap(), None, "{name}");
        let mut walk = history.iterate(None, Some(first), Wait::Allowed).unwrap();
        assert_eq!(walk.next(Wait::Allowed).unwrap().map(|(tid, _)| tid), Some(first), "{name}");
        assert_eq!(walk.next(Wait::Allowed).unwrap(), None, "{name}");
    }
}

#[test]
fn current_records_are_walked_by_id_without_deleted_ones() {
    for Subject { name, storage, .. } in all() {
        let Some(records) = storage.current_records() else { continue };
        assert_eq!(records.next_record(Oid(0), Wait::Allowed).unwrap(), None, "{name}");
        let objects = [1, 2, 9].map(|oid| store(oid, Tid::ZERO, &[7; 3])).to_vec();
        let tid = commit(&*storage, objects).unwrap();
        commit(&*storage, vec![Operation::Delete { oid: Oid(2), serial: Some(tid) }]).unwrap();
        let found = records.next_record(Oid(0), Wait::Allowed).unwrap().unwrap();
        assert_eq!((found.oid, found.tid, found.data, found.next), (Oid(1), tid, vec![7; 3], Some(Oid(9))));
        let last = records.next_record(Oid(2), Wait::Allowed).unwrap().unwrap();
        assert_eq!((last.oid, last.next), (Oid(9), None), "{name}");
        assert_eq!(records.next_record(Oid(10), Wait::Allowed).unwrap(), None, "{name}");
    }
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    for Subject { name, storage, reopen, place } in all() {
        let Some(reopen) = reopen else { continue };
        let first = commit(&*storage, vec![store(1, Tid::ZERO, b"a"), store(2, Tid::ZERO, b"b")]).unwrap();
        let second = commit(&*storage, vec![store(1, first, b"aa")]).unwrap();
        let (stats, info) = (storage.stats(), storage.info());
        storage.close().unwrap();
        drop(storage);
        // As after a clean end, and as after a crash.
        for _ in 0..2 {
            let storage = reopen(&place);
            assert_eq!((storage.stats(), storage.info()), (stats, info.clone()), "{name}");
            assert_eq!(load(&*storage, 1, Tid::MAX).unwrap(), Some((b"aa".to_vec(), second, None)), "{name}");
            assert_eq!(
                load(&*storage, 1, second).unwrap().map(|found| found.0),
                Some(b"a".to_vec()),
                "{name}"
            );
            assert!(*storage.new_oids(1).unwrap().start() > 2, "{name}");
        }
    }
}
