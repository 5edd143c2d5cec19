//! A disk that is full, under several clients.

use std::fs;
use std::path::PathBuf;
use std::thread;

use super::Server;
use super::wire::Client;
use crate::sandbox::{SOON, Sandbox, can_unshare, eventually};

const CLIENTS: u64 = 3;
/// More than stays in memory until it is written, and less.
const LENGTHS: [usize; 2] = [400 << 10, 20 << 10];

/// What was acknowledged of an object last.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Last {
    number: usize,
    serial: u64,
}

fn data(number: usize) -> Vec<u8> {
    let length = LENGTHS[number % LENGTHS.len()];
    format!("{number} ").into_bytes().into_iter().cycle().take(length).collect()
}

/// Commits until it is refused; what was acknowledged last, and why no more was.
fn fill(client: &mut Client, oid: u64, mut last: Last) -> (Last, String) {
    loop {
        let number = last.number + 1;
        match client.commit(&[(oid, last.serial, &data(number))]).expect("an answer") {
            Ok(serial) => last = Last { number, serial },
            Err(error) => return (last, format!("{error:?}")),
        }
    }
}

#[test]
fn full_disk_refuses_commits_of_all_clients_and_loses_none_that_was_acknowledged() {
    if !can_unshare(&["--mount"]) {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("disk")).expect("a directory");
    let port = sandbox.port();
    let script = "mount -t tmpfs -o size=24m none disk; exec \"$@\"";
    let run = sandbox.command("unshare").args(["--mount", "sh", "-euc", script, "sh"]);
    let address = format!("127.0.0.1:{port}");
    let server = Server {
        running: run.arg(env!("CARGO_BIN_EXE_runzeo")).args(["-a", &address, "-f", "disk/Data.fs"]).spawn(),
        port,
    };
    server.await_listening();
    // The disk as the server sees it.
    let inside = PathBuf::from(format!("/proc/{}/root", server.running.pid()));
    let disk = inside.join(sandbox.path("disk").strip_prefix("/").expect("absolute"));
    fs::write(disk.join("other"), vec![0; 8 << 20]).expect("room");
    let mut clients: Vec<_> =
        (1..=CLIENTS).map(|oid| (oid, server.client(), Last { number: 0, serial: 0 })).collect();
    for remedy in [true, false] {
        thread::scope(|scope| {
            for (oid, client, last) in &mut clients {
                scope.spawn(move || {
                    let (filled, why) = fill(client, *oid, *last);
                    assert!(filled.number > last.number, "client {oid} committed nothing: {why}");
                    assert!(why.contains("No space left on device"), "{why}");
                    *last = filled;
                });
            }
        });
        // All serves on, and all is there, for whoever did not write it.
        let mut reader = server.client();
        for (oid, _, last) in &clients {
            let (found, serial) = reader.load(*oid).expect("an answer").expect("it is there");
            assert_eq!(serial, last.serial);
            assert!(found == data(last.number), "client {oid}");
        }
        if remedy {
            fs::remove_file(disk.join("other")).expect("it is there");
        }
    }
    let told = server.stop();
    assert!(!told.contains("CRITICAL"), "{told}");
    // Each refusal has one line, with its client; the storage speaks only of those that were on their way together.
    let lines: Vec<_> = told.lines().filter(|line| line.contains("No space left on device")).collect();
    let (of_clients, of_storage): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.contains(" ERROR ZEO.StorageServer (127.0.0.1:"));
    assert_eq!(of_clients.len(), 2 * clients.len(), "{told}");
    let together = "; the transactions in flight are aborted";
    assert!(of_storage.iter().all(|line| line.ends_with(together)), "{told}");
}

/// One that sends and never votes leaves the others the room for their commits, and the log names it.
#[test]
fn transaction_that_is_never_voted_on_does_not_fill_the_disk() {
    if !can_unshare(&["--mount"]) {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("disk")).expect("a directory");
    let port = sandbox.port();
    let script = "mount -t tmpfs -o size=24m none disk; exec \"$@\"";
    let run = sandbox.command("unshare").args(["--mount", "sh", "-euc", script, "sh"]);
    let address = format!("127.0.0.1:{port}");
    let server = Server {
        running: run.arg(env!("CARGO_BIN_EXE_runzeo")).args(["-a", &address, "-f", "disk/Data.fs"]).spawn(),
        port,
    };
    server.await_listening();
    let mut hoarders: Vec<_> = (0..3).map(|_| server.client()).collect();
    for hoarder in &mut hoarders {
        let large = vec![1; 500 << 10];
        let stores: Vec<(u64, u64, &[u8])> = (1000..1040).map(|oid| (oid, 0, &large[..])).collect();
        hoarder.begin(&stores).expect("the server reads");
    }
    eventually(SOON, || {
        server.running.stderr().matches("its transaction is given up: cannot keep").count() == 3
    });
    let mut other = server.client();
    let (mut serial, data) = (0, vec![2; 60_000]);
    for _ in 0..57 {
        serial = other.commit(&[(1, serial, &data)]).expect("an answer").expect("room");
    }
    // A whole transaction of a size that fits is taken.
    other.commit(&[(2, 0, &vec![3; 2 << 20])]).expect("an answer").expect("room");
    let said = server.running.stderr();
    assert!(said.contains("before their votes one transaction may take a third of what is free"), "{said}");
    drop((hoarders, other));
    server.stop();
}
