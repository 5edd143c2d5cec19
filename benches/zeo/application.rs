//! What an application sees: ZODB's own client, in Python, with one process and with four.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::server::{Kind, Server};
use crate::table::{Row, Target};

/// The figures of the script, in words, and what they are held against.
const FIGURES: &[(&str, &str, f64)] = &[
    ("load", "cold loads per second", 2.0),
    ("activated", "objects activated per second", 1.7),
    ("small", "commits of one object per second", 1.7),
    ("large", "commits of 1,000 objects per second", 1.43),
];

fn script(python: &Path, server: &Server, arguments: &[&str]) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/zeo/clients.py");
    let port = server.address.port().to_string();
    let mut command = Command::new(python);
    command.arg(script).arg(arguments[0]).arg(port).args(&arguments[1..]);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// The rates of all processes together, and the mean of their own shares of the time.
fn run(python: &Path, server: &Server, processes: usize) -> BTreeMap<String, (f64, f64)> {
    let numbers: Vec<String> = (0..processes).map(|number| number.to_string()).collect();
    let running: Vec<_> = numbers.iter().map(|number| script(python, server, &["run", number])).collect();
    let mut found: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for process in running {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let words: Vec<_> = line.split(' ').collect();
            let (rate, share) = found.entry(words[0].to_owned()).or_default();
            *rate += words[1].parse::<f64>().unwrap();
            *share += words[2].parse::<f64>().unwrap() / processes as f64;
        }
    }
    found
}

pub fn measure(place: &Path, contenders: &[Kind], rounds: usize) -> Vec<Row> {
    let python = contenders.iter().find_map(|kind| match kind {
        Kind::Python(python) => Some(python.clone()),
        Kind::Ours => None,
    });
    let Some(python): Option<PathBuf> = python else {
        eprintln!("no Python with ZEO: applications are not measured");
        return Vec::new();
    };
    let mut rows = Vec::new();
    for processes in [1, 4] {
        let mut rates: Vec<_> = FIGURES
            .iter()
            .map(|(_, figure, target)| {
                let target = if processes == 1 { Target::TimesAtLeast(*target) } else { Target::None };
                let of = if processes == 1 { "one process" } else { "four processes" };
                (
                    Row::new(format!("{figure}, {of}"), target),
                    Row::new("... share of the client's own processor, %", Target::None),
                )
            })
            .collect();
        for _ in 0..rounds {
            for kind in contenders {
                let directory = tempfile::tempdir_in(place).unwrap();
                let server = Server::start(kind, directory.path());
                assert!(script(&python, &server, &["make"]).wait().unwrap().success());
                let found = run(&python, &server, processes);
                server.stop();
                for ((name, ..), (rate, share)) in FIGURES.iter().zip(&mut rates) {
                    rate.add(kind, found[*name].0);
                    share.add(kind, found[*name].1 * 100.0);
                }
            }
        }
        rows.extend(rates.into_iter().flat_map(|(rate, share)| [rate, share]));
    }
    rows
}
