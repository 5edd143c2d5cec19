//! Random damage of random files: no panic, nothing whole is cut off, no wrong answer, and a check sees what can be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::FileStorage;
use zeo_server::storage::{Oid, Operation, Storage, Tid, Wait};

use super::simulated::Simulated;
use super::{commit, open, store};
use crate::sandbox::chance::Chance;

/// Objects of a file.
const OBJECTS: usize = 20;

/// What is at a place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    /// What a start without an index sees: lengths, status, ids of transactions.
    Frame,
    /// User, description and extension.
    Texts,
    /// Likewise, of a record.
    RecordFrame,
    /// The id of a record's object.
    Oid,
    /// The id of its transaction.
    RecordTid,
    Previous,
    BackPointer,
    Data,
}

/// A field of a file; of a record: its object.
struct Place {
    range: Range<usize>,
    field: Field,
    oid: Option<u64>,
}

/// What each object is from a transaction on; `None`: deleted.
type History = BTreeMap<u64, Vec<(Tid, Option<Vec<u8>>)>>;

struct File {
    bytes: Vec<u8>,
    /// Index files, as of some transaction and as of the last one.
    older: Vec<u8>,
    index: Vec<u8>,
    older_end: usize,
    /// Where each transaction begins, and the end of the file.
    starts: Vec<usize>,
    places: Vec<Place>,
    history: History,
}

impl File {
    fn random(chance: &mut Chance) -> Self {
        let files = Simulated::default();
        let count = 50 + chance.below(251);
        let turn = 10 + chance.below(count - 20);
        let mut history = History::new();
        let (mut storage, mut older, mut older_end, mut starts) =
            (open(&files).unwrap(), Vec::new(), 0, Vec::new());
        for number in 0..count {
            if number == turn {
                storage.close().unwrap();
                (older, older_end) = (files.index_bytes().unwrap(), files.data().len());
                storage = open(&files).unwrap();
            }
            starts.push(files.data().len());
            let oids: BTreeSet<u64> = (0..=chance.below(4)).map(|_| chance.below(OBJECTS) as u64).collect();
            let (steps, states): (Vec<_>, Vec<_>) =
                oids.into_iter().map(|oid| step(chance, number, oid, &history)).unzip();
            let tid = commit(&storage, steps).unwrap();
            for (oid, state) in states {
                history.entry(oid).or_default().push((tid, state));
            }
        }
        storage.close().unwrap();
        let bytes = files.data();
        starts.push(bytes.len());
        let places = places(&bytes, &starts);
        Self { index: files.index_bytes().unwrap(), bytes, older, older_end, starts, places, history }
    }

    /// The file with some damage, and what it is.
    fn damaged(&self, chance: &mut Chance) -> (Vec<u8>, String) {
        let (mut bytes, mut what) = (self.bytes.clone(), Vec::new());
        for _ in 0..=chance.below(3) {
            let size = bytes.len();
            let any = 4 + chance.below(size - 4);
            let place = &self.places[chance.below(self.places.len())].range;
            let start = self.starts[chance.below(self.starts.len() - 1)];
            let at = match chance.below(4) {
                0 => any,
                1 => start + chance.below(23),
                2 => place.start,
                _ => self.starts[self.starts.len() - 1 - chance.below(3)] - 1 - chance.below(30),
            };
            let at = at.min(size - 1);
            let most = [4, 16, 60, 600, 4096][chance.below(5)];
            let span = (1 + chance.below(most)).min(size - at);
            what.push(match chance.below(8) {
                0..=2 => {
                    let bit = chance.below(8);
                    bytes[at] ^= 1 << bit;
                    format!("bit {bit} at {at}")
                }
                3 => {
                    bytes[at..at + span].fill(0);
                    format!("{span} zeros at {at}")
                }
                4 => {
                    bytes[at..at + span]
                        .iter_mut()
                        .for_each(|byte| *byte = u8::try_from(chance.below(256)).unwrap());
                    format!("{span} random bytes at {at}")
                }
                5 => {
                    let sector = at - at % 512;
                    let end = (sector + 512).min(size);
                    bytes[sector.max(4)..end].fill(0);
                    format!("zeros from {sector} to {end}")
                }
                6 => {
                    bytes[start + 16] = b"cp?\0"[chance.below(4)];
                    format!("status {:?} at {start}", char::from(bytes[start + 16]))
                }
                _ => {
                    let length = size - chance.below(200.min(size - 4));
                    bytes.truncate(length);
                    format!("cut off at {length}")
                }
            });
        }
        (bytes, what.join(", "))
    }

    /// Whether a place is not as it was.
    fn is_hit(&self, bytes: &[u8], place: &Place) -> bool {
        bytes.get(place.range.clone()) != Some(&self.bytes[place.range.clone()])
    }

