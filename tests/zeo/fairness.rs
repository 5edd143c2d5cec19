//! What one client does does not hold back the others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use zeo_server::pickle::Value;
use zeo_server::storage::{MemoryStorage, Oid, Storage, Wait};
use zeo_server::zeo::Settings;

use super::client::{BOTH, Client, Encoding, MAX, call, eight, number, store, text};
use super::probed::{About, Probed};
use super::server::{Over, Server};
use crate::sandbox::{SOON, eventually};

const ONE: Value = Value::Int(1);

/// A server whose storage does this first.
fn server(probe: impl Fn(About<'_>) + Send + Sync + 'static) -> Server {
    let place = tempfile::tempdir().expect("a temporary directory");
    Server::with(place, Probed::new(probe), Settings::default())
}

/// What waits until it is told to go on.
fn gate() -> (Sender<()>, impl Fn() + Send + Sync) {
    let (open, opened) = channel();
    let opened = Mutex::new(opened);
    // Also when the test has failed, and its end of it is gone.
    let wait = move || {
        let _ = opened.lock().unwrap().recv();
    };
    (open, wait)
}

/// The lock is passed on by the client that finishes, which has its reply though the next vote takes long.
#[test]
fn slow_vote_of_the_next_client_does_not_keep_the_reply_of_the_one_before() {
    let (open, wait) = gate();
    let server = server(move |about| {
        if let About::Vote([Oid(2)], Wait::Allowed) = about {
            wait();
        }
    });
    let mut first = Client::new(server.port, Encoding::Pickle);
    first.begin(1, &[(1, 0, b"x")]);
    first.call("vote", vec![ONE]).unwrap();
    let mut next = Client::new(server.port, Encoding::Pickle);
    next.begin(1, &[(2, 0, b"y")]);
    let asked = next.ask("vote", vec![ONE]);
    eventually(SOON, || {
        let status = first.call("server_status", vec![]).unwrap();
        status.get("waiting") == Some(&ONE)
    });
    let tid = number(&first.call("tpc_finish", vec![ONE]).unwrap());
    assert_eq!(first.load(1), (b"x".to_vec(), tid));
    open.send(()).unwrap();
    assert_eq!(next.answer(&asked), Ok(Value::List(vec![])));
    next.call("tpc_finish", vec![ONE]).unwrap();
}

/// Clients try nine times.
#[test]
fn client_that_votes_on_conflicts_for_ever_does_not_keep_the_lock() {
    let server = server(|_| ());
    let mut other = Client::new(server.port, Encoding::Pickle);
    let first = other.commit(1, &[(1, 0, b"a")]);
    let mut stubborn = Client::new(server.port, Encoding::Pickle);
    stubborn.begin(1, &[(1, 7, b"mine")]);
    for _ in 0..4 {
        stubborn.call("vote", vec![ONE]).unwrap();
    }
    let other = thread::spawn(move || other.commit(2, &[(1, first, b"b")]));
    let begun = Instant::now();
    while !other.is_finished() {
        stubborn.call("vote", vec![ONE]).unwrap();
        assert!(begun.elapsed() < SOON, "it has the lock for ever");
    }
    other.join().unwrap();
}

/// The first replies leave though the next ones take long: what a client asks for in one breath is no reason to keep it, or
/// those who share its thread, waiting.
#[test]
fn replies_of_slow_reads_leave_before_all_are_made() {
    let (open, wait) = gate();
    // Nothing is ever sent: to wait for it is to be slow.
    let (never, slow) = channel::<()>();
    let (slow, loads) = (Mutex::new(slow), AtomicU64::new(0));
    let server = server(move |about| {
        if matches!(about, About::Load(_)) {
            match loads.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    let waited = slow.lock().unwrap().recv_timeout(Duration::from_millis(20));
                    assert_eq!(waited, Err(RecvTimeoutError::Timeout));
                }
                // Still of what the server reads at once.
                40 => wait(),
                _ => {}
            }
        }
    });
    let mut client = Client::new(server.port, Encoding::Msgpack);
    client.commit(1, &[(1, 0, b"x")]);
    let load = |n| call(Value::Int(n), false, "loadBefore", vec![eight(1), eight(MAX)]);
    client.send_at_once(&(1000..1200).map(load).collect::<Vec<_>>()).unwrap();
    client.answer(&Value::Int(1000)).unwrap();
    open.send(()).unwrap();
    for n in 1001..1200 {
        client.answer(&Value::Int(n)).unwrap();
    }
    drop(never);
}

