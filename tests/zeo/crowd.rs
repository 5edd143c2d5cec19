//! Clients who commit, give up, meet conflicts and go, all at once and in the middle of each other's commits: nobody waits for
//! ever, and nothing is held when they are gone.

use std::thread;

use zeo_server::pickle::Value;
use zeo_server::zeo::Settings;

use super::client::{Client, Encoding, call, eight, number, store, text};
use super::server::{Over, Server};
use crate::sandbox::chance::Chance;
use crate::sandbox::{SOON, eventually, is_long};

const CLIENTS: u64 = 4;
/// What all of them change.
const SHARED: u64 = 1;
const ONE: Value = Value::Int(1);

/// One client, and the object that only it changes.
struct Member {
    port: u16,
    client: Client,
    own: u64,
    /// The first revision of that object, and the current one.
    first: u64,
    serial: u64,
}

impl Member {
    fn join(port: u16, own: u64) -> Self {
        let mut client = Client::new(port, Encoding::Pickle);
        let first = client.commit(1, &[(own, 0, b"first")]);
        Self { port, client, own, first, serial: first }
    }

    fn commit(&mut self, data: &[u8]) {
        self.serial = self.client.commit(1, &[(self.own, self.serial, data)]);
    }

    /// A copy of the first revision: all before it must be on the disk.
    fn restore(&mut self) {
        self.client.begin(1, &[]);
        let copy = vec![eight(self.own), eight(0), Value::None, eight(self.first), ONE];
        self.client.tell("restorea", copy);
        self.client.call("vote", vec![ONE]).expect("nobody is in the way");
        self.serial = number(&self.client.call("tpc_finish", vec![ONE]).expect("it was voted on"));
    }

    /// So many whole transactions with one write.
    fn commit_in_one_breath(&mut self, count: i64) {
        let (mut calls, mut asked) = (Vec::new(), Vec::new());
        for id in 10..10 + count {
            let empty = || Value::Bytes(Vec::new());
            let begin = vec![Value::Int(id), empty(), empty(), Value::Dict(vec![]), Value::None, text(" ")];
            calls.push(call(Value::Int(0), true, "tpc_begin", begin));
            calls.push(store(id, self.own + CLIENTS * id.unsigned_abs(), self.serial, b"new, or a conflict"));
            for method in ["vote", "tpc_finish"] {
                asked.push(text(&format!("{method} {id}")));
                calls.push(call(text(&format!("{method} {id}")), false, method, vec![Value::Int(id)]));
            }
            asked.push(text(&format!("abort {id}")));
            calls.push(call(text(&format!("abort {id}")), false, "tpc_abort", vec![Value::Int(id)]));
        }
        self.client.send_at_once(&calls).expect("the server reads");
        while !asked.is_empty() {
            let message = self.client.message().expect("an answer, not an end");
            asked.retain(|id| message.name != ".reply" || *id != message.id);
        }
    }

    /// Votes on an object of all with a revision that may be an old one, and gives up.
    fn meet_conflicts(&mut self, votes: u64) {
        self.client.begin(1, &[(SHARED, 7, b"old")]);
        for _ in 0..votes {
            self.client.call("vote", vec![ONE]).expect("conflicts are an answer");
        }
        self.client.call("tpc_abort", vec![ONE]).expect("an answer");
    }

    /// Votes, and gives up without waiting for the answer.
    fn change_its_mind(&mut self, length: usize) {
        self.client.begin(1, &[(self.own, self.serial, &vec![1; length])]);
        let mut asked = vec![self.client.ask("vote", vec![ONE]), self.client.ask("tpc_abort", vec![ONE])];
        while !asked.is_empty() {
            let message = self.client.message().expect("an answer, not an end");
            asked.retain(|id| message.name != ".reply" || *id != message.id);
        }
    }

    /// Goes with a vote that is answered or not; another comes.
    fn go(&mut self, answered: bool) {
        self.client.begin(1, &[(self.own, self.serial, b"lost")]);
        let asked = self.client.ask("vote", vec![ONE]);
        if answered {
            self.client.answer(&asked).expect("nobody is in the way");
        }
        let gone = std::mem::replace(&mut self.client, Client::new(self.port, Encoding::Pickle));
        gone.vanish();
    }
}

/// So many at once, each with a plan.
fn play(port: u16, plans: &[Vec<usize>]) {
    Client::new(port, Encoding::Msgpack).commit(1, &[(SHARED, 0, b"x")]);
    thread::scope(|scope| {
        for (own, plan) in (SHARED + 1..).zip(plans) {
            scope.spawn(move || {
                let mut member = Member::join(port, own);
                for deed in plan {
                    match deed {
                        0 => member.restore(),
                        1 => member.commit_in_one_breath(3),
                        2 => member.meet_conflicts(4),
                        3 => member.change_its_mind(10),
                        4 => member.change_its_mind(400 << 10),
                        5 => member.go(true),
                        6 => member.go(false),
                        7 => member.commit(&vec![2; 400 << 10]),
                        _ => member.commit(b"small"),
                    }
                }
            });
        }
    });
}

#[test]
fn crowd_leaves_nothing_behind_and_nobody_waits_for_ever() {
    let mut chance = Chance::new();
    let deeds = if is_long() { 5000 } else { 60 };
    // One alone is served in another way.
    for clients in [1, CLIENTS] {
        let server = Server::over(Over::File, Settings::default());
        let plans: Vec<_> = (0..clients).map(|_| (0..deeds).map(|_| chance.below(12)).collect()).collect();
        play(server.port, &plans);
        let mut newcomer = Client::new(server.port, Encoding::Msgpack);
        eventually(SOON, || {
            let status = newcomer.call("server_status", vec![]).expect("a status");
            let none = Value::Int(0);
            let all = [
                ("connections", &ONE),
                ("waiting", &none),
                ("active_txns", &none),
                ("lock_time", &Value::None),
            ];
            all.iter().all(|(key, value)| status.get(key) == Some(value))
        });
        newcomer.commit(1, &[(SHARED + CLIENTS + 1, 0, b"y")]);
        assert!(!server.log().contains("CRITICAL"), "seed {}", chance.seed());
    }
}