    /// Objects of which a wrong answer is not to be avoided: without checksums it cannot be seen that these bytes are others.
    fn unsure(&self, bytes: &[u8], indexed: usize) -> BTreeSet<u64> {
        let mut unsure = BTreeSet::new();
        for place in self.places.iter().filter(|place| self.is_hit(bytes, place)) {
            let seen = place.field == Field::RecordFrame
                && !is_as_long(bytes, place)
                && place.range.start >= indexed;
            if let Some(oid) = place.oid.filter(|_| !seen) {
                unsure.insert(oid);
            }
            // The object that it is a record of now.
            if place.field == Field::Oid
                && let Some(found) = bytes.get(place.range.clone())
            {
                unsure.insert(u64::from_be_bytes(found.try_into().unwrap()));
            }
        }
        unsure
    }

    /// Whether a check must see something.
    fn is_visible(&self, bytes: &[u8]) -> bool {
        let hit = |place: &&Place| match place.field {
            Field::Frame | Field::RecordFrame | Field::RecordTid | Field::Previous => {
                self.is_hit(bytes, place)
            }
            Field::Texts | Field::Oid | Field::BackPointer | Field::Data => false,
        };
        let cut = bytes.len() < self.bytes.len() && !self.starts.contains(&bytes.len());
        // What is cut off is not there to be looked at.
        cut || self.places.iter().filter(|place| place.range.end <= bytes.len()).any(|place| {
            let status = place.range.len() == 1 && bytes[place.range.start] == b'p';
            !status && hit(&place)
        })
    }
}

/// Whether a place is a length that is now 8 or 0: a record of 8 bytes of data is as long as one without data.
fn is_as_long(bytes: &[u8], place: &Place) -> bool {
    let found = bytes.get(place.range.clone()).unwrap_or_default();
    [0_u64, 8].iter().any(|length| found == length.to_be_bytes())
}

/// A step for an object, and what the object is after it.
fn step(
    chance: &mut Chance,
    number: usize,
    oid: u64,
    history: &History,
) -> (Operation, (u64, Option<Vec<u8>>)) {
    let revisions = history.get(&oid).map_or(&[][..], Vec::as_slice);
    let current = revisions.last();
    let serial = current.map_or(Tid::ZERO, |(tid, _)| *tid);
    let earlier = revisions.len().checked_sub(1).map(|count| &revisions[chance.below(count + 1)]);
    match (chance.below(12), current, earlier) {
        (0, Some((_, Some(_))), _) => {
            (Operation::Delete { oid: Oid(oid), serial: Some(serial) }, (oid, None))
        }
        // As a copy of an undone transaction: a back pointer.
        (1 | 2, _, Some((tid, Some(data)))) => {
            let restored =
                Operation::Restore { oid: Oid(oid), data: Some(data.clone()), previous: Some(*tid) };
            (restored, (oid, Some(data.clone())))
        }
        _ => {
            let data = format!("{number} of {oid}, ").into_bytes().repeat(1 + chance.below(40));
            (store(oid, serial, data.clone()), (oid, Some(data)))
        }
    }
}

/// The fields of a whole file.
fn places(bytes: &[u8], starts: &[usize]) -> Vec<Place> {
    let mut places = Vec::new();
    for pair in starts.windows(2) {
        let (start, end) = (pair[0], pair[1] - 8);
        let mut add = |range: Range<usize>, field, oid| places.push(Place { range, field, oid });
        add(start..start + 8, Field::Frame, None);
        add(start + 8..start + 16, Field::Frame, None);
        add(start + 16..start + 17, Field::Frame, None);
        add(start + 17..start + 23, Field::Texts, None);
        add(end..end + 8, Field::Frame, None);
        let mut at = start + 23;
        while at < end {
            let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
            let (oid, length) = (Some(number(at)), usize::try_from(number(at + 34)).unwrap());
            add(at..at + 8, Field::Oid, oid);
            add(at + 8..at + 16, Field::RecordTid, oid);
            add(at + 16..at + 24, Field::Previous, oid);
            add(at + 24..at + 34, Field::RecordFrame, oid);
            add(at + 34..at + 42, Field::RecordFrame, oid);
            let body = at + 42..at + 42 + if length == 0 { 8 } else { length };
            at = body.end;
            add(body, if length == 0 { Field::BackPointer } else { Field::Data }, oid);
        }
        assert_eq!(at, end);
    }
    places
}

/// What a storage answers about an object before some transactions: nothing where it is an error.
type Answers = BTreeMap<(u64, Tid), Option<(Vec<u8>, Tid)>>;

