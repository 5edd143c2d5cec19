//! From the spawn to the first connection accepted, on a million objects; and what they take in memory.

use std::fs;
use std::path::Path;

use crate::client::Client;
use crate::data;
use crate::server::{Kind, Server};
use crate::table::{Row, Target};

const OBJECTS: u64 = 1_000_000;

pub fn measure(place: &Path, contenders: &[Kind], rounds: usize) -> Vec<Row> {
    let directory = place.join("start");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("Data.fs");
    data::make(&file, OBJECTS);
    let size = fs::metadata(&file).unwrap().len() as f64;
    let mut with = Row::new("start on 1,000,000 objects with the index, s", Target::AtMost(0.1));
    let mut without = Row::new("... without it, s", Target::None);
    let mut bandwidth = Row::new("... the same in MB of the data file per second", Target::None);
    let mut read = Row::new("reading the file and nothing else, MB per second", Target::None);
    let mut memory =
        Row::new("memory of its own then, MB", Target::AtMost(10.0 + 16.0 * OBJECTS as f64 / 1e6));
    for _ in 0..rounds {
        for kind in contenders {
            let _ = fs::remove_file(directory.join("Data.fs.index"));
            let server = Server::start(kind, &directory);
            without.add(kind, server.started.as_secs_f64());
            bandwidth.add(kind, size / 1e6 / server.started.as_secs_f64());
            server.stop();
            let server = Server::start(kind, &directory);
            with.add(kind, server.started.as_secs_f64());
            // It answers too.
            Client::connect(server.address);
            memory.add(kind, server.memory() / 1e6);
            server.stop();
        }
        let begin = std::time::Instant::now();
        assert!(fs::read(&file).unwrap().len() as f64 >= size);
        read.add(&Kind::Ours, size / 1e6 / begin.elapsed().as_secs_f64());
    }
    vec![with, without, bandwidth, read, memory]
}
