//! SIGKILL and SIGTERM under load: what was acknowledged is there, and nothing is there by half.

use std::sync::Mutex;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;

use super::Server;
use super::wire::Client;
use crate::filestorage::pack::record;
use crate::sandbox::chance::Chance;
use crate::sandbox::{SOON, Sandbox, eventually, is_long};

/// Clients that commit at the same time.
const CLIENTS: usize = 8;
/// Objects that one transaction changes, all to the same text.
const TOGETHER: u64 = 3;

/// What a client knows: the last text that was acknowledged, and the one after it that may have been written.
#[derive(Clone, Default)]
struct Known {
    acknowledged: u64,
    sent: u64,
    serial: u64,
}

fn oid(client: usize, number: u64) -> u64 {
    1 + u64::try_from(client).unwrap() * TOGETHER + number
}

fn data(number: u64) -> Vec<u8> {
    // Of various lengths, so that a kill meets transactions of one write and of several.
    let text = format!("{number} ").into_bytes().repeat(1 + usize::try_from(number % 97).unwrap() * 50);
    // A record that refers to nothing: a class and a state.
    [&b"N.B"[..], &u32::try_from(text.len()).unwrap().to_le_bytes(), &text, b"."].concat()
}

/// Makes a root object that refers to all others.
fn make_root(port: u16) {
    let clients = 0..CLIENTS;
    let oids: Vec<_> =
        clients.flat_map(|client| (0..TOGETHER).map(move |number| oid(client, number))).collect();
    Client::connect(port).unwrap().commit(&[(0, 0, &record("0", &oids))]).unwrap().unwrap();
}

/// Packs to the present until the server is gone.
fn pack(port: u16) {
    let Ok(mut connection) = Client::connect(port) else { return };
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        match connection.pack(now, true) {
            Ok(Ok(_)) => {}
            // The server ends.
            Ok(Err((_, why))) => return assert!(format!("{why:?}").contains("cancelled"), "{why:?}"),
            Err(_) => return,
        }
    }
}

/// Commits until the server is gone.
fn commit(port: u16, client: usize, known: &Mutex<Known>) {
    let Ok(mut connection) = Client::connect(port) else { return };
    loop {
        let (number, serial) = {
            let mut known = known.lock().unwrap();
            known.sent = known.acknowledged + 1;
            (known.sent, known.serial)
        };
        let data = data(number);
        let records: Vec<_> = (0..TOGETHER).map(|at| (oid(client, at), serial, data.as_slice())).collect();
        let Ok(committed) = connection.commit(&records) else { return };
        let tid = committed.unwrap_or_else(|error| panic!("client {client} is refused: {error:?}"));
        *known.lock().unwrap() = Known { acknowledged: number, sent: number, serial: tid };
    }
}

/// Holds what the server has against what each client knows, and lets the client know.
fn check(server: &Server, known: &[Mutex<Known>], seed: u64) {
    let mut connection = server.client();
    for (client, known) in known.iter().enumerate() {
        let mut known = known.lock().unwrap();
        if known.sent == 0 {
            continue;
        }
        let found = |at| connection.load(oid(client, at)).unwrap();
        let all: Vec<_> = (0..TOGETHER).map(found).collect();
        assert!(all.iter().all(|one| *one == all[0]), "seed {seed}: client {client} has half a transaction");
        match &all[0] {
            Err(error) => {
                assert_eq!(known.acknowledged, 0, "seed {seed}: client {client} lost all: {error:?}");
            }
            Ok((found, tid)) => {
                let number =
                    [known.acknowledged, known.sent].into_iter().find(|number| data(*number) == *found);
                let number = number
                    .unwrap_or_else(|| panic!("seed {seed}: client {client} lost {}", known.acknowledged));
                *known = Known { acknowledged: number, sent: number, serial: *tid };
            }
        }
    }
}

#[test]
fn every_acknowledged_commit_survives_sigkill_under_load() {
    end_under_load(Signal::SIGKILL, if is_long() { 100 } else { 8 }, false);
}

#[test]
fn every_acknowledged_commit_survives_sigkill_under_packs_and_load() {
    end_under_load(Signal::SIGKILL, if is_long() { 100 } else { 8 }, true);
}

#[test]
fn server_that_is_stopped_under_packs_ends_in_order() {
    end_under_load(Signal::SIGTERM, if is_long() { 50 } else { 4 }, true);
}

/// Clients see the end of their connection, never an error; what was in flight is there as a whole or not at all.
#[test]
fn server_that_is_stopped_under_load_ends_in_order() {
    end_under_load(Signal::SIGTERM, if is_long() { 50 } else { 4 }, false);
}

/// Ends a server in the middle of commits, so many times.
fn end_under_load(signal: Signal, times: u64, packs: bool) {
    let mut chance = Chance::new();
    let sandbox = Sandbox::new();
    let port = sandbox.port();
    let known: [Mutex<Known>; CLIENTS] = Default::default();
    let total = || known.iter().map(|known| known.lock().unwrap().acknowledged).sum::<u64>();
    for time in 0..times {
        let server = Server::start(&sandbox, port);
        if time == 0 {
            make_root(port);
        }
        check(&server, &known, chance.seed());
        let goal = total() + 1 + u64::try_from(chance.below(150)).unwrap();
        thread::scope(|scope| {
            for (client, known) in known.iter().enumerate() {
                scope.spawn(move || commit(port, client, known));
            }
            if packs {
                scope.spawn(move || pack(port));
            }
            eventually(SOON, || total() >= goal);
            server.running.signal(signal);
        });
        let outcome = server.running.wait(SOON);
        if signal == Signal::SIGTERM {
            assert_eq!(outcome.status, 0, "{}", outcome.stderr);
            assert!(outcome.stderr.contains(") closing storage '1'\n"), "{}", outcome.stderr);
            assert!(!outcome.stderr.contains("did not end"), "{}", outcome.stderr);
        }
    }
    let server = Server::start(&sandbox, port);
    check(&server, &known, chance.seed());
    assert!(total() >= times, "seed {}", chance.seed());
    server.stop();
}
