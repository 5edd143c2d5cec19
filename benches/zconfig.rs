//! How long it takes to read a configuration of 10,000 lines, beside the real ZConfig: `cargo bench --bench zconfig`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a measurement that cannot go on says so by panicking

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use zeo_server::config::schema;
use zeo_server::zconfig::{Environment, Limits, load};

#[path = "../tests/peers/environment.rs"]
mod peers;

/// Each side reads the file so often; the median counts.
const ROUNDS: usize = 15;

/// ZConfig's median time in seconds, in one warm process.
const PEER: &str = "
import os, statistics, sys, time
import ZConfig, zdaemon
schema = ZConfig.loadSchema(os.path.join(os.path.dirname(zdaemon.__file__), 'schema.xml'))
times = []
for _ in range(int(sys.argv[2])):
    begin = time.perf_counter()
    ZConfig.loadConfig(schema, sys.argv[1])
    times.append(time.perf_counter() - begin)
print(statistics.median(times))
";

/// 10,000 lines: definitions, keys with references, comments, and 500 handlers.
fn text() -> String {
    let mut text =
        String::from("%define HOME /srv/zeo\n<runner>\n  program runzeo -C $HOME/etc/zeo.conf\n</runner>\n");
    text.push_str("<environment>\n");
    for number in 0..5_992 {
        writeln!(text, "  KEY_{number} a value with $HOME in it").unwrap();
    }
    text.push_str("</environment>\n<eventlog>\n");
    for number in 0..500 {
        writeln!(text, "  <logfile>\n    # number {number}\n    path $HOME/log/{number}.log").unwrap();
        text.push_str("    level WARN\n    max-size 10MB\n    old-files 5\n\n  </logfile>\n");
    }
    text.push_str("</eventlog>\n");
    assert_eq!(text.lines().count(), 10_000);
    text
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a.conf");
    fs::write(&file, text()).unwrap();
    let environment = Environment::fixed(place.path().to_owned(), HashMap::new());
    let round = || {
        let begin = Instant::now();
        load(&schema::DAEMON, Path::new("a.conf"), &[], &[], &environment, Limits::default())
            .expect("the file is good");
        begin.elapsed()
    };
    let ours = median((0..ROUNDS).map(|_| round()).collect());
    println!("ours     {:9.2} ms", ours.as_secs_f64() * 1e3);
    let Some(python) = peers::python() else { return };
    let output =
        Command::new(python).arg("-c").arg(PEER).arg(&file).arg(ROUNDS.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: f64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    println!("ZConfig  {:9.2} ms, {:.0} times as long", theirs * 1e3, theirs / ours.as_secs_f64());
}
