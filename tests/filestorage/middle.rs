//! Damage that has whole transactions behind it, and a last transaction that is not whole: what is read nevertheless, what
//! is refused, and what is cut off.

use std::collections::BTreeMap;

use zeo_server::filestorage::FileStorage;
use zeo_server::storage::{Error, Oid, Operation, Storage, Tid, Wait};

use super::simulated::Simulated;
use super::{commit, open, store};

/// Objects of a file.
const OBJECTS: u64 = 7;

/// A file, and what is in it.
struct File {
    bytes: Vec<u8>,
    index: Vec<u8>,
    /// Where each transaction begins, and the end of the file.
    starts: Vec<usize>,
    revisions: Vec<(u64, Tid, Vec<u8>)>,
}

impl File {
    /// One of so many transactions, each of two objects.
    fn new(transactions: u64) -> Self {
        let files = Simulated::default();
        let storage = open(&files).unwrap();
        let (mut current, mut starts, mut revisions) = (BTreeMap::new(), Vec::new(), Vec::new());
        for number in 0..transactions {
            starts.push(files.data().len());
            let oids = [number % OBJECTS, (number + 3) % OBJECTS];
            let data =
                |oid: u64| format!("{number} of {oid} ").into_bytes().repeat(1 + (number * 13 % 40) as usize);
            let serial = |oid| current.get(&oid).copied().unwrap_or(Tid::ZERO);
            let steps = oids.iter().map(|oid| store(*oid, serial(*oid), data(*oid))).collect();
            let tid = commit(&storage, steps).unwrap();
            for oid in oids {
                current.insert(oid, tid);
                revisions.push((oid, tid, data(oid)));
            }
        }
        storage.close().unwrap();
        let bytes = files.data();
        starts.push(bytes.len());
        Self { bytes, index: files.index_bytes().unwrap(), starts, revisions }
    }

    fn length(&self, transaction: usize) -> usize {
        self.starts[transaction + 1] - self.starts[transaction]
    }

    /// The file with other bytes at an offset of a transaction.
    fn with(&self, transaction: usize, offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = self.bytes.clone();
        let at = self.starts[transaction] + offset;
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        damaged
    }

    /// Damages of a transaction that leave its records whole, with what they are.
    fn harmless(&self, transaction: usize) -> Vec<(Vec<u8>, String)> {
        let start = self.starts[transaction];
        let flipped =
            |offset: usize, bit: u8| self.with(transaction, offset, &[self.bytes[start + offset] ^ bit]);
        let last = self.length(transaction) - 8;
        let mut cases = vec![
            (self.with(transaction, 8, &[0; 8]), "no length".to_owned()),
            (self.with(transaction, 8, &[0xff; 8]), "a huge length".to_owned()),
            (self.with(transaction, last, &[0; 8]), "no closing length".to_owned()),
            (self.with(transaction, 16, b"c"), "a status of unfinished ones".to_owned()),
            (self.with(transaction, 16, &[0]), "no status".to_owned()),
            (self.with(transaction, 16, b"\xa0"), "a status with a bit".to_owned()),
        ];
        for bit in 0..64 {
            let (byte, mask) = (bit / 8, 1 << (bit % 8));
            cases.push((flipped(8 + byte, mask), format!("bit {bit} of the length")));
            cases.push((flipped(last + byte, mask), format!("bit {bit} of the closing length")));
        }
        // The ids of neighbours differ in the last bytes.
        for byte in 0..7 {
            cases.push((flipped(byte, 1), format!("byte {byte} of the id")));
        }
        let what = |what| format!("{what} of transaction {transaction}");
        cases.into_iter().map(|(bytes, kind)| (bytes, what(kind))).collect()
    }

    /// Opens a damaged file twice; both times all that was ever committed must be there, and nothing be cut off.
    #[track_caller]
    fn assert_all_is_served(&self, bytes: &[u8], index: Option<&[u8]>, what: &str) {
        let files = Simulated::holding(bytes.to_vec(), index.map(<[u8]>::to_vec));
        for start in 1..=2 {
            let storage = open(&files).unwrap_or_else(|error| panic!("{what}, start {start}: {error}"));
            for (oid, tid, data) in &self.revisions {
                let found = storage
                    .load_serial(Oid(*oid), *tid, Wait::Allowed)
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(found == *data, "{what}: object {oid} at {tid}");
            }
            assert_eq!(storage.stats().objects, OBJECTS, "{what}");
            assert_eq!(storage.stats().bytes, self.bytes.len() as u64, "{what}");
            let (_, last, _) = self.revisions.last().unwrap();
            assert_eq!(storage.stats().last_tid, *last, "{what}");
            storage.close().unwrap();
            assert!(files.data() == bytes && files.rests().is_empty(), "{what}: the file was changed");
        }
    }
}

