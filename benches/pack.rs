//! Measures a pack against ZODB's, in one run on copies of one file: `docs/benchmarks.md` says how to run it and how to read it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)] // a measurement that cannot go on stops
#![allow(clippy::disallowed_methods)] // sleeping is part of the load

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::record::ReferenceReader;
use zeo_server::storage::{
    Completion, Meta, Oid, Operation, PackOutcome, PackProgress, Storage, Tid, Vote, Wait,
};

#[path = "../tests/peers/environment.rs"]
mod peers;

const OBJECTS: u64 = 1_000_000;
/// Of a hundred objects so many are garbage.
const GARBAGE: u64 = 30;
/// Text in a record, beside its references.
const TEXT: u32 = 150;
/// Objects that each object refers to.
const CHILDREN: u64 = 10;
const ROUNDS: usize = 5;
const IDLE: Duration = Duration::from_secs(5);

/// The same with ZODB: prints seconds, KiB of memory before and after, and the size of the file.
const PYTHON: &str = r"
import os, resource, sys, time
from ZODB.FileStorage import FileStorage
from ZODB.serialize import referencesf
storage = FileStorage(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = time.perf_counter()
storage.pack(time.time() + 1, referencesf)
took = time.perf_counter() - begin
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, os.path.getsize(sys.argv[1]))
storage.close()
";

/// A record as ZODB writes it: a class, and a state that refers to other objects.
fn record(oid: u64, objects: &[u64]) -> Vec<u8> {
    let mut record = b"\x80\x03cmodule\nClass\nq\x01.\x80\x03}q\x02(X\x05\0\0\0childq\x03(".to_vec();
    for (number, oid) in objects.iter().enumerate() {
        record.extend_from_slice(b"C\x08");
        record.extend_from_slice(&oid.to_be_bytes());
        // The class once, then by its memo.
        record.extend_from_slice(if number == 0 { b"cmodule\nClass\nq\x04\x86Q" } else { b"h\x04\x86Q" });
    }
    record.extend_from_slice(b"tX\x04\0\0\0textB");
    record.extend_from_slice(&TEXT.to_le_bytes());
    record.extend((0..TEXT).map(|n| b'a' + u8::try_from(u64::from(n) * (oid + 1) % 26).unwrap_or(0)));
    record.extend_from_slice(b"u.");
    record
}

/// The objects that are reached are the first ones, each the parent of ten later ones; garbage refers to garbage.
fn links(oid: u64) -> Vec<u64> {
    let reached = OBJECTS * (100 - GARBAGE) / 100;
    let (first, end, own) = if oid < reached { (0, reached, oid) } else { (reached, OBJECTS, oid - reached) };
    (1..=CHILDREN).map(|n| first + own * CHILDREN + n).take_while(|oid| *oid < end).collect()
}

fn open(path: &Path) -> FileStorage {
    FileStorage::open(path, &Options::default(), Arc::new(EventLog::disabled())).unwrap()
}

/// Commits, and waits for the end.
fn commit(storage: &FileStorage, steps: Vec<Operation>) -> Tid {
    let mut transaction = storage.begin(Meta::default()).unwrap();
    for step in steps {
        transaction.push(step).unwrap();
    }
    let Vote::Accepted { .. } = transaction.vote(Wait::Allowed).unwrap() else { panic!() };
    let (sender, receiver) = mpsc::channel();
    transaction.finish(Completion::new(0, move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap().unwrap()
}

fn fill(path: &Path) {
    let storage = open(path);
    for start in (0..OBJECTS).step_by(1000) {
        let store =
            |oid| Operation::Store { oid: Oid(oid), serial: Some(Tid::ZERO), data: record(oid, &links(oid)) };
        commit(&storage, (start..start + 1000).map(store).collect());
    }
    storage.close().unwrap();
}

fn pack(storage: &FileStorage) -> (f64, u64) {
    let (mut reader, mut ids) = (ReferenceReader::default(), Vec::new());
    let mut read = |record: &[u8], found: &mut Vec<Oid>| {
        ids.clear();
        reader.read(record, &mut ids).map_err(|error| error.to_string())?;
        found.extend(ids.iter().map(|id| Oid::from_bytes(*id)));
        Ok(())
    };
    let until = storage.stats().last_tid;
    let begin = Instant::now();
    let outcome = storage.pack().unwrap().pack(until, &mut read, &Arc::new(PackProgress::default())).unwrap();
    let PackOutcome::Packed { after, .. } = outcome else { panic!("nothing was removed") };
    (begin.elapsed().as_secs_f64(), after)
}

/// The most memory that this process has had, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn copy(from: &Path, to: &Path) {
    for suffix in ["", ".index"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        fs::copy(name(from), name(to)).unwrap();
    }
    // What is still to be written of the copy would be in the way of the measurement.
    fs::File::open(to).unwrap().sync_all().unwrap();
}

/// Packs a copy in a process of its own: seconds, KiB, bytes.
fn alone(mut command: Command, from: &Path, copied: &Path) -> (f64, f64, f64) {
    copy(from, copied);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1], numbers[2])
}

