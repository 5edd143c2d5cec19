//! Any bytes as a configuration in TOML: an answer, each fault in one line.
#![no_main]

use std::collections::HashMap;
use std::fs;

use libfuzzer_sys::fuzz_target;
use zeo_server::config::{Flags, resolve_in};
use zeo_server::zconfig::Environment;

fuzz_target!(|bytes: &[u8]| {
    let place = tempfile::tempdir().expect("a directory can be made");
    fs::write(place.path().join("a.toml"), bytes).expect("a file can be written");
    let environment = Environment::fixed(place.path().to_owned(), HashMap::new());
    let flags = Flags { configure: Some("a.toml".into()), ..Flags::default() };
    if let Err(errors) = resolve_in(&flags, &environment) {
        for error in errors.list() {
            assert!(!error.to_string().contains('\n'), "not one line: {error}");
        }
    }
});