fn answers(storage: &FileStorage, asked: &[Tid]) -> Answers {
    let mut found = BTreeMap::new();
    for oid in 0..OBJECTS as u64 {
        for before in asked {
            let mut data = Vec::new();
            let revision = storage.load_before(Oid(oid), *before, Wait::Allowed, &mut data);
            let revision = revision.ok().flatten().map(|revision| (data, revision.start));
            found.insert((oid, *before), revision);
        }
    }
    found
}

/// Opens what is left of a file twice.
fn check(
    file: &File,
    bytes: &[u8],
    (index, indexed): (Option<&[u8]>, usize),
    asked: &[Tid],
    what: &str,
) -> bool {
    let files = Simulated::holding(bytes.to_vec(), index.map(<[u8]>::to_vec));
    let opened = [1, 2].map(|start| {
        let before = files.data();
        let storage = open(&files).map_err(|error| error.to_string())?;
        let found = answers(&storage, asked);
        // Whatever else there is to ask may fail, but ends.
        let _ = (storage.last_transactions(100), storage.changes_since(asked[0], 1000, Wait::Allowed));
        if let Ok(mut walk) = storage.history().unwrap().iterate(None, None, Wait::Allowed) {
            while let Ok(Some(_)) = walk.next(Wait::Allowed) {
                let mut records = walk.records().unwrap();
                while let Ok(Some(_)) = records.next(Wait::Allowed) {}
            }
        }
        storage.close().unwrap();
        assert!(start == 1 || files.data() == before, "{what}: the second start changes the file");
        Ok::<_, String>(found)
    });
    let (left, [first, second]) = (files.data(), opened);
    // All that is as it was has to be there still.
    let whole = file
        .starts
        .windows(2)
        .rfind(|pair| bytes.get(pair[0]..pair[1]) == Some(&file.bytes[pair[0]..pair[1]]));
    assert!(left.len() >= whole.map_or(4, |pair| pair[1]), "{what}: cut off at {}", left.len());
    assert!(bytes.starts_with(&left), "{what}: the file was changed");
    assert!(
        first == second,
        "{what}: another start, another answer: {:?}, {:?}",
        first.as_ref().err(),
        second.as_ref().err()
    );
    let Ok(first) = first else {
        assert!(left == bytes, "{what}: refused and cut off");
        return false;
    };
    let unsure = file.unsure(bytes, indexed);
    for ((oid, before), found) in first.into_iter().filter(|((oid, _), _)| !unsure.contains(oid)) {
        let Some((data, start)) = found else { continue };
        // Of a file that was cut off at its end, what it was then.
        let mut there = file.history.get(&oid).into_iter().flatten();
        let right = there.rfind(|(tid, _)| *tid < before && tid_is_there(file, &left, *tid));
        assert_eq!(Some((start, Some(data))), right.cloned(), "{what}: object {oid} before {before}");
    }
    true
}

/// Whether a transaction lies in front of the end of what is left.
fn tid_is_there(file: &File, left: &[u8], tid: Tid) -> bool {
    let id = tid.to_bytes();
    let start = file.starts.iter().position(|start| file.bytes.get(*start..*start + 8) == Some(&id));
    start.is_some_and(|number| file.starts[number + 1] <= left.len())
}

fn inspect(path: &Path, bytes: &[u8]) -> bool {
    fs::write(path, bytes).unwrap();
    match FileStorage::inspect(path, &EventLog::disabled()) {
        Ok(found) => found.faults > 0 || found.cut_off.is_some(),
        Err(_) => true,
    }
}

#[test]
fn damage_loses_nothing_whole_and_gives_no_wrong_answer() {
    let mut chance = Chance::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Data.fs");
    let (files, damages) = if crate::sandbox::is_long() { (40, 100) } else { (6, 30) };
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..files {
        let file = File::random(&mut chance);
        assert!(!inspect(&path, &file.bytes), "an undamaged file has faults");
        for _ in 0..damages {
            let (bytes, what) = file.damaged(&mut chance);
            let (index, kind) = match chance.below(3) {
                0 => ((None, 0), "no index"),
                1 => ((Some(&file.older[..]), file.older_end), "an older index"),
                _ => ((Some(&file.index[..]), file.bytes.len()), "an index"),
            };
            let what = format!("seed {}: {what}, {kind}, of {} bytes", chance.seed(), file.bytes.len());
            let tids: Vec<Tid> = file.history.values().flatten().map(|(tid, _)| *tid).collect();
            let mut asked: Vec<Tid> = (0..12).map(|_| Tid(tids[chance.below(tids.len())].0 + 1)).collect();
            asked.push(Tid::MAX);
            if check(&file, &bytes, index, &asked, &what) {
                opened += 1;
            } else {
                refused += 1;
            }
            assert!(inspect(&path, &bytes) || !file.is_visible(&bytes), "{what}: a check sees nothing");
        }
    }
    assert!(opened > refused / 2 && refused > opened / 10, "{opened} opened, {refused} refused");
}