/// Commits and loads until told to stop: how many commits, the longest one, the longest load.
fn load_it(storage: &FileStorage, stop: &AtomicBool, started: &AtomicBool) -> (u64, f64, f64) {
    thread::scope(|scope| {
        let loads = scope.spawn(|| {
            let (mut worst, mut data, mut oid) = (0_f64, Vec::new(), 1_u64);
            while !stop.load(Ordering::Relaxed) {
                oid = oid.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                data.clear();
                let begin = Instant::now();
                let oid = Oid((oid >> 1) % (OBJECTS / 2));
                storage.load_before(oid, Tid::MAX, Wait::Allowed, &mut data).unwrap().unwrap();
                worst = worst.max(begin.elapsed().as_secs_f64());
                // One client's, not all that the machine can.
                thread::sleep(Duration::from_micros(200));
            }
            worst
        });
        let (mut count, mut worst, mut oid) = (0, 0_f64, 0);
        while !stop.load(Ordering::Relaxed) {
            oid = (oid + 1) % 1000;
            let begin = Instant::now();
            let serial = storage.current_tid(Oid(oid)).unwrap();
            let data = record(oid, &links(oid));
            commit(storage, vec![Operation::Store { oid: Oid(oid), serial: Some(serial), data }]);
            worst = worst.max(begin.elapsed().as_secs_f64());
            count += 1;
            started.store(true, Ordering::Relaxed);
        }
        (count, worst, loads.join().unwrap())
    })
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Commits per second without a pack and during one, the longest commit and the longest load during it.
fn under_load(from: &Path, copied: &Path) -> [f64; 4] {
    copy(from, copied);
    let storage = open(copied);
    let run = |work: &dyn Fn() -> f64| {
        let (stop, started) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            let running = scope.spawn(|| load_it(&storage, &stop, &started));
            while !started.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            let seconds = work();
            stop.store(true, Ordering::Relaxed);
            let (count, commit, load) = running.join().unwrap();
            (count as f64 / seconds, commit, load)
        })
    };
    let (idle, ..) = run(&|| {
        thread::sleep(IDLE);
        IDLE.as_secs_f64()
    });
    let (packing, commit, load) = run(&|| pack(&storage).0);
    [idle, packing, commit, load]
}

fn main() {
    let arguments: Vec<_> = env::args().collect();
    if let [_, word, path] = &arguments[..]
        && word == "pack"
    {
        let storage = open(Path::new(path));
        let before = memory();
        let (seconds, bytes) = pack(&storage);
        println!("{seconds} {} {bytes}", memory() - before);
        return;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing measured: run cargo bench --bench pack");
        return;
    }
    let base = env::var_os("BENCH_DIRECTORY").map_or_else(env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(base).unwrap();
    let (path, copied) = (directory.path().join("Data.fs"), directory.path().join("Copy.fs"));
    fill(&path);
    let size = fs::metadata(&path).unwrap().len() as f64;
    let (mut ours, mut theirs, mut loaded) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg("pack").arg(&copied);
        ours.push(alone(command, &path, &copied));
        if let Some(python) = peers::python() {
            let mut command = Command::new(python);
            command.args(["-c", PYTHON]).arg(&copied);
            theirs.push(alone(command, &path, &copied));
        }
        loaded.push(under_load(&path, &copied));
    }
    println!("{OBJECTS} objects, {GARBAGE} % garbage, {:.0} MB; medians of {ROUNDS} rounds", size / 1e6);
    println!("{:<36} {:>10} {:>10} {:>8}", "", "ours", "ZODB", "ratio");
    let of = |rows: &[(f64, f64, f64)], part: fn(&(f64, f64, f64)) -> f64| {
        (!rows.is_empty()).then(|| median(rows.iter().map(part).collect()))
    };
    let row = |what: &str, part: fn(&(f64, f64, f64)) -> f64| {
        let ours = of(&ours, part).unwrap();
        let (others, ratio) = of(&theirs, part).map_or(("-".to_owned(), "-".to_owned()), |theirs| {
            (format!("{theirs:.2}"), format!("{:.1}", theirs / ours))
        });
        println!("{what:<36} {ours:>10.2} {others:>10} {ratio:>8}");
    };
    row("pack, s", |row| row.0);
    row("memory beside the index, MiB", |row| row.1 / 1024.0);
    row("bytes afterwards, MB", |row| row.2 / 1e6);
    for (what, at, unit) in [
        ("commits per second without a pack", 0, 1.0),
        ("commits per second during a pack", 1, 1.0),
        ("longest commit during a pack, ms", 2, 1000.0),
        ("longest load during a pack, ms", 3, 1000.0),
    ] {
        println!("{what:<36} {:>10.2}", median(loaded.iter().map(|row| row[at]).collect()) * unit);
    }
}
