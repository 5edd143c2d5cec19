//! Any bytes as a pickle: an answer in bounded memory; what is read can be written and is read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zeo_server::pickle::{Limits, Policy, any_global, decode_first, encode};

fuzz_target!(|bytes: &[u8]| {
    let policy = Policy { globals: any_global, limits: Limits::MESSAGE, python2: true };
    let Ok((value, used)) = decode_first(bytes, &policy) else { return };
    assert!(used <= bytes.len());
    let mut written = Vec::new();
    encode(&value, &mut written).expect("what was read can be said");
    // Not the values: NaN is not equal to itself. What was shared is written several times, which may be too much.
    let larger = Limits { steps: usize::MAX, ..Limits::MESSAGE };
    let (again, _) = decode_first(&written, &Policy { limits: larger, ..policy }).expect("what was written is read");
    let mut twice = Vec::new();
    encode(&again, &mut twice).expect("what was read can be said");
    assert_eq!(written, twice);
});
