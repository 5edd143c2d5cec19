//! What one client does does not hold back the others.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use zeo_server::pickle::Value;
use zeo_server::zeo::Settings;

use super::client::{Client, Encoding, MAX, call, eight, number};
use super::probed::{About, Probed};
use super::server::Server;
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

/// The lock is passed on by who finishes: the vote of the next one is not that client's business.
#[test]
fn large_vote_of_the_next_in_line_does_not_keep_the_reply_of_the_one_before() {
    let (open, wait) = gate();
    let server = server(move |about| {
        if let About::Vote(transaction) = about
            && transaction.memory() > 1 << 20
        {
            wait();
        }
    });
    let mut first = Client::new(server.port, Encoding::Pickle);
    first.begin(1, &[(1, 0, b"x")]);
    first.call("vote", vec![ONE]).unwrap();
    let mut next = Client::new(server.port, Encoding::Pickle);
    next.begin(1, &[(2, 0, &vec![7; 2 << 20])]);
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
    let votes = (5..1000).find(|_| {
        stubborn.call("vote", vec![ONE]).unwrap();
        other.is_finished()
    });
    assert!(votes.is_some(), "it has had the lock for a thousand votes");
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
