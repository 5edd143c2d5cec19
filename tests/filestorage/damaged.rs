//! Damaged files, opened by both: what is cut off, what is saved, what is refused. Python cuts off whole transactions behind
//! damage that looks like an unfinished one; ours never does.

use std::fs;

use zeo_server::filestorage::Options;
use zeo_server::storage::Storage;

use super::python::{Oracle, open};
use crate::sandbox::chance::Chance;

/// Ways in which a file comes to be damaged.
fn damage(chance: &mut Chance, whole: &[u8]) -> (Vec<u8>, String) {
    let mut bytes = whole.to_vec();
    let at = 4 + chance.below(bytes.len() - 4);
    let what = match chance.below(7) {
        0 => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
        1 => {
            let near = bytes.len() - chance.below(60);
            bytes.truncate(near);
            format!("cut off at {near}")
        }
        2 => {
            let length = 1 + chance.below(100);
            bytes.resize(bytes.len() + length, 0);
            format!("{length} zeros at the end")
        }
        3 => {
            let length = 1 + chance.below(100);
            bytes.extend((0..length).map(|_| u8::try_from(chance.below(256)).unwrap()));
            format!("{length} bytes at the end")
        }
        4 => {
            let starts = transactions(&bytes);
            let start = starts[chance.below(starts.len())];
            bytes[start + 16] = b"cup x"[chance.below(5)];
            format!("status {:?} at {start}", char::from(bytes[start + 16]))
        }
        5 => {
            // Where it matters: in a header.
            let starts = transactions(&bytes);
            let at = starts[chance.below(starts.len())] + chance.below(80);
            bytes[at] ^= 1 << chance.below(8);
            format!("a bit at {at}")
        }
        _ => {
            bytes[at] ^= 1 << chance.below(8);
            format!("a bit at {at}")
        }
    };
    (bytes, what)
}

/// Where the transactions of a whole file begin.
fn transactions(bytes: &[u8]) -> Vec<usize> {
    let (mut starts, mut at) = (Vec::new(), 4);
    while at < bytes.len() {
        starts.push(at);
        let length = u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap());
        at += usize::try_from(length).unwrap() + 8;
    }
    starts
}

#[test]
fn damaged_files_are_recovered_as_python_does_but_nothing_whole_is_cut_off() {
    let Some(oracle) = Oracle::new() else { return };
    oracle.ask(&["build", "whole.fs", "packed"], "");
    let (whole, index) = (oracle.bytes("whole.fs"), oracle.bytes("whole.fs.index"));
    let mut chance = Chance::new();
    let mut cases = Vec::new();
    for number in 0..if crate::sandbox::is_long() { 5_000 } else { 400 } {
        let (bytes, what) = damage(&mut chance, &whole);
        let with_index = chance.below(2) == 0;
        for whose in ["ours", "python"] {
            oracle.sandbox.write(format!("{whose}{number}.fs"), &bytes);
            if with_index {
                oracle.sandbox.write(format!("{whose}{number}.fs.index"), &index);
            }
        }
        cases.push((
            number,
            bytes,
            format!("seed {}, case {number}: {what}, index {with_index}", chance.seed()),
        ));
    }
    let paths: Vec<_> = cases.iter().map(|(number, ..)| format!("python{number}.fs")).collect();
    let told = oracle.ask(&["recover"], &paths.join("\n"));
    let (mut opened, mut differ) = (0, 0);
    for ((number, bytes, what), line) in cases.iter().zip(told.lines()) {
        let storage = open(&oracle.sandbox.path(format!("ours{number}.fs")), &Options::default());
        let ours = match &storage {
            Ok(storage) => format!("python{number}.fs opened {}", storage.stats().bytes),
            Err(error) => error.to_string(),
        };
        // It trips over a status or a version that is no ASCII or no 0 before it comes to judge it.
        if ["UnicodeDecodeError", "ValueError", "error"].iter().any(|accident| line.ends_with(accident)) {
            continue;
        }
        let read = |whose, suffix| fs::read(oracle.sandbox.path(format!("{whose}{number}.fs{suffix}"))).ok();
        if let Ok(storage) = &storage {
            storage.close().unwrap();
            opened += 1;
        }
        if ours == line || storage.is_err() && !line.contains(" opened ") {
            for suffix in ["", ".tr0", ".index"] {
                let (ours, pythons) = (read("ours", suffix), read("python", suffix));
                let lengths = [&ours, &pythons].map(|file| file.as_ref().map(Vec::len));
                assert!(ours == pythons, "{what}: {suffix} differs, {lengths:?}");
            }
            continue;
        }
        // Where they differ, Python cuts off whole transactions, or does not open a file whose last one is not whole.
        differ += 1;
        let (found, saved) = (read("ours", "").unwrap(), read("ours", ".tr0"));
        let start = *transactions(&whole).last().unwrap();
        let last_only = !line.contains(" opened ") && bytes.len() == whole.len() && found == bytes[..start];
        assert!(
            found == *bytes && saved.is_none() || last_only && saved.unwrap() == bytes[start..],
            "{what}: {ours}; {line}"
        );
    }
    assert!(differ > cases.len() / 40, "{differ} of {} differ", cases.len());
    assert!(opened > 100 && opened < cases.len(), "{opened} of {} opened", cases.len());
}
