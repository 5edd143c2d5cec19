//! Commits per second, each on the disk before it is answered: of one client, and of eight that do not hinder each other.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, Client};
use crate::data;
use crate::server::{Kind, Server};
use crate::table::{Row, Target};

const TIME: Duration = Duration::from_secs(2);

pub fn measure(place: &Path, contenders: &[Kind], rounds: usize) -> Vec<Row> {
    let mut one = Row::new("commits per second, one client", Target::TimesAtLeast(2.0));
    let mut eight = Row::new("commits per second, eight clients", Target::TimesAtLeast(8.0));
    let mut disk = Row::new("writes of a commit's size with fdatasync, per second, no server", Target::None);
    for _ in 0..rounds {
        for kind in contenders {
            for (row, clients) in [(&mut one, 1), (&mut eight, 8)] {
                let directory = tempfile::tempdir_in(place).unwrap();
                data::make(&directory.path().join("Data.fs"), 8);
                let server = Server::start(kind, directory.path());
                let connect = || Client::connect(server.address);
                row.add(kind, commits(&connect, clients) / TIME.as_secs_f64());
                server.stop();
            }
        }
        disk.add(&Kind::Ours, bare(place) / TIME.as_secs_f64());
    }
    vec![one, eight, disk]
}

/// The same over TLS.
pub fn measure_encrypted(place: &Path, contenders: &[Kind], rounds: usize) -> Vec<Row> {
    let mut one = Row::new("commits per second over TLS, one client", Target::None);
    let mut eight = Row::new("commits per second over TLS, eight clients", Target::None);
    for _ in 0..rounds {
        for kind in contenders {
            for (row, clients) in [(&mut one, 1), (&mut eight, 8)] {
                let directory = tempfile::tempdir_in(place).unwrap();
                data::make(&directory.path().join("Data.fs"), 8);
                let server = Server::start_encrypted(kind, directory.path());
                let connect = || Client::connect_encrypted(server.address, directory.path());
                row.add(kind, commits(&connect, clients) / TIME.as_secs_f64());
                server.stop();
            }
        }
    }
    vec![one, eight]
}

/// Each client changes an object of its own again and again.
fn commits(connect: &(dyn Fn() -> Client + Sync), clients: u64) -> f64 {
    let barrier = Barrier::new(usize::try_from(clients).unwrap());
    thread::scope(|scope| {
        let work = |oid: u64| {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut client = connect();
                let mut committer = Committer::new(&mut client, vec![oid]);
                committer.commit();
                barrier.wait();
                let end = Instant::now() + TIME;
                let mut count = 0.0;
                while Instant::now() < end {
                    committer.commit();
                    count += 1.0;
                }
                count
            })
        };
        let threads: Vec<_> = (0..clients).map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// A client that changes the same objects again and again, all in one transaction.
pub struct Committer<'a> {
    client: &'a mut Client,
    oids: Vec<u64>,
    serial: [u8; 8],
    transaction: u16,
}

impl<'a> Committer<'a> {
    /// For objects that one transaction has made.
    pub fn new(client: &'a mut Client, oids: Vec<u64>) -> Self {
        let mut arguments = Vec::new();
        client::bytes(&mut arguments, &oids[0].to_be_bytes());
        arguments.push(0x85);
        let mut request = Vec::new();
        client.call(&mut request, "getTid", &arguments);
        client.send(&request);
        let serial = last_bytes(client.reply());
        Self { client, oids, serial, transaction: 0 }
    }

    /// As ZEO's client: what is not answered goes out with the vote. Returns the transaction.
    pub fn commit(&mut self) -> [u8; 8] {
        self.transaction = self.transaction.wrapping_add(1);
        let id = id(self.transaction);
        let mut out = Vec::with_capacity(1024);
        begin(&mut out, id);
        for oid in &self.oids {
            let mut store = b"(".to_vec();
            client::bytes(&mut store, &oid.to_be_bytes());
            client::bytes(&mut store, &self.serial);
            client::bytes(&mut store, &data::record(*oid));
            store.extend(id);
            store.push(b't');
            client::tell(&mut out, "storea", &store);
        }
        self.serial = end(self.client, out, id);
        self.serial
    }
}

/// The client's id of a transaction, pickled.
pub fn id(transaction: u16) -> [u8; 3] {
    let [low, high] = transaction.to_le_bytes();
    [b'M', low, high]
}

pub fn begin(out: &mut Vec<u8>, id: [u8; 3]) {
    let mut begin = b"(".to_vec();
    begin.extend(id);
    client::bytes(&mut begin, b"");
    client::bytes(&mut begin, b"a change");
    begin.extend(b"}NX\x01\0\0\0 t");
    client::tell(out, "tpc_begin", &begin);
}

/// Sends what there is with the vote, and finishes; the transaction.
pub fn end(client: &mut Client, mut out: Vec<u8>, id: [u8; 3]) -> [u8; 8] {
    let only: Vec<u8> = id.into_iter().chain([0x85]).collect();
    client.call(&mut out, "vote", &only);
    client.send(&out);
    client.reply();
    out.clear();
    client.call(&mut out, "tpc_finish", &only);
    client.send(&out);
    last_bytes(client.reply())
}

/// The 8 bytes that end a reply, before the opcodes TUPLE and STOP.
fn last_bytes(reply: &[u8]) -> [u8; 8] {
    let end = reply.len() - 2;
    reply[end - 8..end].try_into().unwrap()
}

/// What the disk can do.
fn bare(place: &Path) -> f64 {
    let mut file = File::create(place.join("bare")).unwrap();
    let end = Instant::now() + TIME;
    let mut count = 0.0;
    while Instant::now() < end {
        file.write_all(&[b'x'; data::RECORD + 81]).unwrap();
        file.sync_data().unwrap();
        count += 1.0;
    }
    count
}
