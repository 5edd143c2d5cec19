//! Packs beside those of Python: the same file packed by both, where Python's pack neither fails nor loses anything.

use std::collections::BTreeSet;
use std::fs;

use zeo_server::filestorage::{Options, PackOptions};
use zeo_server::storage::{PackOutcome, Storage, Tid};

use super::pack::pack;
use super::python::{Oracle, open};
use crate::sandbox::chance::Chance;
use crate::sandbox::is_long;

/// The lines about records, about transactions, and the last one.
fn parts(told: &str) -> (BTreeSet<String>, BTreeSet<String>, String) {
    let mut lines: Vec<String> = told.lines().map(str::to_owned).collect();
    let last = lines.pop().expect("a verdict");
    let (transactions, records) = lines.into_iter().partition(|line| line.ends_with(" transaction"));
    (records, transactions, last)
}

/// Packs a copy with each, and compares; whether Python's was good for anything.
fn compare(oracle: &Oracle, name: &str, until: Tid, gc: bool) -> bool {
    let what = format!("{name} packed to {until}, gc {gc}");
    for copy in ["ours.fs", "python.fs"] {
        fs::copy(oracle.sandbox.path(name), oracle.sandbox.path(copy)).unwrap();
        let _ = fs::remove_file(oracle.sandbox.path(format!("{copy}.index")));
    }
    let hex = until.to_string();
    let pythons = oracle.ask(&["pack", "python.fs", &hex, if gc { "gc" } else { "all" }], "");
    let path = oracle.sandbox.path("ours.fs");
    let options = Options { pack: PackOptions { gc, keep_old: true }, ..Options::default() };
    let storage = open(&path, &options).unwrap();
    let before = storage.stats();
    let outcome = pack(&storage, until).unwrap();
    let after = storage.stats();
    assert_eq!(after.last_tid, before.last_tid, "{what}");
    assert!(after.bytes < before.bytes || outcome == PackOutcome::Unchanged, "{what}");
    storage.close().unwrap();
    drop(storage);
    let (records, transactions, verdict) = parts(&oracle.ask(&["records", "ours.fs"], ""));
    let (.., verdict_before) = parts(&oracle.ask(&["records", name], ""));
    assert_eq!(verdict, verdict_before, "{what}");
    if pythons.trim() != "packed" {
        return false;
    }
    let (theirs, their_transactions, their_verdict) = parts(&oracle.ask(&["records", "python.fs"], ""));
    if their_verdict != verdict {
        return false;
    }
    let lost: Vec<_> = theirs.difference(&records).collect();
    assert!(lost.is_empty(), "{what}: {lost:?} are missing");
    let lost: Vec<_> = their_transactions.difference(&transactions).collect();
    assert!(lost.is_empty(), "{what}: {lost:?} are missing");
    // Where nothing is referred to again after the pack time, the files are the same.
    if records == theirs && transactions == their_transactions {
        let (ours, mut pythons) = (oracle.bytes("ours.fs"), oracle.bytes("python.fs"));
        // Of an object that nothing referred to at the pack time, Python links the first later record to whichever earlier one
        // it has kept; there was another state in between.
        for at in previous_fields(&ours).filter(|at| ours[*at..at + 8] == [0; 8]) {
            pythons[at..at + 8].fill(0);
        }
        let first = ours.iter().zip(&pythons).position(|(one, other)| one != other);
        assert!(ours == pythons, "{what}: other bytes, from {first:?} on");
    }
    true
}

/// Where the fields are that say where the record before is (FILESTORAGE sections 2 and 3).
fn previous_fields(file: &[u8]) -> impl Iterator<Item = usize> {
    let number = |at: usize, size: usize| {
        file[at..at + size].iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let (mut fields, mut transaction) = (Vec::new(), 4);
    while transaction < file.len() {
        let end = transaction + number(transaction + 8, 8);
        let texts = number(transaction + 17, 2) + number(transaction + 19, 2) + number(transaction + 21, 2);
        let mut record = transaction + 23 + texts;
        while record < end {
            fields.push(record + 16);
            record += 42 + if number(record + 34, 8) == 0 { 8 } else { number(record + 34, 8) };
        }
        transaction = end + 8;
    }
    fields.into_iter()
}

fn tids(told: &str) -> Vec<Tid> {
    told.lines().map(|line| Tid(u64::from_str_radix(line, 16).unwrap())).collect()
}

#[test]
fn packs_of_files_as_sites_have_them_are_those_of_python() {
    let Some(oracle) = Oracle::new() else { return };
    for kind in ["plain", "undo", "packed", "deleted", "large"] {
        let name = format!("{kind}.fs");
        oracle.ask(&["build", &name, kind], "");
        let storage = open(&oracle.sandbox.path(&name), &Options::default()).unwrap();
        let all = super::pack::since(&storage, Tid::ZERO);
        drop(storage);
        let mut good = 0;
        let times =
            [(all.len() / 3, true), (all.len() - 2, true), (all.len() - 2, false), (all.len() - 1, true)];
        for (at, gc) in times {
            good += usize::from(compare(&oracle, &name, all[at].0, gc));
        }
        assert!(good > 1, "{kind}: {good} packs of Python to compare with");
    }
}

#[test]
fn packs_of_random_histories_lose_nothing_and_keep_what_python_keeps() {
    let Some(oracle) = Oracle::new() else { return };
    let (rounds, packs) = if is_long() { (60, 12) } else { (3, 4) };
    let mut chance = Chance::new();
    let (mut good, mut all) = (0, 0);
    for _ in 0..rounds {
        let seed = chance.below(1 << 20).to_string();
        let name = format!("graph{seed}.fs");
        let tids = tids(&oracle.ask(&["graph", &name, &seed, "40"], ""));
        for _ in 0..packs {
            let until = tids[chance.below(tids.len())];
            all += 1;
            good += usize::from(compare(&oracle, &name, until, chance.below(4) > 0));
        }
    }
    assert!(good * 3 > all, "{good} of {all} packs of Python to compare with");
}
