//! Measures `runzeo` against ZEO's own server, in one run: `docs/benchmarks.md` says how to run it and how to read it.
//!
//! Both serve copies of one data file to the same clients, which speak the protocol themselves ([`client`]) and cost
//! little. They are measured in turn, round by round; what is printed is the median.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)] // a measurement that cannot go on stops

mod application;
mod client;
mod commits;
mod data;
mod loads;
mod server;
mod start;
mod table;
mod tls;
mod undo;

#[path = "../table/number.rs"]
mod number;
#[path = "../../tests/peers/environment.rs"]
mod peers;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use server::Kind;
use table::Row;

/// Measure runzeo against the Python server
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench zeo --", version)]
struct Options {
    /// Only this figure; may be repeated
    #[arg(long, value_name = "FIGURE")]
    only: Vec<Figure>,
    /// Rounds of each figure
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the data files are made [default: the directory for temporary files]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Given by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// Loads, many at once and one by one
    Loads,
    /// Commits of one and of eight clients
    Commits,
    /// Loads and commits over TLS
    Encrypted,
    /// Undo of a transaction of 1,000 objects
    Undo,
    /// What ZODB's own client gets, in one process and in four
    Applications,
    /// From the spawn to the first answer, on a million objects; memory
    Start,
}

fn main() {
    let options = Options::parse();
    if !options.bench {
        // All targets are being tested, or so: this is no test.
        println!("nothing measured: run cargo bench --bench zeo");
        return;
    }
    let place = match &options.directory {
        Some(directory) => tempfile::Builder::new().prefix("zeo-bench-").tempdir_in(directory),
        None => tempfile::Builder::new().prefix("zeo-bench-").tempdir(),
    };
    let place = place.unwrap();
    let contenders: Vec<Kind> =
        [Some(Kind::Ours), peers::python().map(Kind::Python)].into_iter().flatten().collect();
    let mut rows: Vec<Row> = Vec::new();
    for figure in Figure::value_variants() {
        if options.only.is_empty() || options.only.contains(figure) {
            eprintln!("measuring: {figure:?}");
            rows.extend(match figure {
                Figure::Loads => loads::measure(place.path(), &contenders, options.rounds),
                Figure::Commits => commits::measure(place.path(), &contenders, options.rounds),
                Figure::Encrypted => [loads::measure_encrypted, commits::measure_encrypted]
                    .into_iter()
                    .flat_map(|measure| measure(place.path(), &contenders, options.rounds))
                    .collect(),
                Figure::Undo => undo::measure(place.path(), &contenders, options.rounds),
                Figure::Applications => application::measure(place.path(), &contenders, options.rounds),
                Figure::Start => start::measure(place.path(), &contenders, options.rounds),
            });
        }
    }
    print!("{}", table::render(&rows));
}
