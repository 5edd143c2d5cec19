//! Undo of a transaction of many objects, on the disk before it is answered; what is undone is the undo before.

use std::path::Path;
use std::time::Instant;

use crate::client::{self, Client};
use crate::commits::{self, Committer};
use crate::data;
use crate::server::{Kind, Server};
use crate::table::{Row, Target};

/// Objects of the transaction.
const OBJECTS: u64 = 1000;
/// Undos of a round.
const UNDOS: u32 = 20;

pub fn measure(place: &Path, contenders: &[Kind], rounds: usize) -> Vec<Row> {
    let mut row = Row::new("undos of a transaction of 1,000 objects, per second", Target::TimesAtLeast(5.0));
    for _ in 0..rounds {
        for kind in contenders {
            let directory = tempfile::tempdir_in(place).unwrap();
            data::make(&directory.path().join("Data.fs"), OBJECTS);
            let server = Server::start(kind, directory.path());
            let mut client = Client::connect(server.address);
            let oids = (0..OBJECTS).collect();
            let mut tid = Committer::new(&mut client, oids).commit();
            let begin = Instant::now();
            for number in 0..UNDOS {
                tid = undo(&mut client, u16::try_from(number).unwrap() + 2, tid);
            }
            row.add(kind, f64::from(UNDOS) / begin.elapsed().as_secs_f64());
            server.stop();
        }
    }
    vec![row]
}

/// Undoes a transaction; the one that does it.
fn undo(client: &mut Client, transaction: u16, tid: [u8; 8]) -> [u8; 8] {
    let id = commits::id(transaction);
    let mut out = Vec::new();
    commits::begin(&mut out, id);
    let mut arguments = Vec::new();
    client::bytes(&mut arguments, base64(tid).as_bytes());
    arguments.extend(id);
    arguments.push(0x86);
    client::tell(&mut out, "undoa", &arguments);
    commits::end(client, out, id)
}

/// By which the undo log names a transaction (FILESTORAGE section 8).
fn base64(tid: [u8; 8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let number = u128::from(u64::from_be_bytes(tid)) << 2;
    let digit = |place: u32| char::from(DIGITS[usize::try_from(number >> (6 * place) & 63).unwrap()]);
    (0..11).rev().map(digit).chain(['=']).collect()
}