/// The second one looks at what the first has yet to bring to the disk.
#[test]
fn transactions_of_one_breath_do_not_wait_for_each_other_for_ever() {
    for encoding in BOTH {
        let server = Server::over(Over::File, Settings::default());
        let mut client = Client::new(server.port, encoding);
        let first = client.commit(1, &[(1, 0, b"a"), (2, 0, b"b")]);
        let (mut calls, mut asked) = (Vec::new(), Vec::new());
        for n in 2..8 {
            let id = || Value::Int(n);
            let begin = vec![id(), bytes(b""), bytes(b""), Value::Dict(vec![]), Value::None, text(" ")];
            calls.push(call(Value::Int(0), true, "tpc_begin", begin));
            if n % 2 == 0 {
                let copy = vec![eight(1), eight(0), Value::None, eight(first), id()];
                calls.push(call(Value::Int(0), true, "restorea", copy));
            } else {
                calls.push(store(n, 2 + n.unsigned_abs(), 0, b"c"));
            }
            for method in ["vote", "tpc_finish"] {
                asked.push(text(&format!("{method} {n}")));
                calls.push(call(text(&format!("{method} {n}")), false, method, vec![id()]));
            }
        }
        client.send_at_once(&calls).unwrap();
        // A vote may be answered before the finish ahead of it.
        while !asked.is_empty() {
            let reply = client.message().expect("an answer, not an end");
            if reply.name == ".reply" {
                asked.retain(|id| *id != reply.id);
                reply.outcome().unwrap();
            }
        }
        assert_eq!(client.load(1).0, b"a");
    }
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

#[test]
fn storages_of_a_server_know_nothing_of_each_other() {
    let two: [(String, Arc<dyn Storage>); 2] =
        ["1", "2"].map(|name| (name.to_owned(), Arc::new(MemoryStorage::new(name)) as Arc<dyn Storage>));
    let place = tempfile::tempdir().unwrap();
    let server = Server::with_all(place, two.into(), Settings::default());
    let mut one = Client::new(server.port, Encoding::Pickle);
    let mut two = [(); 2].map(|()| {
        let mut client = Client::anonymous(server.port, Encoding::Pickle);
        client.call("register", vec![text("2"), Value::Bool(false)]).unwrap();
        client
    });
    one.begin(1, &[(1, 0, b"of one")]);
    one.call("vote", vec![ONE]).unwrap();
    // The lock of the one is not that of the other.
    let tid = two[0].commit(1, &[(1, 0, b"of two")]);
    assert_eq!(number(&two[1].told().body.items().unwrap()[0]), tid);
    assert_eq!(
        one.call("loadBefore", vec![eight(1), eight(MAX)]).unwrap_err().0,
        "ZODB.POSException.POSKeyError"
    );
    one.call("tpc_finish", vec![ONE]).unwrap();
    assert_eq!((one.load(1).0, two[1].load(1).0), (b"of one".to_vec(), b"of two".to_vec()));
    let told = one.calls.iter().chain(&two[1].calls).find(|call| call.name == "invalidateTransaction");
    assert_eq!(told, None);
    for (client, connections) in [(&mut one, 1), (&mut two[0], 2)] {
        let status = client.call("server_status", vec![]).unwrap();
        assert_eq!(status.get("connections"), Some(&Value::Int(connections)));
        assert_eq!(status.get("commits"), Some(&ONE));
    }
}
