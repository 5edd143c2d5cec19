//! Merging of objects of the package `BTrees`, against the conflict resolution of ZODB with that package itself.

use std::fs;

use zeo_server::pickle::{Limits, Policy, Value, any_global, decode_pair};
use zeo_server::record;

use crate::peers;
use crate::sandbox::chance::Chance;
use crate::sandbox::{Sandbox, is_long};

const STATE: Policy = Policy { globals: any_global, limits: Limits::RECORD, python2: true };

/// Class and state.
fn read(record: &[u8]) -> (Value, Value) {
    let (class, state, _) = decode_pair(record, &STATE).unwrap();
    (class, state)
}

/// The parts of a file: each with its length before it.
fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut left) = (Vec::new(), bytes);
    while let Some((length, behind)) = left.split_first_chunk() {
        let (part, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        parts.push(part);
        left = behind;
    }
    parts
}

#[test]
fn random_objects_of_btrees_are_merged_as_btrees_merges_them() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    sandbox.write("btrees.py", include_str!("btrees.py"));
    let (count, seed) = (if is_long() { 30_000 } else { 4_000 }, Chance::new().seed());
    let arguments = [count.to_string(), seed.to_string(), "cases".to_owned()];
    let outcome = sandbox.command(&python).arg("btrees.py").args(arguments).output();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    let bytes = fs::read(sandbox.path("cases")).unwrap();
    let (mut merged, mut refused) = (0, 0);
    for (number, case) in parts(&bytes).chunks(4).enumerate() {
        let [base, current, other, expected] = case else { panic!("half a case") };
        let ours = record::merge(base, current, other);
        let what = format!(
            "case {number}, seed {seed}: {:?} and {:?} from {:?}",
            read(current),
            read(other).1,
            read(base).1
        );
        match (&ours, expected.is_empty()) {
            (None, true) => refused += 1,
            (Some(ours), false) => {
                assert_eq!(read(ours), read(expected), "{what}");
                merged += 1;
            }
            _ => panic!("{what}: ours {:?}, BTrees {:?}", ours.map(|ours| read(&ours)), expected.is_empty()),
        }
    }
    assert!(merged > count / 8 && refused > count / 8, "{merged} merged, {refused} refused");
}
