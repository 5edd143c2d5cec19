//! The world stops at any point of a random run: what was answered is there, and nothing is there by half.
//!
//! The file of the whole run, which nothing disturbed, is the log of all finished transactions. A file that survived a crash
//! must, once opened, be a prefix of that log up to the end of a transaction, and hold all that were answered by then.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use zeo_server::storage::{Oid, Operation, Storage, Tid, Wait};

use super::simulated::{self, Event, Simulated};
use super::{begin_commit, commit, load, open, store, vote};
use crate::sandbox::chance::Chance;

/// Objects of a run.
const OBJECTS: usize = 12;

/// A run: its events, the log that came of it, and where in the log each transaction ends, with the state from there on.
struct Run {
    events: Vec<Event>,
    log: Vec<u8>,
    ends: Vec<usize>,
    states: Vec<BTreeMap<u64, Tid>>,
}

/// Random transactions and undos of the last one, some aborted, several at a time waiting for one fsync; an index saved now and then.
fn run(chance: &mut Chance) -> Run {
    let files = Simulated::default();
    let mut current: BTreeMap<u64, Tid> = BTreeMap::new();
    let mut states = vec![BTreeMap::new()];
    let mut last = (Tid::ZERO, Vec::new());
    for _session in 0..3 {
        let storage = open(&files).unwrap();
        // Else each is written at its vote, which waits for those before.
        let several = chance.below(3) > 0;
        files.can_reserve(several);
        for _group in 0..5 {
            let gate = several.then(|| files.gate.lock().unwrap_or_else(PoisonError::into_inner));
            let mut waiting = Vec::new();
            for _ in 0..=chance.below(5) {
                // An undo is judged when all before it can be seen, which those that wait for the gate cannot.
                let undoes = last.0 > Tid::ZERO && waiting.is_empty() && chance.below(4) == 0;
                let steps =
                    if undoes { vec![Operation::Undo { tid: last.0 }] } else { steps(chance, &current) };
                if chance.below(4) == 0 {
                    drop(vote(&storage, steps).unwrap());
                    continue;
                }
                let touched = if undoes { last.1 } else { steps.iter().map(oid).collect::<Vec<_>>() };
                let (tid, finished) = begin_commit(&storage, steps).unwrap();
                current.extend(touched.iter().map(|oid| (oid.0, tid)));
                last = (tid, touched);
                states.push(current.clone());
                waiting.push(finished);
            }
            drop(gate);
            for finished in waiting {
                finished.recv().unwrap().unwrap();
                files.answered();
            }
        }
        // Every other session ends as if killed.
        if chance.below(2) == 0 {
            storage.close().unwrap();
        }
    }
    let log = files.data();
    let mut ends = vec![4];
    while let Some(header) = log.get(ends[ends.len() - 1]..).filter(|rest| !rest.is_empty()) {
        let length = u64::from_be_bytes(header[8..16].try_into().unwrap());
        ends.push(ends[ends.len() - 1] + usize::try_from(length).unwrap() + 8);
    }
    assert_eq!(ends.len(), states.len());
    Run { events: files.take_events(), log, ends, states }
}

fn steps(chance: &mut Chance, current: &BTreeMap<u64, Tid>) -> Vec<Operation> {
    let mut steps = Vec::new();
    for _ in 0..chance.below(5) {
        let oid = chance.below(OBJECTS) as u64;
        let serial = current.get(&oid).copied();
        match serial {
            Some(_) if chance.below(8) == 0 => steps.push(Operation::Delete { oid: Oid(oid), serial }),
            _ => {
                let data = vec![u8::try_from(chance.below(256)).unwrap(); 1 + chance.below(400)];
                steps.push(store(oid, serial.unwrap_or(Tid::ZERO), data));
            }
        }
    }
    steps
}

fn oid(step: &Operation) -> Oid {
    match step {
        Operation::Store { oid, .. } | Operation::Delete { oid, .. } => *oid,
        other => panic!("{other:?}"),
    }
}

