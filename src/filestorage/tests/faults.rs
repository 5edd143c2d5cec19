//! Faults of the program itself, where others rely on it.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::storage::Published;

/// Set for the process that is to end: the file.
const FILE: &str = "ZEO_TEST_FAULT_FILE";

/// Panics when it hears of a transaction.
struct Faulty;

impl CommitListener for Faulty {
    fn committed(&self, _: &mut [Published], _: &mut dyn FnMut()) {
        panic!("injected");
    }
}

/// Ends the process.
fn commit_with_a_faulty_listener(path: &Path) {
    let storage =
        FileStorage::open(path, &Options::default(), Arc::new(EventLog::stderr_warnings())).unwrap();
    storage.subscribe(Arc::new(Faulty));
    let _ = commit(&storage, Meta::default(), vec![store(1, Tid::ZERO, b"durable")]);
}

#[test]
fn fault_in_publishing_ends_the_process_and_no_commit_hangs() {
    if let Some(path) = env::var_os(FILE) {
        return commit_with_a_faulty_listener(Path::new(&path));
    }
    let fixture = Fixture::new();
    let name = "filestorage::tests::faults::fault_in_publishing_ends_the_process_and_no_commit_hangs";
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env(FILE, fixture.path("Data.fs")).stdin(Stdio::null());
    let output = child.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let line = "a fault of this program in bringing transactions to the disk; it ends, to be started again";
    assert!(stderr.contains(line) && stderr.contains("injected"), "{stderr}");
    let storage = fixture.open();
    assert_eq!(load(&storage, 1, Tid::MAX).unwrap().unwrap().0, b"durable", "it was on the disk before");
}