/// Opens a damaged file twice, which must be refused and stay as it is: why.
#[track_caller]
fn refused(bytes: &[u8], index: Option<&[u8]>, what: &str) -> String {
    let files = Simulated::holding(bytes.to_vec(), index.map(<[u8]>::to_vec));
    let errors = [1, 2].map(|start| match open(&files) {
        Ok(storage) => panic!("{what}, start {start}: opened at {} bytes", storage.stats().bytes),
        Err(error @ Error::Damaged { .. }) => error.to_string(),
        Err(error) => panic!("{what}, start {start}: {error}"),
    });
    assert!(files.data() == bytes && files.rests().is_empty(), "{what}: the file was changed");
    assert_eq!(errors[0], errors[1]);
    errors[0].clone()
}

#[test]
fn transaction_whose_length_status_or_id_is_damaged_is_read_by_its_records() {
    let file = File::new(60);
    for transaction in [0, 9, 30, 58] {
        for (bytes, what) in file.harmless(transaction) {
            file.assert_all_is_served(&bytes, None, &what);
        }
    }
}

#[test]
fn last_transaction_is_read_by_its_records_if_an_index_knows_it() {
    let file = File::new(40);
    for (bytes, what) in file.harmless(39) {
        file.assert_all_is_served(&bytes, Some(&file.index), &what);
    }
}

#[test]
fn several_transactions_with_damaged_lengths_are_read() {
    let file = File::new(60);
    // Both lengths of one, neighbours, and the last with its own length only.
    let mut bytes = file.bytes.clone();
    for (transaction, offset) in
        [(5, 8), (5, file.length(5) - 8), (20, 9), (21, 9), (22, 9), (58, 15), (59, 15)]
    {
        bytes[file.starts[transaction] + offset] ^= 0x40;
    }
    file.assert_all_is_served(&bytes, None, "several");
}

#[test]
fn damage_that_hides_records_in_front_of_whole_transactions_is_refused_and_nothing_cut_off() {
    let file = File::new(60);
    let torn = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() - 20);
        bytes
    };
    for transaction in [0, 9, 30, 58] {
        let (start, length) = (file.starts[transaction], file.length(transaction));
        let next = file.starts[transaction + 1];
        // Its header; a record's header; all of it.
        let mut cases = vec![
            (file.with(transaction, 0, &[0; 23]), "zeros in its header"),
            (file.with(transaction, 40, &[0; 20]), "zeros in a record"),
            (file.with(transaction, 23 + 34, &[0x11; 8]), "another length of a record"),
            (file.with(transaction, 0, &vec![0; length]), "zeros"),
            (file.with(transaction, 0, &vec![0xa5; length]), "garbage"),
        ];
        if transaction < 58 {
            // Several kinds of damage at once: the last commit is cut off, for it is not finished, only where nothing else is.
            cases.push((
                torn(file.with(transaction, 40, &[0; 20])),
                "zeros in a record, and half a commit at the end",
            ));
        }
        for (bytes, what) in cases {
            let what = format!("{what} of transaction {transaction}");
            let behind = 60 - transaction - 1 - usize::from(what.contains("half"));
            let said = format!(
                "Data.fs: it is damaged up to byte {next}, and {behind} whole transactions follow; nothing was changed: \
                 restore a backup, or the index that was saved with it, or copy what is whole with Python's fsrecover; the \
                 damage begins at byte {start}"
            );
            assert_eq!(refused(&bytes, None, &what), said, "{what}");
        }
    }
}

#[test]
fn index_that_was_saved_behind_the_damage_is_as_good_as_ever() {
    let file = File::new(60);
    let mut cases = file.harmless(59);
    // By its closing length the last transaction is found; without it the whole file is read.
    cases.retain(|(_, what)| !what.contains("closing"));
    cases.push((file.bytes.clone(), "nothing else".to_owned()));
    for (mut bytes, what) in cases {
        bytes[file.starts[9]..file.starts[10]].fill(0);
        let files = Simulated::holding(bytes.clone(), Some(file.index.clone()));
        for start in 1..=2 {
            let storage = open(&files).unwrap_or_else(|error| panic!("{what}, start {start}: {error}"));
            let (_, last, _) = file.revisions.last().unwrap();
            assert_eq!(storage.stats().last_tid, *last, "{what}");
            for oid in 0..OBJECTS {
                let (_, tid, data) = file.revisions.iter().rfind(|(of, ..)| *of == oid).unwrap();
                assert_eq!(super::load(&storage, oid).unwrap(), Some((data.clone(), *tid)), "{what}");
            }
            storage.close().unwrap();
            assert!(files.data() == bytes, "{what}");
        }
    }
}

