//! The same files through both: what one writes the other reads, and given the same ids both write the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options, PackOptions};
use zeo_server::storage::{
    Error, Meta, NotUndone, Oid, Operation, Stats, Storage, Tid, Undoable, Vote, Wait,
};

use crate::peers;
use crate::sandbox::chance::Chance;
use crate::sandbox::{Sandbox, forks, is_long};

const READ_ONLY: Options =
    Options { create: false, read_only: true, quota: None, stop: None, pack: PackOptions::DEFAULT };

/// Python beside our files.
pub(super) struct Oracle {
    pub(super) sandbox: Sandbox,
    python: PathBuf,
}

impl Oracle {
    pub(super) fn new() -> Option<Self> {
        let python = peers::python()?;
        let sandbox = Sandbox::new();
        sandbox.write("oracle.py", include_str!("oracle.py"));
        Some(Self { sandbox, python })
    }

    pub(super) fn ask(&self, arguments: &[&str], input: &str) -> String {
        let command = self.sandbox.command(&self.python).arg("oracle.py").args(arguments).stdin(input);
        let outcome = command.output();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{arguments:?}");
        outcome.stdout
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.sandbox.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

pub(super) fn open(path: &Path, options: &Options) -> Result<FileStorage, Error> {
    forks::apart(|| FileStorage::open(path, options, Arc::new(EventLog::disabled())))
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Length and sum of some bytes (`zlib.adler32`).
fn shown(data: &[u8]) -> String {
    let (one, two) = data.iter().fold((1_u32, 0_u32), |(one, two), byte| {
        let one = (one + u32::from(*byte)) % 65_521;
        (one, (two + one) % 65_521)
    });
    format!("{}:{:08x}", data.len(), two << 16 | one)
}

fn tid(tid: Option<Tid>) -> String {
    tid.map_or("-".to_owned(), |tid| tid.to_string())
}

/// All that can be seen of a storage, as the oracle tells it.
fn dump(storage: &FileStorage) -> String {
    let mut out = String::new();
    let Stats { last_tid: last, objects: length, bytes: size } = storage.stats();
    writeln!(out, "last {last} length {length} size {size}").unwrap();
    let (mut tids, mut oids) = (Vec::new(), BTreeSet::new());
    let mut walk = storage.history().unwrap().iterate(None, None, Wait::Allowed).unwrap();
    while let Some((found, meta)) = walk.next(Wait::Allowed).unwrap() {
        let status = if meta.packed { "p" } else { " " };
        let texts = [&meta.user, &meta.description, &meta.extension].map(|text| shown(text));
        writeln!(out, "transaction {found} {status} {}", texts.join(" ")).unwrap();
        tids.push(found);
        let mut records = walk.records().unwrap();
        while let Some(record) = records.next(Wait::Allowed).unwrap() {
            oids.insert(record.oid);
            let data = record.data.map_or("none".to_owned(), |data| shown(&data));
            writeln!(out, " record {} {data} {}", hex(record.oid.to_bytes()), tid(record.data_tid)).unwrap();
        }
    }
    for oid in oids {
        dump_object(storage, oid, &tids, &mut out);
    }
    for (tid, changed) in storage.last_transactions(5).unwrap() {
        let changed: Vec<_> = changed.iter().map(|oid| hex(oid.to_bytes())).collect();
        writeln!(out, "invalidation {tid} {}", changed.join(" ")).unwrap();
    }
    let mut undoable = |found: Undoable| {
        // Python's search ends before byte 39 of the file, so that it passes over a first transaction without records.
        if tids.first() == Some(&found.tid) && 4 + found.size + 8 < 39 {
            return ControlFlow::Continue(());
        }
        let (user, about) = (shown(&found.meta.user), shown(&found.meta.description));
        writeln!(out, "undoable {} {} {user} {about}", found.tid, found.size).unwrap();
        ControlFlow::Continue(())
    };
    storage.undo().unwrap().undoable(Wait::Allowed, &mut undoable).unwrap();
    out
}

fn dump_object(storage: &FileStorage, oid: Oid, tids: &[Tid], out: &mut String) {
    writeln!(out, "object {}", hex(oid.to_bytes())).unwrap();
    match storage.current_tid(oid) {
        Ok(tid) => writeln!(out, " current {tid}").unwrap(),
        Err(error) => {
            assert!(matches!(error, Error::NoSuchObject(_)), "{error}");
            writeln!(out, " current missing").unwrap();
        }
    }
    for before in tids.iter().copied().chain([Tid::MAX]) {
        let mut data = Vec::new();
        let found = match storage.load_before(oid, before, Wait::Allowed, &mut data) {
            Ok(Some(revision)) => format!("{} {} {}", shown(&data), revision.start, tid(revision.end)),
            Ok(None) => "young".to_owned(),
            Err(Error::NoSuchObject(_)) => "missing".to_owned(),
            Err(error) => panic!("{error}"),
        };
        writeln!(out, " before {before} {found}").unwrap();
    }
    for tid in tids {
        match storage.load_serial(oid, *tid, Wait::Allowed) {
            Ok(data) => writeln!(out, " serial {tid} {}", shown(&data)).unwrap(),
            Err(error) => assert!(matches!(error, Error::NoSuchObject(_)), "{error}"),
        }
    }
    match storage.history().unwrap().revisions(oid, 1000, Wait::Allowed) {
        Ok(entries) => {
            for entry in entries {
                let (user, about) = (shown(&entry.meta.user), shown(&entry.meta.description));
                let time = hex(entry.tid.seconds().to_be_bytes());
                writeln!(out, " history {} {} {user} {about} {time}", entry.tid, entry.size).unwrap();
            }
        }
        Err(_) => writeln!(out, " no history").unwrap(),
    }
}

#[track_caller]
fn assert_same(ours: &str, pythons: &str, what: &str) {
    let difference = ours.lines().zip(pythons.lines()).find(|(ours, pythons)| ours != pythons);
    assert!(ours == pythons, "{what}: first difference: {difference:?}");
}

#[test]
fn what_python_wrote_is_read_with_and_without_its_index_and_the_index_is_the_same() {
    let Some(oracle) = Oracle::new() else { return };
    for kind in ["plain", "undo", "packed", "deleted", "blobs", "large"] {
        let name = format!("{kind}.fs");
        oracle.ask(&["build", &name, kind], "");
        let path = oracle.sandbox.path(&name);
        // Objects of many transactions are many words: the large one is looked at as a whole only.
        let full = |storage: &FileStorage| match kind {
            "large" => format!("{}\n", storage.stats().objects),
            _ => dump(storage),
        };
        let pythons = match kind {
            "large" => "3006\n".to_owned(),
            _ => oracle.ask(&["dump", &name], ""),
        };
        assert_same(&full(&open(&path, &READ_ONLY).unwrap()), &pythons, kind);
        let (data, index) = (oracle.bytes(&name), oracle.bytes(&format!("{name}.index")));
        fs::remove_file(oracle.sandbox.path(format!("{name}.index"))).unwrap();
        let storage = open(&path, &Options::default()).unwrap();
        assert_same(&full(&storage), &pythons, kind);
        storage.close().unwrap();
        assert!(oracle.bytes(&format!("{name}.index")) == index, "{kind}: another index");
        assert!(oracle.bytes(&name) == data, "{kind}: reading changed the file");
    }
}

/// A random history, as a script for the oracle, while we follow it ourselves.
struct History {
    chance: Chance,
    storage: FileStorage,
    script: String,
    /// Current revision of each object.
    current: BTreeMap<u64, Tid>,
    /// All revisions, as (object, transaction, data).
    revisions: Vec<(u64, Tid, Option<Vec<u8>>)>,
    transactions: Vec<Tid>,
    next: u64,
}

impl History {
    fn text(&mut self, most: usize) -> Vec<u8> {
        let length = self.chance.below(most);
        (0..length).map(|_| u8::try_from(97 + self.chance.below(26)).unwrap()).collect()
    }

    fn meta(&mut self) -> Meta {
        self.next += 1 + self.chance.below(1 << 33) as u64;
        let packed = self.chance.below(12) == 0;
        let (user, description) = (self.text(20), self.text(300));
        // The pickle of {"k": 7}, which the oracle's history looks into.
        let pickled = b"\x80\x03}q\0X\x01\0\0\0kq\x01K\x07s.";
        let extension = if self.chance.below(3) == 0 { pickled.to_vec() } else { Vec::new() };
        Meta { tid: Some(Tid(self.next)), packed, user, description, extension }
    }

    fn step(&mut self) -> Operation {
        let far = self.chance.below(10) == 0;
        let oid = self.chance.below(20) as u64 + if far { 0x7_0000_0000 } else { 0 };
        let current = self.current.get(&oid).copied();
        let data = self.text(500);
        let data = [b"x".to_vec(), data].concat();
        match self.chance.below(10) {
            0 if current.is_some() => Operation::Delete { oid: Oid(oid), serial: current },
            1 => Operation::Restore { oid: Oid(oid), data: Some(data), previous: None },
            2 => Operation::Restore { oid: Oid(oid), data: None, previous: None },
            // A copy of an earlier state, as copyTransactionsFrom makes it of an undone transaction; at times with other data
            // than the hint says.
            3 | 4 if !self.revisions.is_empty() => {
                let at = self.chance.below(self.revisions.len());
                let (oid, tid, found) = self.revisions[at].clone();
                let data = if self.chance.below(4) == 0 { data } else { found.unwrap_or(data) };
                Operation::Restore { oid: Oid(oid), data: Some(data), previous: Some(tid) }
            }
            _ => Operation::Store { oid: Oid(oid), serial: current, data },
        }
    }

    fn transaction(&mut self) {
        let meta = self.meta();
        let id = meta.tid.unwrap();
        let status = if meta.packed { 'p' } else { 'n' };
        let texts = [&meta.user, &meta.description, &meta.extension].map(hex).join(" ");
        writeln!(self.script, "begin {} {status} {texts}", hex(id.to_bytes())).unwrap();
        let steps = if self.chance.below(3) == 0 { self.undos() } else { self.steps() };
        let mut transaction = self.storage.begin(meta).unwrap();
        for step in &steps {
            transaction.push(step.clone()).unwrap();
        }
        let vote = transaction.vote(Wait::Allowed);
        self.script(&steps, &vote);
        if vote.is_err() {
            return;
        }
        if self.chance.below(6) == 0 {
            self.script.push_str("abort\n");
            return;
        }
        self.script.push_str("finish\n");
        super::finish(transaction).recv().unwrap().unwrap();
        self.transactions.push(id);
        let (_, changed) = self.storage.last_transactions(1).unwrap().remove(0);
        for oid in changed {
            self.current.insert(oid.0, id);
            self.revisions.push((oid.0, id, self.storage.load_serial(oid, id, Wait::Allowed).ok()));
        }
    }

    fn steps(&mut self) -> Vec<Operation> {
        (0..self.chance.below(6)).map(|_| self.step()).collect()
    }

    /// Some of the last transactions are undone, in the order that they may or may not be; at times beside other steps.
    fn undos(&mut self) -> Vec<Operation> {
        let mut steps = if self.chance.below(4) == 0 { self.steps() } else { Vec::new() };
        for _ in 0..=self.chance.below(3) {
            let most = 1 + self.chance.below(9);
            let back = 1 + self.chance.below(most);
            let tid = self.transactions.len().checked_sub(back).map(|at| self.transactions[at]);
            steps.push(Operation::Undo { tid: tid.unwrap_or(Tid(5)) });
        }
        steps
    }

    /// The steps, and what came of those that undo.
    fn script(&mut self, steps: &[Operation], vote: &Result<Vote, Error>) {
        for step in steps {
            self.write(step);
        }
        let outcome = match vote {
            Ok(Vote::Accepted { changed, .. }) => {
                changed.iter().fold("changed".to_owned(), |line, oid| line + " " + &hex(oid.to_bytes()))
            }
            Ok(Vote::Conflicts(conflicts)) => panic!("{conflicts:?}"),
            Err(Error::NoSuchTransaction(_)) => "refused - Invalid transaction id".to_owned(),
            Err(Error::Packed(_)) => "refused - non-undoable transaction".to_owned(),
            Err(Error::Undo(objects)) => {
                let reason = |(oid, why): &(Oid, NotUndone)| {
                    let reason = match why {
                        NotUndone::ChangedSinceAdded => {
                            "Can't undo an add transaction followed by conflicting transactions."
                        }
                        NotUndone::Changed => "Some data were modified by a later transaction",
                        NotUndone::Deleted => "_loadBack() failed",
                        NotUndone::NoDataBefore => "_loadBack() failed for %s",
                    };
                    format!("{} {reason}", hex(oid.to_bytes()))
                };
                format!("refused {}", objects.iter().map(reason).collect::<Vec<_>>().join(", "))
            }
            Err(error) => panic!("{error}"),
        };
        writeln!(self.script, "{outcome}").unwrap();
    }

    fn write(&mut self, step: &Operation) {
        let serial = |serial: &Option<Tid>| hex(serial.unwrap_or(Tid::ZERO).to_bytes());
        let line = match step {
            Operation::Store { oid, serial: given, data } => {
                format!("store {} {} {}", hex(oid.to_bytes()), serial(given), hex(data))
            }
            Operation::Delete { oid, serial: given } => {
                format!("delete {} {}", hex(oid.to_bytes()), serial(given))
            }
            Operation::Restore { oid, data, previous } => {
                let data = data.as_ref().map_or("-".to_owned(), hex);
                let previous = previous.map_or("-".to_owned(), |tid| hex(tid.to_bytes()));
                format!("restore {} {data} {previous}", hex(oid.to_bytes()))
            }
            Operation::Undo { tid } => format!("undo {}", hex(tid.to_bytes())),
            other @ Operation::CheckCurrent { .. } => panic!("{other:?}"),
        };
        self.script.push_str(&line);
        self.script.push('\n');
    }
}

/// Follows a random history, given a number, in the file `ours{round}.fs`: its script, and what can be seen at its end.
fn history(oracle: &Oracle, round: u64, length: usize) -> (String, String) {
    let storage = open(&oracle.sandbox.path(format!("ours{round}.fs")), &Options::default()).unwrap();
    let mut history = History {
        chance: Chance::new(),
        storage,
        script: format!("file python{round}.fs\n"),
        current: BTreeMap::new(),
        revisions: Vec::new(),
        transactions: Vec::new(),
        next: 0x03f6_d9e0_0000_0000 + round,
    };
    // Each round another part of the sequence.
    (0..round).for_each(|_| drop(history.text(9)));
    (0..length).for_each(|_| history.transaction());
    let seen = dump(&history.storage);
    history.storage.close().unwrap();
    (history.script, seen)
}

#[test]
fn random_histories_make_the_same_bytes_and_are_read_alike() {
    let Some(oracle) = Oracle::new() else { return };
    // As many as one process of Python follows.
    let (groups, size, length) = if is_long() { (20, 100, 20) } else { (1, 4, 60) };
    let (mut refusals, seed) = (String::new(), Chance::new().seed());
    for group in 0..groups {
        let rounds = group * size..(group + 1) * size;
        let (scripts, ours): (Vec<_>, Vec<_>) =
            rounds.clone().map(|round| history(&oracle, round, length)).unzip();
        oracle.ask(&["apply"], &scripts.concat());
        for round in rounds.clone() {
            let what = format!("round {round}, seed {seed}");
            let (one, other) = (format!("ours{round}.fs"), format!("python{round}.fs"));
            let first =
                oracle.bytes(&one).iter().zip(&oracle.bytes(&other)).position(|(one, other)| one != other);
            assert!(
                oracle.bytes(&one) == oracle.bytes(&other),
                "{what}: the files differ, first at {first:?}"
            );
            let (one, other) = (format!("{one}.index"), format!("{other}.index"));
            assert!(oracle.bytes(&one) == oracle.bytes(&other), "{what}");
        }
        let names: Vec<_> = rounds.map(|round| format!("ours{round}.fs")).collect();
        let dump: Vec<_> = ["dump"].into_iter().chain(names.iter().map(String::as_str)).collect();
        assert_same(&ours.concat(), &oracle.ask(&dump, ""), &format!("group {group}, seed {seed}"));
        for name in names {
            fs::remove_file(oracle.sandbox.path(&name)).unwrap();
        }
        let refused = |line: &&str| line.starts_with("refused");
        refusals.extend(scripts.iter().flat_map(|script| script.lines().filter(refused)));
    }
    for reason in
        ["Invalid", "non-undoable", "Can't undo an add", "Some data were", "() failed", "failed for %s"]
    {
        assert!(refusals.contains(reason), "no undo was refused with '{reason}', seed {seed}");
    }
}
