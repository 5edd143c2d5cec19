//! Measures the storage in a file against ZODB's, in one run on the same file: `docs/benchmarks.md` says how to run it and
//! how to read it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)] // a benchmark that cannot go on stops

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::storage::{Completion, Meta, Oid, Operation, Storage, Tid, Vote, Wait};

const OBJECTS: u64 = 1_000_000;
/// A record of a Plone site has about this size in the mean.
const RECORD: usize = 300;
const LOADS: u64 = 1_000_000;
const COMMIT_TIME: Duration = Duration::from_secs(3);

/// The same with ZODB: prints `NAME VALUE` for each figure.
const PYTHON: &str = r"
import os, random, sys, threading, time
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.utils import maxtid, p64
path, objects, record, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
def opened():
    begin = time.perf_counter()
    storage = FileStorage(path)
    print('open', time.perf_counter() - begin) if os.path.exists(path + '.had') else print('scan', time.perf_counter() - begin)
    return storage
os.unlink(path + '.index')
opened().close()
open(path + '.had', 'w').close()
storage = opened()
oids = [p64(random.randrange(objects)) for _ in range(100000)]
begin = time.perf_counter()
for oid in oids:
    storage.loadBefore(oid, maxtid)
print('load', (time.perf_counter() - begin) / len(oids))
serials, data = {}, b'x' * record
end, count = time.perf_counter() + seconds, 0
begin = time.perf_counter()
while time.perf_counter() < end:
    oid = p64(count % 100)
    meta = TransactionMetaData()
    storage.tpc_begin(meta)
    storage.store(oid, serials.get(oid) or storage.getTid(oid), data, '', meta)
    storage.tpc_vote(meta)
    serials[oid] = storage.tpc_finish(meta)
    count += 1
print('commit', (time.perf_counter() - begin) / count)
storage.close()
os.unlink(path + '.had')
";

fn open(path: &Path) -> (Arc<FileStorage>, Duration) {
    let begin = Instant::now();
    let storage = FileStorage::open(path, &Options::default(), Arc::new(EventLog::disabled())).unwrap();
    (Arc::new(storage), begin.elapsed())
}

fn store(oid: u64, serial: Tid) -> Operation {
    let data = (0..RECORD).map(|n| (n as u64 * (oid + 1) % 251) as u8).collect();
    Operation::Store { oid: Oid(oid), serial: Some(serial), data }
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

/// A file of many objects.
fn fill(path: &Path) {
    let (storage, _) = open(path);
    for start in (0..OBJECTS).step_by(10_000) {
        commit(&storage, (start..start + 10_000).map(|oid| store(oid, Tid::ZERO)).collect());
    }
    storage.close().unwrap();
}

/// Seconds of processor time that this process has had.
fn processor() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Seconds for one load, by so many threads together, and of processor time for it.
fn loads(storage: &Arc<FileStorage>, threads: u64) -> (f64, f64) {
    let (begin, used) = (Instant::now(), processor());
    let work = |thread: u64| {
        let storage = storage.clone();
        move || {
            let (mut data, mut oid) = (Vec::new(), thread);
            for _ in 0..LOADS / threads {
                data.clear();
                oid = (oid.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
                    >> 1;
                storage.load_before(Oid(oid % OBJECTS), Tid::MAX, Wait::Allowed, &mut data).unwrap().unwrap();
            }
        }
    };
    let running: Vec<_> = (0..threads).map(|number| thread::spawn(work(number))).collect();
    for thread in running {
        thread.join().unwrap();
    }
    (begin.elapsed().as_secs_f64() / LOADS as f64, (processor() - used) / LOADS as f64)
}

/// Seconds for one commit, by so many clients together.
fn commits(storage: &Arc<FileStorage>, clients: u64) -> f64 {
    let count = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let work = |client: u64| {
        let (storage, count) = (storage.clone(), count.clone());
        move || {
            let oid = OBJECTS / 2 + client;
            let mut serial = storage.current_tid(Oid(oid)).unwrap();
            while begin.elapsed() < COMMIT_TIME {
                serial = commit(&storage, vec![store(oid, serial)]);
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let running: Vec<_> = (0..clients).map(|number| thread::spawn(work(number))).collect();
    for thread in running {
        thread.join().unwrap();
    }
    begin.elapsed().as_secs_f64() / count.load(Ordering::Relaxed) as f64
}

/// What the disk itself needs for a small write that is made durable.
fn fsync(directory: &Path) -> f64 {
    use std::io::Write as _;
    let mut file = fs::File::create(directory.join("fsync")).unwrap();
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < COMMIT_TIME {
        file.write_all(&[7; RECORD + 100]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    begin.elapsed().as_secs_f64() / f64::from(count)
}

fn python() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers-venv/bin/python");
    env::var_os("PEERS_PYTHON").map(PathBuf::from).or(Some(made)).filter(|python| python.exists())
}

/// The figures of ZODB on the same file.
fn theirs(path: &Path) -> HashMap<String, f64> {
    let Some(python) = python() else {
        println!("no Python with ZODB: run cargo test first, or set PEERS_PYTHON");
        return HashMap::new();
    };
    let numbers = [OBJECTS.to_string(), RECORD.to_string(), COMMIT_TIME.as_secs_f64().to_string()];
    let output = Command::new(python).args(["-c", PYTHON]).arg(path).args(numbers).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

fn main() {
    let base = env::var_os("BENCH_DIRECTORY").map_or_else(env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(base).unwrap();
    let path = directory.path().join("Data.fs");
    fill(&path);
    let theirs = theirs(&path);
    let row = |what: &str, ours: f64, name: &str| {
        let theirs = theirs.get(name);
        let others = theirs.map_or("-".to_owned(), |seconds| format!("{:.2}", seconds * 1e6));
        let ratio = theirs.map_or("-".to_owned(), |seconds| format!("{:.1}", seconds / ours));
        println!("{what:<40} {:>12.2} {others:>12} {ratio:>7}", ours * 1e6);
    };
    println!("{:<40} {:>12} {:>12} {:>7}", "microseconds", "ours", "ZODB", "ratio");
    let (storage, opened) = open(&path);
    row("start, 1,000,000 objects, with index", opened.as_secs_f64(), "open");
    drop(storage);
    fs::remove_file(path.with_extension("fs.index")).unwrap();
    let (storage, scanned) = open(&path);
    row("start, 1,000,000 objects, without index", scanned.as_secs_f64(), "scan");
    let (one, used) = loads(&storage, 1);
    row("load, one thread", one, "load");
    row("load, one thread, processor time", used, "load");
    row("load, two threads", loads(&storage, 2).0, "load");
    row("fsync of the disk", fsync(directory.path()), "-");
    row("commit, one client", commits(&storage, 1), "commit");
    row("commit, eight clients", commits(&storage, 8), "commit");
    let size = fs::metadata(&path).unwrap().len() as f64 / 1e6;
    println!("file: {size:.0} MB");
}
