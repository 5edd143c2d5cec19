//! How long it takes to make an instance, beside zope.mkzeoinstance, copier and cookiecutter: `cargo bench --bench
//! instance`. docs/benchmarks.md says how to read it.
//!
//! All contenders are measured in turn, round by round; what is printed is the median from the spawn of the program to
//! its end. Each home is a new one.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a measurement that cannot go on says so by panicking

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../tests/peers/environment.rs"]
mod peers;

const ROUNDS: usize = 41;

/// How many instances the long run makes, and of how many at each end the time is compared.
const MANY: usize = 10_000;
const PART: usize = 1_000;

fn main() {
    let place = tempfile::Builder::new().prefix("zeo-bench-").tempdir().unwrap();
    let top = place.path();
    if std::env::args().any(|word| word == "--many") {
        return many(top);
    }
    let mut contenders = vec![
        Contender::new("/bin/true", |_| Command::new("/bin/true")),
        Contender::new("mkzeoinst", |home| {
            let mut command = ours();
            command.arg(home).arg("9999");
            command
        }),
    ];
    if let Some(python) = peers::python() {
        let script = python.with_file_name("mkzeoinstance");
        contenders.push(Contender::new("zope.mkzeoinstance", move |home| {
            let mut command = Command::new(&script);
            command.arg(home).arg("9999");
            command
        }));
    }
    contenders.extend(generators(top));
    let mut fsyncs = Vec::new();
    for round in 0..ROUNDS {
        for contender in &mut contenders {
            let home = top.join(format!("{round}-{}", contender.name.replace('/', "")));
            contender.times.push(run(&mut (contender.command)(&home)));
        }
        fsyncs.push(bare(&top.join(format!("{round}-bare"))));
    }
    report(&contenders, median(&fsyncs));
}

struct Contender {
    name: &'static str,
    command: Box<dyn Fn(&Path) -> Command>,
    times: Vec<Duration>,
}

impl Contender {
    fn new(name: &'static str, command: impl Fn(&Path) -> Command + 'static) -> Self {
        Self { name, command: Box::new(command), times: Vec::new() }
    }

    fn median(&self) -> Duration {
        median(&self.times)
    }
}

fn ours() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mkzeoinst"));
    command.args(["--server", "/bin/true"]);
    command
}

fn run(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begin = Instant::now();
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let time = begin.elapsed();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    time
}

/// What the disk takes for an instance: the directories and files, each brought to the disk with its directory's entry.
fn bare(home: &Path) -> Duration {
    let begin = Instant::now();
    for name in ["", "bin", "etc", "log", "var"] {
        fs::create_dir(home.join(name)).unwrap();
    }
    for (name, size) in [("etc/zeo.conf", 2800), ("etc/zeoctl.conf", 3000), ("bin/zeoctl", 1400)] {
        let path = home.join(name);
        let mut file = File::create_new(&path).unwrap();
        file.write_all(&vec![b'#'; size]).unwrap();
        file.sync_all().unwrap();
        sync(path.parent().unwrap());
    }
    sync(home.parent().unwrap());
    sync(home);
    begin.elapsed()
}

fn sync(directory: &Path) {
    File::open(directory).unwrap().sync_all().unwrap();
}

/// The two general generators, where they are on PATH, with a template that makes the same tree.
fn generators(top: &Path) -> Vec<Contender> {
    let mut found = Vec::new();
    let tree = |root: &Path, suffix: &str| {
        for name in ["bin", "etc", "log", "var"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl"] {
            fs::write(root.join(format!("{name}{suffix}")), "address {{ port }}\n".repeat(40)).unwrap();
        }
        fs::write(root.join("log/.keep"), "").unwrap();
        fs::write(root.join("var/.keep"), "").unwrap();
    };
    if on_path("copier") {
        let template = top.join("copier-template");
        tree(&template, ".jinja");
        fs::write(template.join("copier.yml"), "port: 9999\n").unwrap();
        found.push(Contender::new("copier", move |home| {
            let mut command = Command::new("copier");
            command.args(["copy", "--defaults", "--quiet"]).arg(&template).arg(home);
            command
        }));
    }
    if on_path("cookiecutter") {
        let template = top.join("cookiecutter-template");
        tree(&template.join("{{ cookiecutter.name }}"), "");
        let files = ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl"];
        for name in files {
            let text = "address {{ cookiecutter.port }}\n".repeat(40);
            fs::write(template.join("{{ cookiecutter.name }}").join(name), text).unwrap();
        }
        fs::write(template.join("cookiecutter.json"), r#"{"name": "home", "port": "9999"}"#).unwrap();
        found.push(Contender::new("cookiecutter", move |home| {
            let mut command = Command::new("cookiecutter");
            command.args(["--no-input", "--output-dir"]).arg(home).arg(&template);
            command
        }));
    }
    found
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if !found {
        println!("{name} is not on PATH: not measured (pip install {name})");
    }
    found
}

fn report(contenders: &[Contender], fsyncs: Duration) {
    let of = |name: &str| contenders.iter().find(|one| one.name == name).map(Contender::median);
    let own = of("mkzeoinst").unwrap();
    println!("\n| program | ms | times ours |\n|---|---:|---:|");
    for contender in contenders {
        let time = contender.median();
        println!("| {} | {:.2} | {:.1} |", contender.name, ms(time), time.as_secs_f64() / own.as_secs_f64());
    }
    println!("| the writes and fsyncs alone | {:.2} | |", ms(fsyncs));
    if let Some(peer) = of("zope.mkzeoinstance") {
        let times = peer.as_secs_f64() / own.as_secs_f64();
        println!("zope.mkzeoinstance takes at least 15 times as long, {times:.0}: {}", met(times >= 15.0));
    }
}

/// Instances one after the other: the last take as long as the first.
fn many(top: &Path) {
    let homes: Vec<PathBuf> = (0..MANY).map(|number| top.join(format!("homes/{number}"))).collect();
    let times: Vec<Duration> = homes.iter().map(|home| run(ours().arg(home).arg("9999"))).collect();
    let (first, last) = (median(&times[..PART]), median(&times[MANY - PART..]));
    let total: Duration = times.iter().sum();
    println!("{MANY} instances in {:.1} s", total.as_secs_f64());
    println!("median of the first {PART}: {:.2} ms, of the last: {:.2} ms", ms(first), ms(last));
}

fn met(yes: bool) -> &'static str {
    if yes { "yes" } else { "**no**" }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}