impl Run {
    /// Opens what survived a crash, and looks at it.
    fn check(&self, data: Vec<u8>, index: Option<Vec<u8>>, answered: usize, thoroughly: bool, what: &str) {
        let files = Simulated::holding(data, index);
        let storage = open(&files).unwrap_or_else(|error| panic!("{what}: {error}"));
        let found = files.data();
        let whole = self.ends.iter().position(|end| *end == found.len());
        let whole = whole
            .unwrap_or_else(|| panic!("{what}: {} bytes are no number of whole transactions", found.len()));
        assert!(found == self.log[..found.len()], "{what}: other transactions than those of the run");
        assert!(whole >= answered, "{what}: {answered} transactions were answered, {whole} are there");
        let state = &self.states[whole];
        assert_eq!(storage.stats().objects, state.len() as u64, "{what}");
        for (oid, tid) in state.iter().filter(|_| thoroughly) {
            assert_eq!(
                storage.history().unwrap().revisions(Oid(*oid), 1, Wait::Allowed).unwrap()[0].tid,
                *tid,
                "{what}"
            );
        }
        if thoroughly {
            let serial = state.get(&1).copied().unwrap_or(Tid::ZERO);
            let tid = commit(&storage, vec![store(1, serial, b"after the crash".to_vec())]).unwrap();
            drop(storage);
            let again = open(&files).unwrap();
            assert_eq!(load(&again, 1).unwrap(), Some((b"after the crash".to_vec(), tid)), "{what}");
        }
    }
}

/// The disk as the calls up to some point left it.
#[derive(Clone, Default)]
struct Disk {
    data: Vec<u8>,
    index: Option<Vec<u8>>,
    answered: usize,
    /// What was there at the last fsync, and the calls since.
    durable: Vec<u8>,
    since: Vec<Event>,
}

impl Disk {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Sync => {
                self.durable.clone_from(&self.data);
                self.since.clear();
            }
            Event::Index(bytes) => self.index = Some(bytes.clone()),
            Event::NoIndex => self.index = None,
            Event::Answered => self.answered += 1,
            call => {
                act(&mut self.data, call);
                self.since.push(call.clone());
            }
        }
    }

    /// What a power failure may leave: of what was not brought to the disk, any change of a byte in place may be missing,
    /// and the file may have grown less than it was told to.
    fn after_power_failure(&self, chance: &mut Chance) -> Vec<u8> {
        let mut data = self.durable.clone();
        let mut shortest = data.len();
        for event in &self.since {
            let in_place = matches!(event, Event::Write(_, bytes) if bytes.len() == 1);
            if !in_place || chance.below(2) == 0 {
                act(&mut data, event);
            }
            shortest = shortest.min(data.len());
        }
        data.truncate(shortest + chance.below(data.len() - shortest + 1));
        data
    }
}

fn act(data: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write(offset, bytes) => simulated::write(data, bytes, *offset),
        Event::Truncate(length) => data.resize(usize::try_from(*length).unwrap(), 0),
        _ => {}
    }
}

#[test]
fn answered_transactions_survive_a_crash_at_any_point_and_no_other_is_there_by_half() {
    let mut chance = Chance::new();
    let seed = chance.seed();
    let wanted = if crate::sandbox::is_long() { 1_000_000 } else { 12_000 };
    let mut points = 0;
    while points < wanted {
        let run = run(&mut chance);
        let mut disk = Disk::default();
        let mut check = |disk: &Disk, data: Vec<u8>, event: usize, how: &str| {
            points += 1;
            let what = format!("seed {seed}, point {points}: event {event}, {how}");
            run.check(data, disk.index.clone(), disk.answered, points % 25 == 0, &what);
        };
        for (number, event) in run.events.iter().enumerate() {
            check(&disk, disk.data.clone(), number, "between calls");
            if let Event::Write(offset, bytes) = event {
                for _ in 0..bytes.len().min(20) {
                    let part = &bytes[..chance.below(bytes.len())];
                    let mut torn = disk.data.clone();
                    simulated::write(&mut torn, part, *offset);
                    check(&disk, torn, number, &format!("{} bytes of {}", part.len(), bytes.len()));
                }
            }
            disk.apply(event);
            for _ in 0..8 {
                let survived = disk.after_power_failure(&mut chance);
                check(&disk, survived, number, "power failure after it");
            }
        }
        check(&disk, disk.data.clone(), run.events.len(), "at the end");
    }
    assert!(points >= 10_000);
}
