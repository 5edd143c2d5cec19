//! Reads that walk far or wait for the disk hold back only each other, however many clients ask for them.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};

use tempfile::TempDir;
use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::pickle::Value;
use zeo_server::storage::{Completion, Meta, Oid, Operation, Storage, Tid, Vote, Wait};
use zeo_server::zeo::Settings;

use super::client::{Client, Encoding, MAX, call, eight, number, text};
use super::probed::{About, Probed};
use super::server::Server;
use crate::sandbox::{SOON, eventually};

const ONE: Value = Value::Int(1);
/// More than tokio has threads for, unless it is asked for more.
const MANY: usize = 600;

/// What others do meanwhile: each is answered.
pub(super) fn others_are_served(server: &Server) {
    let mut other = Client::new(server.port, Encoding::Pickle);
    assert_eq!(other.call("ping", vec![]), Ok(Value::None));
    let oid = 1 << 40;
    let found = other.call("loadBefore", vec![eight(oid), eight(MAX)]);
    let serial = found.map_or(0, |found| number(&found.items().unwrap()[1]));
    let tid = other.commit(1, &[(oid, serial, b"meanwhile")]);
    assert_eq!(other.load(oid), (b"meanwhile".to_vec(), tid));
    let mut monitor = Client::silent(server.port);
    monitor.put(b"ruok");
    let status = monitor.frame().expect("a status");
    assert!(String::from_utf8(status).unwrap().contains("\"last-transaction\""));
}

#[derive(Default)]
pub(super) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    pub(super) at_it: AtomicUsize,
}

impl Gate {
    pub(super) fn pass(&self) {
        self.at_it.fetch_add(1, Ordering::SeqCst);
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_timeout_while(open, SOON, |open| !*open).unwrap());
    }

    pub(super) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// So many clients ask for what never ends, and then all have their answers, but for one that has gone.
fn many_wait(at: Wait) {
    let gate = Arc::new(Gate::default());
    let closed = gate.clone();
    let storage = Probed::new(move |about| {
        if let About::History(_, wait) = about
            && wait == at
        {
            closed.pass();
        }
    });
    let server = Server::with(tempfile::tempdir().unwrap(), storage, Settings::default());
    let mut first = Client::new(server.port, Encoding::Pickle);
    first.commit(1, &[(1, 0, b"x")]);
    let mut many: Vec<_> = (0..MANY).map(|_| Client::new(server.port, Encoding::Msgpack)).collect();
    let asked: Vec<_> = many.iter_mut().map(|client| client.ask("history", vec![eight(1), ONE])).collect();
    eventually(SOON, || gate.at_it.load(Ordering::SeqCst) > 0);
    others_are_served(&server);
    many.pop().unwrap().vanish();
    gate.open();
    for (client, id) in many.iter_mut().zip(&asked) {
        assert_eq!(client.answer(id).unwrap().items().unwrap().len(), 1);
    }
    others_are_served(&server);
}

#[test]
fn any_number_of_long_walks_leaves_the_others_their_threads() {
    many_wait(Wait::Allowed);
}

#[test]
fn disk_that_hangs_leaves_the_others_their_threads() {
    many_wait(Wait::Brief);
}

#[test]
fn server_ends_though_clients_wait_for_their_turn() {
    let gate = Arc::new(Gate::default());
    let closed = gate.clone();
    let storage = Probed::new(move |about| {
        if let About::History(_, Wait::Allowed) = about {
            closed.pass();
        }
    });
    let mut server = Server::with(tempfile::tempdir().unwrap(), storage, Settings::default());
    Client::new(server.port, Encoding::Pickle).commit(1, &[(1, 0, b"x")]);
    let mut many: Vec<_> = (0..9).map(|_| Client::new(server.port, Encoding::Pickle)).collect();
    for client in &mut many {
        client.ask("history", vec![eight(1), ONE]);
    }
    eventually(SOON, || gate.at_it.load(Ordering::SeqCst) > 1);
    let (opener, (done, ended)) = (gate.clone(), mpsc::channel::<()>());
    // Two are at it, and end with it; the others end before.
    let opening = std::thread::spawn(move || {
        let _ = ended.recv_timeout(std::time::Duration::from_millis(200));
        opener.open();
    });
    server.end();
    drop(done);
    opening.join().unwrap();
    assert!(!server.log().contains("did not end"), "{}", server.log());
    assert_eq!(gate.at_it.load(Ordering::SeqCst), 2, "those that waited are not served any more");
}

/// A commit, without a server.
fn commit(storage: &FileStorage, operations: Vec<Operation>) -> Tid {
    let mut transaction = storage.begin(Meta::default()).unwrap();
    for operation in operations {
        transaction.push(operation).unwrap();
    }
    assert!(matches!(transaction.vote(Wait::Allowed).unwrap(), Vote::Accepted { .. }));
    let (done, outcome) = mpsc::channel();
    transaction.finish(Completion::new(0, move |tid| done.send(tid).unwrap()));
    outcome.recv().unwrap().unwrap()
}

