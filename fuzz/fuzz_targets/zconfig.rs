//! Any bytes as a configuration: an answer, each fault in one line.
#![no_main]

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use zeo_server::config::schema;
use zeo_server::zconfig::{Environment, Limits, load};

fuzz_target!(|bytes: &[u8]| {
    let place = tempfile::tempdir().expect("a directory can be made");
    fs::write(place.path().join("a.conf"), bytes).expect("a file can be written");
    let environment = Environment::fixed(place.path().to_owned(), HashMap::new());
    let limits =
        Limits { bytes: 1 << 20, substituted: 1 << 20, files: 100, depth: 1000, ..Limits::default() };
    for schema in [&schema::DAEMON, &schema::SERVER] {
        if let Err(problems) = load(schema, Path::new("a.conf"), &[], &[], &environment, limits) {
            for problem in problems.list() {
                assert!(!problem.to_string().contains('\n'), "not one line: {problem}");
            }
        }
    }
});
