//! Faults of the program itself, where others rely on it.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::storage::{Errand, Published};

/// Tells this test that it is the process that is to end: the file, and whose thread does it.
const FILE: &str = "ZEO_TEST_FAULT_FILE";
const OWN: &str = "ZEO_TEST_FAULT_OWN";

/// Panics when it is told of a transaction.
struct Faulty;

impl Audience for Faulty {
    fn publish(&self, _: &Published<'_>, _: &mut dyn FnMut()) {
        panic!("injected");
    }
}

/// Ends the process, or returns.
fn commit_to_a_faulty_audience(path: &Path, own: bool) {
    let storage =
        FileStorage::open(path, &Options::default(), Arc::new(EventLog::stderr_warnings())).unwrap();
    storage.attach(Arc::new(Faulty));
    let mut transaction = storage.begin(Meta::default());
    transaction.push(store(1, Tid::ZERO, b"durable"));
    let Vote::Written { ticket, .. } = storage.vote(&mut transaction).unwrap() else { panic!() };
    let (sender, receiver) = mpsc::channel();
    let errand = storage.finish(ticket, Box::new(move |result| sender.send(result).unwrap()));
    errand.filter(|_| own).into_iter().for_each(Errand::run);
    let _ = receiver.recv();
}

#[test]
fn fault_in_publishing_ends_the_process_and_hangs_nobody() {
    if let Some(path) = env::var_os(FILE) {
        return commit_to_a_faulty_audience(Path::new(&path), env::var_os(OWN).is_some());
    }
    for own in [None, Some("1")] {
        let fixture = Fixture::new();
        let name = "filestorage::tests::faults::fault_in_publishing_ends_the_process_and_hangs_nobody";
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", name, "--nocapture"]).env(FILE, fixture.path("Data.fs")).stdin(Stdio::null());
        if let Some(own) = own {
            child.env(OWN, own);
        }
        let output = child.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let line =
            "a fault of this program in bringing transactions to the disk; it ends, to be started again";
        assert!(told.contains(line) && told.contains("injected"), "{told}");
        let storage = fixture.open();
        assert_eq!(load(&storage, 1, Tid::MAX).unwrap().unwrap().0, b"durable", "it was on the disk before");
    }
}
