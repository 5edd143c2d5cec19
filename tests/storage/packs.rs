//! Packs: what is removed, what is kept, and that all ways to read agree with it.

use zeo_server::storage::{PackOutcome, PackProgress};

use super::*;
use crate::filestorage::pack::{record, references};

fn linking(oid: u64, serial: Tid, mark: &str, objects: &[u64]) -> Operation {
    store(oid, serial, &record(mark, objects))
}

fn pack(storage: &dyn Storage, until: Tid) -> Result<PackOutcome, Error> {
    let progress = Arc::new(PackProgress::default());
    storage.pack().expect("it can be packed").pack(until, &mut references, &progress)
}

/// The transactions, each with whether it is packed and its objects.
fn transactions(storage: &dyn Storage) -> Vec<(Tid, bool, Vec<u64>)> {
    let mut walk = storage.history().unwrap().iterate(None, None, Wait::Allowed).unwrap();
    let mut all = Vec::new();
    while let Some((tid, meta)) = walk.next(Wait::Allowed).unwrap() {
        let mut records = walk.records().unwrap();
        let mut oids = Vec::new();
        while let Some(record) = records.next(Wait::Allowed).unwrap() {
            oids.push(record.oid.0);
        }
        all.push((tid, meta.packed, oids));
    }
    all
}

fn exists(storage: &dyn Storage, oid: u64) -> bool {
    storage.load_before(Oid(oid), Tid::MAX, Wait::Allowed, &mut Vec::new()).is_ok()
}

#[test]
fn pack_removes_old_revisions_and_what_nothing_refers_to() {
    for Subject { name, storage, .. } in all() {
        let first = vec![linking(0, Tid::ZERO, "1", &[1, 2]), linking(1, Tid::ZERO, "1", &[])];
        let first = commit(&*storage, first).unwrap();
        let garbage = vec![linking(2, Tid::ZERO, "2", &[3]), linking(3, Tid::ZERO, "2", &[])];
        commit(&*storage, garbage).unwrap();
        let until = commit(&*storage, vec![linking(0, first, "3", &[1]), linking(4, Tid::ZERO, "3", &[])]);
        let until = until.unwrap();
        // What is referred to since stays, and so does a reference to nothing.
        let later = commit(&*storage, vec![linking(1, first, "4", &[4, 99])]).unwrap();
        let before = storage.stats();
        let outcome = pack(&*storage, until).unwrap();
        let after = storage.stats();
        assert_eq!(outcome, PackOutcome::Packed { before: before.bytes, after: after.bytes }, "{name}");
        assert!(after.bytes < before.bytes, "{name}");
        assert_eq!((after.last_tid, after.objects), (later, 3), "{name}");
        assert_eq!(
            [0, 1, 2, 3, 4].map(|oid| exists(&*storage, oid)),
            [true, true, false, false, true],
            "{name}"
        );
        let expected = [(first, true, vec![1]), (until, true, vec![0, 4]), (later, false, vec![1])];
        assert_eq!(transactions(&*storage), expected, "{name}");
        let revisions = storage.history().unwrap().revisions(Oid(1), 9, Wait::Allowed).unwrap();
        assert_eq!(revisions.iter().map(|entry| entry.tid).collect::<Vec<_>>(), [later, first], "{name}");
        let mut data = Vec::new();
        let revision = storage.load_before(Oid(1), later, Wait::Allowed, &mut data).unwrap().unwrap();
        assert_eq!((revision.start, revision.end, data), (first, Some(later), record("1", &[])), "{name}");
        assert_eq!(pack(&*storage, until).unwrap(), PackOutcome::Unchanged, "{name}");
        // It goes on.
        commit(&*storage, vec![linking(0, until, "5", &[])]).unwrap();
        pack(&*storage, Tid::MAX).unwrap();
        assert_eq!([0, 1, 4].map(|oid| exists(&*storage, oid)), [true, false, false], "{name}");
    }
}

#[test]
fn pack_without_a_root_or_with_an_unreadable_record_removes_no_object() {
    for (root, data) in [(7, record("1", &[])), (0, b"no pickle".to_vec())] {
        for Subject { name, storage, .. } in all() {
            let first =
                commit(&*storage, vec![store(root, Tid::ZERO, &data), linking(1, Tid::ZERO, "1", &[])]);
            let first = first.unwrap();
            let until = commit(&*storage, vec![linking(1, first, "2", &[])]).unwrap();
            pack(&*storage, until).unwrap();
            assert_eq!([root, 1].map(|oid| exists(&*storage, oid)), [true, true], "{name}");
            let expected = [(first, true, vec![root]), (until, true, vec![1])];
            assert_eq!(transactions(&*storage), expected, "{name}");
        }
    }
}

#[test]
fn deleted_objects_go_with_a_pack_and_the_last_transaction_stays() {
    for Subject { name, storage, .. } in all() {
        if !storage.info().delete {
            continue;
        }
        let first = vec![linking(0, Tid::ZERO, "1", &[1]), linking(1, Tid::ZERO, "1", &[])];
        let first = commit(&*storage, first).unwrap();
        let delete = vec![Operation::Delete { oid: Oid(1), serial: Some(first) }];
        let deleted = commit(&*storage, delete).unwrap();
        pack(&*storage, deleted).unwrap();
        assert_eq!(storage.stats().last_tid, deleted, "{name}");
        assert_eq!(transactions(&*storage), [(first, true, vec![0]), (deleted, true, vec![])], "{name}");
        assert!(!exists(&*storage, 1), "{name}");
    }
}