/// Object 1 has so many revisions.
const REVISIONS: u64 = 1000;

/// A file with a long history, and deleted objects from 10 to 2,000.
fn long_history(place: &TempDir) -> (Arc<FileStorage>, Tid, Tid) {
    let log = Arc::new(EventLog::disabled());
    let path = place.path().join("Data.fs");
    let storage = Arc::new(FileStorage::open(&path, &Options::default(), log).unwrap());
    let store = |oid, serial| Operation::Store { oid: Oid(oid), serial, data: b"data".to_vec() };
    let first = commit(&storage, (1..2000).map(|oid| store(oid, None)).collect());
    let delete = |oid| Operation::Delete { oid: Oid(oid), serial: Some(first) };
    commit(&storage, (10..2000).map(delete).collect());
    let mut last = first;
    for _ in 1..REVISIONS {
        last = commit(&storage, vec![store(1, Some(last))]);
    }
    (storage, first, last)
}

#[test]
fn walks_through_a_long_history_do_not_hold_back_others() {
    let place = tempfile::tempdir().unwrap();
    let (storage, first, last) = long_history(&place);
    let settings =
        Settings { invalidation_age: Some(std::time::Duration::from_secs(86_400)), ..Settings::default() };
    let server = Server::with(place, storage, settings);
    let oid = || eight(1);
    let walks = [
        ("loadBefore", vec![oid(), eight(first.0 + 1)]),
        ("loadSerial", vec![oid(), eight(first.0)]),
        ("record_iternext", vec![eight(9)]),
        ("history", vec![oid(), Value::Int(1_000_000)]),
        ("getInvalidations", vec![eight(first.0)]),
        ("iterator_start", vec![eight(last.0 / 2 + first.0 / 2), Value::None]),
    ];
    let mut clients: Vec<_> = (0..24).map(|_| Client::new(server.port, Encoding::Pickle)).collect();
    for client in &mut clients {
        let calls: Vec<_> = (1..)
            .zip(walks.iter().cycle().take(60))
            .map(|(id, (method, arguments))| call(Value::Int(id), false, method, arguments.clone()))
            .collect();
        client.send_at_once(&calls).unwrap();
    }
    others_are_served(&server);
    // The last of them are not answered yet: then nothing has waited for the walks.
    let unanswered = clients.iter().filter(|client| {
        client.stream.set_nonblocking(true).unwrap();
        let mut bytes = vec![0; 1 << 20];
        let count = client.stream.peek(&mut bytes).unwrap_or(0);
        client.stream.set_nonblocking(false).unwrap();
        count < 1000
    });
    assert!(unanswered.count() > 0);
    let mut one = clients.pop().unwrap();
    for client in &clients {
        client.stream.shutdown(Shutdown::Both).unwrap();
    }
    let answers: Vec<_> = (1..=6).map(|id| one.answer(&Value::Int(id))).collect();
    assert_eq!(answers[0].as_ref().unwrap().items().unwrap()[1], eight(first.0));
    assert_eq!(answers[1], Ok(Value::Bytes(b"data".to_vec())));
    assert_eq!(answers[2].as_ref().unwrap().items().unwrap()[0], eight(9));
    assert_eq!(answers[3].as_ref().unwrap().items().unwrap().len() as u64, REVISIONS);
    assert_eq!(answers[4].as_ref().unwrap().items().unwrap()[1].items().unwrap().len(), 1992);
    assert_eq!(answers[5], Ok(ONE));
    TcpStream::connect(("127.0.0.1", server.port)).unwrap();
}

/// What a copying program sends has the data beside the hint; without them a long look back is an error, not a deletion.
#[test]
fn restores_that_look_far_back_do_not_keep_the_commit_lock() {
    let place = tempfile::tempdir().unwrap();
    let (storage, first, last) = long_history(&place);
    let server = Server::with(place, storage, Settings::default());
    let mut client = Client::new(server.port, Encoding::Pickle);
    let restore = |data: Value| vec![eight(1), eight(0), data, eight(first.0), ONE];
    client.begin(1, &[]);
    for _ in 0..200 {
        client.tell("restorea", restore(Value::None));
    }
    let (name, why) = client.call("vote", vec![ONE]).unwrap_err();
    assert_eq!(name, "ZODB.POSException.StorageTransactionError");
    let why = why.items().unwrap()[0].clone();
    assert_eq!(why, text("the history of object 0x1 is too long to look for the revision to be restored"));
    client.call("tpc_abort", vec![ONE]).unwrap();
    assert_eq!(client.load(1).1, last.0);
    client.begin(1, &[]);
    client.tell("restorea", restore(Value::None));
    for _ in 0..1000 {
        client.tell("restorea", restore(Value::Bytes(b"data".to_vec())));
    }
    client.call("vote", vec![ONE]).unwrap();
    let tid = number(&client.call("tpc_finish", vec![ONE]).unwrap());
    assert_eq!(client.load(1), (b"data".to_vec(), tid));
}
