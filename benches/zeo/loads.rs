//! Loads: how many for a second of the server's processor time when they come in a stream, and how long one takes alone.

use std::path::Path;
use std::time::Instant;

use zeo_server::storage::{Oid, Tid};

use crate::client::{self, Client};
use crate::data;
use crate::server::{Kind, Server};
use crate::table::{Row, Target};

const OBJECTS: u64 = 100_000;
/// Requests in one write: ZEO's clients prefetch so.
const WINDOW: u64 = 500;
const STREAM: u64 = 100_000;
const ALONE: usize = 10_000;

pub fn measure(place: &Path, contenders: &[Kind], rounds: usize) -> Vec<Row> {
    let directory = place.join("loads");
    std::fs::create_dir(&directory).unwrap();
    data::make(&directory.join("Data.fs"), OBJECTS);
    let mut per_second =
        Row::new("loads in a stream per processor second of the server", Target::TimesAtLeast(15.0));
    let mut rate = Row::new("... per second, one client", Target::None);
    let mut alone = Row::new("one load, there and back, µs", Target::None);
    for _ in 0..rounds {
        for kind in contenders {
            let server = Server::start(kind, &directory);
            let mut client = Client::connect(server.address);
            measure_one(kind, &server, &mut client, [&mut per_second, &mut rate, &mut alone]);
            server.stop();
        }
    }
    vec![per_second, rate, alone]
}

/// The same over TLS.
pub fn measure_encrypted(place: &Path, contenders: &[Kind], rounds: usize) -> Vec<Row> {
    let directory = place.join("encrypted");
    std::fs::create_dir(&directory).unwrap();
    data::make(&directory.join("Data.fs"), OBJECTS);
    let mut per_second =
        Row::new("loads in a stream over TLS per processor second of the server", Target::TimesAtLeast(10.0));
    let mut rate = Row::new("... per second, one client", Target::None);
    let mut alone = Row::new("one load over TLS, there and back, µs", Target::None);
    for _ in 0..rounds {
        for kind in contenders {
            let server = Server::start_encrypted(kind, &directory);
            let mut client = Client::connect_encrypted(server.address, &directory);
            measure_one(kind, &server, &mut client, [&mut per_second, &mut rate, &mut alone]);
            server.stop();
        }
    }
    vec![per_second, rate, alone]
}

fn measure_one(kind: &Kind, server: &Server, client: &mut Client, [per_second, rate, alone]: [&mut Row; 3]) {
    stream(client, STREAM / 10);
    let (begin, used) = (Instant::now(), server.processor_time());
    stream(client, STREAM);
    let used = server.processor_time().saturating_sub(used);
    rate.add(kind, STREAM as f64 / begin.elapsed().as_secs_f64());
    per_second.add(kind, STREAM as f64 / used.as_secs_f64());
    alone.add(kind, one_by_one(client));
}

fn stream(client: &mut Client, count: u64) {
    let mut oids = (0..count).map(|number| Oid(number * 7919 % OBJECTS));
    for _ in 0..count / WINDOW {
        let mut requests = Vec::new();
        oids.by_ref()
            .take(usize::try_from(WINDOW).unwrap())
            .for_each(|oid| client::load(&mut requests, oid, Tid::MAX));
        client.send(&requests);
        for _ in 0..WINDOW {
            assert!(client.reply().len() > data::RECORD);
        }
    }
}

/// The median in microseconds.
fn one_by_one(client: &mut Client) -> f64 {
    let mut times = Vec::with_capacity(ALONE);
    for number in 0..ALONE as u64 {
        let mut request = Vec::new();
        client::load(&mut request, Oid(number * 7919 % OBJECTS), Tid::MAX);
        let begin = Instant::now();
        client.send(&request);
        assert!(client.reply().len() > data::RECORD);
        times.push(begin.elapsed());
    }
    times.sort();
    times[ALONE / 2].as_secs_f64() * 1e6
}
