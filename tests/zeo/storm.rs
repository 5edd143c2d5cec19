//! Many clients at once, over a file: what each is told is in the order that its cache relies on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use zeo_server::pickle::Value;
use zeo_server::zeo::Settings;

use super::client::{BOTH, Client, Encoding, MAX, eight, number, text};
use super::server::{Over, Server};
use crate::sandbox::is_long;

const OBJECTS: u64 = 8;

/// Commits to the objects in turn, resolving conflicts by having the last word: how many of its data are there.
fn commit(port: u16, encoding: Encoding, count: i64) {
    let mut client = Client::new(port, encoding);
    let mut serials = HashMap::new();
    for n in 0..count {
        let oids = [n.unsigned_abs() % OBJECTS, (n.unsigned_abs() * 3 + 1) % OBJECTS];
        let stores = oids.map(|oid| (oid, *serials.entry(oid).or_insert(0), n.to_be_bytes()));
        let stores: Vec<(u64, u64, &[u8])> = stores.iter().map(|(o, s, d)| (*o, *s, d.as_slice())).collect();
        client.begin(n, &stores);
        loop {
            let vote = client.call("vote", vec![Value::Int(n)]).expect("conflicts are shown");
            let conflicts = vote.items().expect("a list");
            if conflicts.is_empty() {
                break;
            }
            for conflict in conflicts {
                let oid = number(conflict.get("oid").expect("an oid"));
                let serials = conflict.get("serials").and_then(Value::items).expect("serials");
                client.store(n, oid, number(&serials[0]), &n.to_be_bytes());
            }
        }
        let tid = number(&client.call("tpc_finish", vec![Value::Int(n)]).expect("it was voted on"));
        for call in client.calls.drain(..).filter(|call| call.name == "invalidateTransaction") {
            let told = number(&call.body.items().expect("a pair")[0]);
            assert!(told < tid, "told of {told} after its own {tid}");
        }
        serials.extend(oids.map(|oid| (oid, tid)));
    }
}

/// Reads ahead all the time, and judges every message.
fn read(port: u16, encoding: Encoding, done: &AtomicBool) -> usize {
    let mut client = Client::anonymous(port, encoding);
    let mut last = number(&client.call("register", vec![text("1"), Value::Bool(false)]).expect("welcome"));
    let mut changed: HashMap<u64, u64> = HashMap::new();
    let mut told = 0;
    while !done.load(Ordering::SeqCst) {
        for oid in 0..OBJECTS {
            let id = Value::Tuple(vec![eight(oid), eight(MAX)]);
            client.send(id, false, "loadBefore", vec![eight(oid), eight(MAX)]);
        }
        let mut missing = OBJECTS;
        while missing > 0 {
            let message = client.message().expect("an answer, not an end");
            let parts = message.body.items().unwrap_or_default();
            if message.name == "invalidateTransaction" {
                let tid = number(&parts[0]);
                assert!(tid > last, "{tid} after {last}");
                last = tid;
                told += 1;
                changed.extend(parts[1].items().expect("oids").iter().map(|oid| (number(oid), tid)));
                continue;
            }
            missing -= 1;
            // Objects that are not there yet are an error reply.
            if let ([Value::Bytes(_), start, Value::None], Value::Int(0)) = (parts, &message.flag) {
                let oid = number(&message.id.items().expect("a pair")[0]);
                let known = changed.get(&oid).copied().unwrap_or(0);
                assert!(
                    number(start) >= known,
                    "object {oid} of {start:?} after the invalidation of {known}"
                );
            }
        }
    }
    told
}

#[test]
fn what_each_client_is_told_is_in_order_under_load() {
    let server = Server::over(Over::File, Settings::default());
    let count = if is_long() { 5000 } else { 150 };
    let (done, port) = (&AtomicBool::new(false), server.port);
    let told: Vec<usize> = std::thread::scope(|scope| {
        let readers: Vec<_> =
            BOTH.into_iter().map(|encoding| scope.spawn(move || read(port, encoding, done))).collect();
        let committers: Vec<_> = [BOTH, BOTH]
            .into_iter()
            .flatten()
            .map(|encoding| scope.spawn(move || commit(port, encoding, count)))
            .collect();
        let ended: Vec<_> = committers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::SeqCst);
        assert!(ended.iter().all(Result::is_ok), "a committer has failed");
        readers.into_iter().map(|reader| reader.join().expect("a reader has failed")).collect()
    });
    assert!(told.iter().all(|told| *told > 0), "{told:?}");
    let mut client = Client::new(server.port, Encoding::Pickle);
    let status = client.call("server_status", vec![]).unwrap();
    assert_eq!(status.get("commits"), Some(&Value::Int(4 * count)));
    assert_eq!(status.get("active_txns"), Some(&Value::Int(0)));
}
