//! Any bytes as a data file and as an index file: an answer, no panic, no memory beyond what the files have.

use proptest::prelude::*;
use zeo_server::storage::{Oid, Storage, Tid, Wait};

use super::open;
use super::simulated::Simulated;

/// Everything that can be asked of a storage.
fn ask_all(data: Vec<u8>, index: Option<Vec<u8>>) {
    let length = data.len();
    let files = Simulated::holding(data, index);
    let Ok(storage) = open(&files) else { return };
    let mut oid = Some(Oid(0));
    while let Some(Ok(Some(found))) =
        oid.map(|oid| storage.current_records().unwrap().next_record(oid, Wait::Allowed))
    {
        oid = found.next;
    }
    for oid in (0..4).chain([u64::MAX]).map(Oid) {
        for tid in [Tid(1), Tid(300), Tid::MAX] {
            let mut data = Vec::new();
            let _ = storage.load_before(oid, tid, Wait::Refused, &mut data);
            assert!(data.len() <= length, "more data than the file has");
            let _ = storage.load_serial(oid, tid, Wait::Allowed);
        }
        let _ = (storage.current_tid(oid), storage.history().unwrap().revisions(oid, 10, Wait::Allowed));
    }
    let _ = (storage.last_transactions(10), storage.changes_since(Tid(1), 10, Wait::Allowed));
    if let Ok(mut walk) = storage.history().unwrap().iterate(Some(Tid(1)), None, Wait::Allowed) {
        while let Ok(Some(_)) = walk.next(Wait::Allowed) {
            let mut records = walk.records().unwrap();
            while let Ok(Some(_)) = records.next(Wait::Allowed) {}
        }
    }
    let _ = storage.close();
}

/// A transaction that is right but for what the numbers say.
fn transaction(start: u64, wrong: u8, records: &[(u8, u64, u64, u64)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (oid, previous, back, length) in records {
        body.extend(u64::from(*oid).to_be_bytes());
        body.extend((256 + start).to_be_bytes());
        body.extend(previous.to_be_bytes());
        body.extend(start.to_be_bytes());
        body.extend([0, 0]);
        body.extend(length.to_be_bytes());
        match length {
            0 => body.extend(back.to_be_bytes()),
            _ => body.extend(vec![7; usize::try_from(*length).unwrap_or(9).min(40)]),
        }
    }
    let length = (23 + body.len() + usize::from(wrong == 1)) as u64;
    let mut bytes = (256 + start).to_be_bytes().to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.push(if wrong == 2 { b'c' } else { b' ' });
    bytes.extend([0, 0, 0, 0, 0, u8::from(wrong == 3)]);
    bytes.extend(body);
    bytes.extend((length + u64::from(wrong == 4)).to_be_bytes());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_after_the_magic_are_fit_for_opening(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        index in prop::option::of(prop::collection::vec(any::<u8>(), 0..100)),
    ) {
        ask_all([b"FS30", &bytes[..]].concat(), index);
    }

    #[test]
    fn any_numbers_in_a_file_are_fit_for_opening(
        transactions in prop::collection::vec(
            (
                0..12_u8,
                prop::collection::vec(
                    (0..4_u8, prop_oneof![Just(0), 0..900_u64, any::<u64>()], 0..900_u64,
                     prop_oneof![Just(0), 1..40_u64, any::<u64>()]),
                    0..4,
                ),
            ),
            0..5,
        ),
    ) {
        let mut data = b"FS30".to_vec();
        for (wrong, records) in transactions {
            let bytes = transaction(data.len() as u64, wrong, &records);
            data.extend(bytes);
        }
        ask_all(data, None);
    }

    #[test]
    fn any_index_beside_a_sound_file_is_fit_for_opening(
        position in 0..200_u64, end in 0..300_u64, extra in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut data = b"FS30".to_vec();
        data.extend(transaction(4, 0, &[(1, 0, 0, 40)]));
        data.extend(transaction(data.len() as u64, 0, &[(2, 0, 0, 20)]));
        let mut index = b"\x80\x03J".to_vec();
        index.extend(u32::try_from(end).unwrap().to_le_bytes());
        index.extend(b".\x80\x03C\x06\0\0\0\0\0\0C\x08\0\x01");
        index.extend(&position.to_be_bytes()[2..]);
        index.extend(b"\x86.\x80\x03N.");
        index.extend(extra);
        ask_all(data, Some(index));
    }
}