#[test]
fn last_transaction_that_is_not_whole_is_cut_off_and_kept_wherever_it_is_torn() {
    let file = File::new(40);
    let (start, length) = (file.starts[39], file.length(39));
    assert!(length > 300, "{length}");
    let mut cases = Vec::new();
    for filler in [0, 0xa5] {
        for from in [0, 1, 8, 16, 23, 50, length - 8, length - 100] {
            for count in [4, 40, 100, length] {
                let count = count.min(length - from);
                let bytes = vec![filler; count];
                let (damaged, what) = (file.with(39, from, &bytes), format!("{count} x {filler} at {from}"));
                cases.push((damaged, what));
            }
        }
    }
    for (bytes, what) in cases {
        let files = Simulated::holding(bytes.clone(), None);
        let storage = open(&files).unwrap_or_else(|error| panic!("{what}: {error}"));
        if storage.stats().bytes == bytes.len() as u64 {
            // Zeros within data cannot be seen, and what the records show is mended.
            assert!(files.data() == bytes && files.rests().is_empty(), "{what}");
            continue;
        }
        assert!(files.data() == bytes[..start], "{what}");
        assert_eq!(files.rests(), [bytes[start..].to_vec()], "{what}");
        // One that an index knows was finished.
        let files = Simulated::holding(bytes.clone(), Some(file.index.clone()));
        let _ = open(&files);
        assert!(files.data() == bytes && files.rests().is_empty(), "{what}: cut off");
    }
}

/// Where in the file the record of an object's revision begins, the object and the transaction being these.
fn record_at(file: &File, oid: u64, tid: Tid) -> usize {
    let head = [oid.to_be_bytes(), tid.to_bytes()].concat();
    file.bytes.windows(16).position(|bytes| bytes == head).unwrap()
}

#[test]
fn wrong_previous_pointer_hides_old_revisions_of_its_object_only() {
    let file = File::new(60);
    let of = |oid| file.revisions.iter().filter(move |(of, ..)| *of == oid).collect::<Vec<_>>();
    let (all, other) = (of(2), record_at(&file, 3, of(3)[2].1));
    for number in [all.len() - 1, 4] {
        let at = record_at(&file, 2, all[number].1);
        let (itself, end) = (at as u64, file.bytes.len() as u64);
        for (previous, what) in [
            (itself, "itself"),
            (itself + 100, "a later place"),
            (end - 8, "the end"),
            (end + 8, "behind the end"),
            (u64::MAX, "nowhere"),
            (3, "the magic"),
            (4, "no record"),
            (other as u64, "another object"),
        ] {
            let mut bytes = file.bytes.clone();
            bytes[at + 16..at + 24].copy_from_slice(&previous.to_be_bytes());
            for index in [None, Some(file.index.clone())] {
                let what = format!("revision {number} points at {what}, index {}", index.is_some());
                let files = Simulated::holding(bytes.clone(), index);
                let storage = open(&files).unwrap_or_else(|error| panic!("{what}: {error}"));
                for (order, (oid, tid, data)) in file.revisions.iter().enumerate() {
                    let hidden = *oid == 2 && all[..number].iter().any(|revision| revision.1 == *tid);
                    let found = storage.load_serial(Oid(*oid), *tid, Wait::Allowed);
                    let before = Tid(tid.0 + 1);
                    let mut loaded = Vec::new();
                    let revision = storage.load_before(Oid(*oid), before, Wait::Allowed, &mut loaded);
                    if hidden {
                        assert!(matches!(found, Err(Error::Damaged { .. })), "{what}: {order}: {found:?}");
                        assert!(
                            matches!(revision, Err(Error::Damaged { .. })),
                            "{what}: {order}: {revision:?}"
                        );
                    } else {
                        assert!(found.unwrap() == *data && loaded == *data, "{what}: {order}");
                    }
                }
                assert!(storage.history().unwrap().revisions(Oid(2), 1000, Wait::Allowed).is_err(), "{what}");
                assert_eq!(walk(&storage), file.revisions, "{what}");
                assert_eq!(storage.last_transactions(60).unwrap().len(), 60, "{what}");
                storage.close().unwrap();
                assert!(files.data() == bytes, "{what}");
            }
        }
    }
}

/// All revisions, as an iterator over all transactions finds them.
fn walk(storage: &FileStorage) -> Vec<(u64, Tid, Vec<u8>)> {
    let mut found = Vec::new();
    let mut walk = storage.history().unwrap().iterate(None, None, Wait::Allowed).unwrap();
    while let Some((tid, _)) = walk.next(Wait::Allowed).unwrap() {
        let mut records = walk.records().unwrap();
        while let Some(record) = records.next(Wait::Allowed).unwrap() {
            found.push((record.oid.0, tid, record.data.unwrap()));
        }
    }
    found
}

