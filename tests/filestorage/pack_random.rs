//! Random histories with packs at random times, against a model; and the world stops at any point of them: the old file or
//! the new one is there, whole, with all that was answered.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use zeo_server::filestorage::FileStorage;
use zeo_server::storage::{Oid, Operation, PackOutcome, PackProgress, Storage, Tid, Wait};

use super::pack::{record, references, since};
use super::simulated::{self, Event, Simulated};
use super::{commit, load, open};
use crate::sandbox::chance::Chance;

/// Objects of a history.
const OBJECTS: u64 = 14;

/// What an object is at some time: the transaction, and what it refers to.
type State = BTreeMap<u64, (Tid, Vec<u64>)>;

/// A history as an application makes it, which refers only to what it can have.
struct History {
    chance: Chance,
    /// After each transaction, the first one before all.
    states: Vec<(Tid, State)>,
    /// What no pack has removed.
    there: BTreeSet<u64>,
    count: usize,
}

impl History {
    fn new(seed: u64) -> Self {
        let chance = Chance::of(seed);
        Self { chance, states: vec![(Tid::ZERO, State::new())], there: BTreeSet::new(), count: 0 }
    }

    fn now(&self) -> &State {
        &self.states[self.states.len() - 1].1
    }

    /// The objects that can be reached from the root.
    fn reachable(state: &State) -> BTreeSet<u64> {
        let (mut found, mut next) = (BTreeSet::new(), vec![0]);
        while let Some(oid) = next.pop() {
            if let Some((_, links)) = state.get(&oid).filter(|_| found.insert(oid)) {
                next.extend(links);
            }
        }
        found.retain(|oid| state.contains_key(oid));
        found
    }

    fn links(&mut self) -> Vec<u64> {
        let there: Vec<_> = self.there.iter().copied().collect();
        (0..self.chance.below(4)).map(|_| there[self.chance.below(there.len())]).collect()
    }

    /// One more transaction: stores, sometimes of what nothing refers to; sometimes an undo or a deletion.
    fn commit(&mut self, storage: &FileStorage) {
        let mut state = self.now().clone();
        let (mut steps, mut touched) = (Vec::new(), BTreeSet::new());
        self.count += 1;
        for number in 0..=self.chance.below(3) {
            let oid = if state.contains_key(&0) { self.chance.below(14) as u64 % OBJECTS } else { 0 };
            // What a pack has removed is a new object when it comes again.
            let known = state.get(&oid).filter(|_| self.there.contains(&oid)).cloned();
            if !touched.insert(oid) {
                continue;
            }
            self.there.insert(oid);
            // Of an object that nothing refers to the model does not know whether a pack has removed it.
            let current = storage.history().unwrap().revisions(Oid(oid), 1, Wait::Allowed);
            let before = current.map_or(Tid::ZERO, |entries| entries[0].tid);
            let earlier = self.states.iter().rev().filter_map(|(_, state)| state.get(&oid));
            let earlier: Vec<_> = earlier.filter(|(tid, _)| *tid != before).take(3).cloned().collect();
            let undo = earlier.get(self.chance.below(8)).filter(|_| known.is_some());
            if let Some((tid, links)) =
                undo.filter(|(_, links)| links.iter().all(|oid| self.there.contains(oid)))
            {
                let held = storage.load_serial(Oid(oid), *tid, Wait::Allowed);
                if held.is_ok() {
                    state.insert(oid, (Tid::ZERO, links.clone()));
                    steps.push(Operation::Restore { oid: Oid(oid), data: None, previous: Some(*tid) });
                    continue;
                }
            }
            if known.is_some()
                && oid != 0
                && !Self::reachable(&state).contains(&oid)
                && self.chance.below(4) == 0
            {
                state.remove(&oid);
                steps.push(Operation::Delete { oid: Oid(oid), serial: Some(before) });
                continue;
            }
            let links = self.links();
            let data = record(&format!("{}{number}", self.count), &links);
            state.insert(oid, (Tid::ZERO, links));
            steps.push(Operation::Store { oid: Oid(oid), serial: Some(before), data });
        }
        let stored: Vec<_> =
            state.iter().filter(|(_, (tid, _))| *tid == Tid::ZERO).map(|(oid, _)| *oid).collect();
        let tid = commit(storage, steps).unwrap();
        for oid in stored {
            state.get_mut(&oid).unwrap().0 = tid;
        }
        self.states.push((tid, state));
    }

