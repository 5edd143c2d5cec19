//! Any bytes as msgpack: a value, which is written and read again, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zeo_server::zeo::msgpack::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = decode(bytes) {
        let mut out = Vec::new();
        encode(&value, &mut out).expect("what was read can be written");
        // By its bytes: a NaN is not equal to itself.
        let mut again = Vec::new();
        encode(&decode(&out).expect("what was written can be read"), &mut again).expect("as before");
        assert_eq!(again, out);
    }
});
