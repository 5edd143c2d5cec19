//! Any bytes from a client: answers, and an end.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use zeo_server::storage::MemoryStorage;
use zeo_server::zeo::converse;

/// What a client says first, so that the bytes come to something.
const REGISTERED: [&[u8]; 2] = [
    b"\0\0\0\x02Z5\0\0\0\x1d\x80\x03(K\x01\x89X\x08\0\0\0registerX\x01\0\0\x001\x89\x86t.",
    b"\0\0\0\x02M5\0\0\0\x10\x94\x01\xc2\xa8register\x92\xa11\xc2",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let mut said = REGISTERED.get(usize::from(*kind)).map_or(Vec::new(), |first| first.to_vec());
    said.extend_from_slice(bytes);
    let _ = converse(Arc::new(MemoryStorage::new("m")), &said);
});