    /// Packs to a random time, while two transactions are committed; the time, if there was something to do.
    fn pack(&mut self, storage: &FileStorage, files: &Simulated) -> Option<Tid> {
        let at = self.states.len() - 1 - self.chance.below(self.states.len().min(6));
        let until = self.states[at].0;
        let kept: BTreeSet<u64> =
            self.states[at..].iter().flat_map(|(_, state)| Self::reachable(state)).collect();
        // What the application may still hold is what has been linked since.
        let held = mem::replace(&mut self.there, kept);
        let meanwhile = self.chance.below(2) == 0;
        if meanwhile {
            self.there.clone_from(&held);
        }
        let history = RefCell::new(&mut *self);
        let mut calls = 0;
        let mut read = |record: &[u8], found: &mut Vec<Oid>| {
            calls += 1;
            if meanwhile && (calls == 1 || calls == 4) {
                history.borrow_mut().commit(storage);
                files.answered();
            }
            references(record, found)
        };
        let packer = storage.pack().unwrap();
        let outcome = packer.pack(until, &mut read, &Arc::new(PackProgress::default())).unwrap();
        let kept = self.states[at..].iter().flat_map(|(_, state)| Self::reachable(state));
        self.there = kept.collect();
        for (oid, _) in self.now().clone() {
            // What nothing refers to may be there or not.
            if !self.there.contains(&oid) {
                let (_, state) = self.states.last_mut().unwrap();
                state.remove(&oid);
            }
        }
        matches!(outcome, PackOutcome::Packed { .. }).then_some(until)
    }

    /// The storage is as after this transaction.
    fn check(&self, storage: &FileStorage, number: usize, what: &str) {
        let (tid, state) = &self.states[number];
        assert_eq!(storage.stats().last_tid, *tid, "{what}");
        for oid in Self::reachable(state) {
            let (tid, _) = state[&oid];
            let found = load(storage, oid).unwrap_or_else(|error| panic!("{what}: {oid}: {error}"));
            assert_eq!(found.map(|(_, tid)| tid), Some(tid), "{what}: {oid}");
        }
    }
}

fn seeds(short: u64, long: u64) -> impl Iterator<Item = u64> {
    let first = Chance::new().seed();
    (0..if crate::sandbox::is_long() { long } else { short }).map(move |number| first.wrapping_add(number))
}

#[test]
fn random_histories_are_packed_without_loss() {
    for seed in seeds(100, 2000) {
        let what = format!("ZEO_SEED={seed}");
        let (mut history, files) = (History::new(seed), Simulated::default());
        let storage = open(&files).unwrap();
        for _ in 0..4 {
            for _ in 0..6 {
                history.commit(&storage);
            }
            let before: Vec<_> = since(&storage, Tid::ZERO);
            let Some(until) = history.pack(&storage, &files) else { continue };
            // All later transactions are there as they were, and what they make of their objects.
            let later: Vec<_> = before.into_iter().filter(|(tid, ..)| *tid > until).collect();
            assert_eq!(since(&storage, until)[..later.len()], later, "{what}");
            history.check(&storage, history.states.len() - 1, &what);
            for oid in 0..OBJECTS {
                let mut data = Vec::new();
                let _ = storage.load_before(Oid(oid), Tid::MAX, Wait::Allowed, &mut data);
                if let Ok(found) = storage.history().unwrap().revisions(Oid(oid), 99, Wait::Allowed) {
                    assert!(found.is_sorted_by(|one, next| one.tid > next.tid), "{what}: {oid}");
                }
            }
        }
        let again = open(&Simulated::holding(files.data(), None)).unwrap();
        assert_eq!(again.stats(), storage.stats(), "{what}");
        history.check(&again, history.states.len() - 1, &what);
    }
}

/// A file, and what of it is on the disk.
#[derive(Clone, Default)]
struct OnDisk {
    data: Vec<u8>,
    durable: Vec<u8>,
    since: Vec<Event>,
}

impl OnDisk {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Sync => {
                self.durable.clone_from(&self.data);
                self.since.clear();
            }
            event => {
                act(&mut self.data, event);
                self.since.push(event.clone());
            }
        }
    }

    /// What a power failure may leave.
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
fn answered_transactions_survive_a_crash_at_any_point_of_a_pack() {
    for seed in seeds(15, 300) {
        let (mut history, files) = (History::new(seed), Simulated::default());
        files.can_reserve(seed % 2 == 0);
        let storage = open(&files).unwrap();
        let mut answered = 0;
        let mut disk = OnDisk::default();
        let (mut pack, mut index) = (OnDisk::default(), None);
        for _ in 0..3 {
            for _ in 0..5 {
                history.commit(&storage);
                files.answered();
            }
            history.pack(&storage, &files);
            let mut chance = Chance::of(seed);
            for (number, event) in files.take_events().iter().enumerate() {
                let what = format!("ZEO_SEED={seed}, event {number} of {answered} answered");
                let check = |data: Vec<u8>| {
                    let again = open(&Simulated::holding(data, index.clone()));
                    let again = again.unwrap_or_else(|error| panic!("{what}: {error}"));
                    let last = again.stats().last_tid;
                    let number = history.states.iter().position(|(tid, _)| *tid == last);
                    let number =
                        number.unwrap_or_else(|| panic!("{what}: {last} is none of the transactions"));
                    assert!(number >= answered, "{what}: {number}");
                    history.check(&again, number, &what);
                };
                check(disk.data.clone());
                check(disk.after_power_failure(&mut chance));
                match event {
                    Event::Answered => answered += 1,
                    Event::Index(bytes) => index = Some(bytes.clone()),
                    Event::NoIndex => index = None,
                    Event::NewPack => pack = OnDisk::default(),
                    Event::Pack(event) => pack.apply(event),
                    Event::Replace => disk = mem::take(&mut pack),
                    event => disk.apply(event),
                }
            }
        }
    }
}
