use super::*;

fn commit(storage: &MemoryStorage, operations: &[Operation]) -> Result<Result<Tid, Vec<Conflict>>, Error> {
    let mut transaction = storage.begin(Meta::default());
    for operation in operations {
        transaction.push(operation.clone());
    }
    match storage.vote(&mut transaction)? {
        Vote::Written { ticket, tid, .. } => {
            storage.finish(ticket, Box::new(|finished| finished.unwrap()));
            Ok(Ok(tid))
        }
        Vote::Conflicts(conflicts) => Ok(Err(conflicts)),
    }
}

fn store(oid: u64, serial: Tid, data: &[u8]) -> Operation {
    Operation::Store { oid: Oid(oid), serial: Some(serial), data: data.to_vec() }
}

#[test]
fn revisions_are_found_by_their_time() {
    let storage = MemoryStorage::new("m");
    let first = commit(&storage, &[store(1, Tid::ZERO, b"a")]).unwrap().unwrap();
    let second = commit(&storage, &[store(1, first, b"bb"), store(2, Tid::ZERO, b"c")]).unwrap().unwrap();
    let load = |oid, before| {
        let mut data = b"before ".to_vec();
        storage.load_before(Oid(oid), before, &mut data).map(|found| (data, found))
    };
    let revision = |start, end| Some(Revision { start, end });
    assert_eq!(load(1, first).unwrap(), (b"before ".to_vec(), None));
    assert_eq!(load(1, second).unwrap(), (b"before a".to_vec(), revision(first, Some(second))));
    assert_eq!(load(1, Tid::MAX).unwrap(), (b"before bb".to_vec(), revision(second, None)));
    assert!(matches!(load(3, Tid::MAX), Err(Error::NoSuchObject(Oid(3)))));
    assert_eq!((storage.length(), storage.size(), storage.last_tid()), (2, 4, second));
    let last = storage.last_transactions(1).unwrap();
    assert_eq!(last, [(second, vec![Oid(1), Oid(2)])]);
    assert_eq!(storage.history(Oid(1), 9).unwrap().len(), 2);
    assert!(storage.new_oids(1).unwrap() > Oid(2));
}

#[test]
fn all_conflicts_are_listed_and_a_later_store_cancels_one() {
    let storage = MemoryStorage::new("m");
    let stores = [store(1, Tid::ZERO, b"a"), store(2, Tid::ZERO, b"a")];
    let first = commit(&storage, &stores).unwrap().unwrap();
    let stale = [store(1, Tid(5), b"x"), store(2, Tid(5), b"y")];
    let conflicts = commit(&storage, &stale).unwrap().unwrap_err();
    let conflict = |oid, data: &[u8]| Conflict {
        oid: Oid(oid),
        committed: first,
        given: Some(Tid(5)),
        data: data.to_vec(),
    };
    assert_eq!(conflicts, [conflict(1, b"x"), conflict(2, b"y")]);
    let resolved = [stale.as_slice(), &[store(1, first, b"z"), store(2, first, b"z")]].concat();
    commit(&storage, &resolved).unwrap().unwrap();
    assert_eq!(storage.length(), 2);
}

#[test]
fn deleted_object_is_gone_and_its_past_is_not() {
    let storage = MemoryStorage::new("m");
    let first = commit(&storage, &[store(1, Tid::ZERO, b"a")]).unwrap().unwrap();
    let delete = |serial| [Operation::Delete { oid: Oid(1), serial: Some(serial) }];
    assert!(matches!(commit(&storage, &delete(Tid(3))), Err(Error::Conflict { .. })));
    let second = commit(&storage, &delete(first)).unwrap().unwrap();
    let mut data = Vec::new();
    assert!(matches!(storage.load_before(Oid(1), Tid::MAX, &mut data), Err(Error::NoSuchObject(_))));
    let found = storage.load_before(Oid(1), second, &mut data).unwrap().unwrap();
    assert_eq!((found.end, data.as_slice()), (Some(second), &b"a"[..]));
    assert!(matches!(commit(&storage, &delete(second)), Err(Error::NoSuchObject(_))));
    assert_eq!(storage.length(), 0);
}

#[test]
fn dependency_on_an_old_revision_is_refused() {
    let storage = MemoryStorage::new("m");
    let first = commit(&storage, &[store(1, Tid::ZERO, b"a")]).unwrap().unwrap();
    let check = |serial| [Operation::CheckCurrent { oid: Oid(1), serial }];
    commit(&storage, &check(Some(first))).unwrap().unwrap();
    assert!(matches!(commit(&storage, &check(None)), Err(Error::ReadConflict { .. })));
}

#[test]
fn iteration_shows_what_was_there_when_it_began() {
    let storage = MemoryStorage::new("m");
    let first = commit(&storage, &[store(1, Tid::ZERO, b"a")]).unwrap().unwrap();
    let second = commit(&storage, &[store(1, first, b"b")]).unwrap().unwrap();
    let mut walk = storage.iterate(Some(second), None).unwrap();
    commit(&storage, &[store(1, second, b"c")]).unwrap().unwrap();
    assert!(walk.records().is_err());
    assert_eq!(walk.next().unwrap().map(|(tid, _)| tid), Some(second));
    let mut records = walk.records().unwrap();
    assert_eq!(records.next().unwrap().and_then(|record| record.data), Some(b"b".to_vec()));
    assert_eq!(records.next().unwrap(), None);
    assert_eq!(walk.next().unwrap(), None);
}

#[test]
fn vote_holds_the_storage_until_its_end() {
    let storage = MemoryStorage::new("m");
    let mut transaction = storage.begin(Meta::default());
    let Ok(Vote::Written { ticket, .. }) = storage.vote(&mut transaction) else { panic!("no vote") };
    assert!(storage.vote(&mut storage.begin(Meta::default())).is_err());
    storage.abort(ticket);
    storage.finish(ticket, Box::new(|finished| assert!(finished.is_err())));
    commit(&storage, &[]).unwrap().unwrap();
    assert_ne!(storage.last_tid(), Tid::ZERO);
}