#[test]
fn transactions_with_a_damaged_length_or_status_are_iterated_over() {
    let file = File::new(60);
    for (bytes, what) in file.harmless(30) {
        let storage = open(&Simulated::holding(bytes, Some(file.index.clone()))).unwrap();
        if !what.contains("of the id") {
            assert_eq!(walk(&storage), file.revisions, "{what}");
        }
        // Where it may not wait it does not look around.
        let mut walk = storage.history().unwrap().iterate(None, None, Wait::Allowed).unwrap();
        (0..30).for_each(|_| drop(walk.next(Wait::Allowed).unwrap().unwrap()));
        let in_frame = !what.contains("of the id") && !what.contains("status");
        assert_eq!(matches!(walk.next(Wait::Refused), Err(Error::WouldWait)), in_frame, "{what}");
        assert!(walk.next(Wait::Allowed).unwrap().is_some(), "{what}");
        // From behind it, by ids alone.
        let (_, tid, _) = &file.revisions[file.revisions.len() - 2];
        let mut walk = storage.history().unwrap().iterate(Some(*tid), None, Wait::Allowed).unwrap();
        assert_eq!(walk.next(Wait::Allowed).unwrap().unwrap().0, *tid, "{what}");
        assert!(walk.next(Wait::Allowed).unwrap().is_none(), "{what}");
    }
}

#[test]
fn damage_in_the_last_transactions_makes_what_is_known_of_them_shorter() {
    let file = File::new(60);
    let oids: Vec<_> =
        file.revisions.chunks(2).map(|pair| (pair[0].1, vec![Oid(pair[0].0), Oid(pair[1].0)])).collect();
    let mut cases = file.harmless(50);
    let length = file.length(50);
    for (offset, bytes) in
        [(0, vec![0; 23]), (0, vec![0; length]), (40, vec![0xa5; 20]), (8, vec![0; length - 8])]
    {
        cases.push((file.with(50, offset, &bytes), format!("{} bytes at {offset}", bytes.len())));
    }
    for (bytes, what) in cases {
        let storage = open(&Simulated::holding(bytes, Some(file.index.clone()))).unwrap();
        let found = storage.last_transactions(30).unwrap();
        let known = found.len();
        assert!(known == 30 || known == 9, "{what}: {known}");
        assert_eq!(found, oids[60 - known..], "{what}");
        // Since before the damage and since behind it.
        let (last, all) = (oids[59].0, oids[45..].iter().flat_map(|(_, oids)| oids.clone()).collect());
        let changed = storage.changes_since(oids[44].0, 100, Wait::Allowed).unwrap();
        assert!(changed.is_none() || changed == Some((last, all)), "{what}: {changed:?}");
        let late = oids[55..].iter().flat_map(|(_, oids)| oids.clone()).collect();
        assert_eq!(
            storage.changes_since(oids[54].0, 100, Wait::Allowed).unwrap(),
            Some((last, late)),
            "{what}"
        );
    }
}

#[test]
fn pack_of_a_damaged_file_fails_and_leaves_it_as_it_is() {
    let file = File::new(60);
    for (offset, byte) in [(8, 1), (15, 1), (file.length(9) - 1, 1)] {
        let bytes = file.with(9, offset, &[file.bytes[file.starts[9] + offset] ^ byte]);
        let files = Simulated::holding(bytes.clone(), None);
        let storage = open(&files).unwrap();
        let packed = super::pack::pack(&storage, Tid::MAX);
        assert!(matches!(packed, Err(Error::Damaged { .. })), "{offset}: {packed:?}");
        assert_eq!(walk(&storage), file.revisions);
        assert!(files.data() == bytes);
    }
}

#[test]
fn undo_takes_no_data_from_where_a_wrong_previous_pointer_leads() {
    let file = File::new(60);
    let (_, tid, _) = file.revisions.iter().rfind(|(oid, ..)| *oid == 2).unwrap();
    let (_, other, _) = &file.revisions[0];
    let at = record_at(&file, 2, *tid);
    for previous in [record_at(&file, 0, *other) as u64, 5, at as u64, u64::MAX] {
        let mut bytes = file.bytes.clone();
        bytes[at + 16..at + 24].copy_from_slice(&previous.to_be_bytes());
        let files = Simulated::holding(bytes.clone(), Some(file.index.clone()));
        let storage = open(&files).unwrap();
        let undone = super::vote(&storage, vec![Operation::Undo { tid: *tid }]);
        assert!(matches!(undone, Err(Error::Damaged { .. })), "{previous}");
        storage.close().unwrap();
        assert!(files.data() == bytes, "{previous}");
    }
}
