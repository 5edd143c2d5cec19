//! Several threads at once: readers beside commits, commits beside each other, what the listener hears.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use zeo_server::filestorage::FileStorage;
use zeo_server::storage::{
    CommitListener, Error, Oid, Operation, Published, Stats, Storage, Tid, Vote, Wait,
};

use super::simulated::{Call, Simulated};
use super::{begin, begin_commit, commit, finish, load, open, store};
use crate::sandbox::{SOON, eventually};

/// A storage with one object, and a commit of another revision that waits for its fsync while the gate is held.
struct Held {
    files: Simulated,
    storage: Arc<FileStorage>,
    first: Tid,
}

impl Held {
    fn new() -> Self {
        let files = Simulated::default();
        let storage = Arc::new(open(&files).unwrap());
        let first = commit(&storage, vec![store(1, Tid::ZERO, b"one".to_vec())]).unwrap();
        Self { files, storage, first }
    }

    /// Begins it, and returns when the fsync has begun.
    fn begin(&self) -> (Tid, Receiver<Result<Tid, Error>>) {
        self.files.fail_after(Call::Sync, 1);
        let begun = begin_commit(&self.storage, vec![store(1, self.first, b"two".to_vec())]).unwrap();
        eventually(SOON, || self.files.calls_left(Call::Sync) == Some(0));
        begun
    }
}

#[test]
fn readers_do_not_wait_for_an_fsync_and_do_not_see_what_waits_for_it() {
    let held = Held::new();
    let gate = held.files.gate.lock().unwrap();
    let (second, finished) = held.begin();
    let Held { storage, first, .. } = &held;
    assert_eq!(load(storage, 1).unwrap(), Some((b"one".to_vec(), *first)));
    assert_eq!((storage.stats().last_tid, storage.current_tid(Oid(1)).unwrap()), (*first, *first));
    assert_eq!(storage.last_transactions(9).unwrap(), [(*first, vec![Oid(1)])]);
    assert!(finished.try_recv().is_err(), "answered before it was durable");
    drop(gate);
    finished.recv().unwrap().unwrap();
    assert_eq!(load(storage, 1).unwrap(), Some((b"two".to_vec(), second)));
}

/// What a vote that cannot succeed says, on a thread of its own.
fn refused(held: &Held, step: Operation) -> (Receiver<()>, thread::JoinHandle<Result<Vote, Error>>) {
    let mut transaction = begin(&held.storage, vec![step]);
    let at_once = transaction.vote(Wait::Refused);
    assert!(matches!(at_once, Err(Error::WouldWait)), "{at_once:?}");
    let (sender, receiver) = mpsc::channel();
    let vote = thread::spawn(move || {
        let outcome = transaction.vote(Wait::Allowed);
        sender.send(()).unwrap();
        outcome
    });
    (receiver, vote)
}

#[test]
fn conflict_is_answered_when_the_revision_that_won_can_be_loaded() {
    let steps: [fn(Tid) -> Operation; 3] = [
        |serial| store(1, serial, b"late".to_vec()),
        |serial| Operation::CheckCurrent { oid: Oid(1), serial: Some(serial) },
        |serial| Operation::Delete { oid: Oid(1), serial: Some(serial) },
    ];
    for step in steps {
        let held = Held::new();
        let gate = held.files.gate.lock().unwrap();
        let (second, _finished) = held.begin();
        let (done, vote) = refused(&held, step(held.first));
        // The lock is free meanwhile.
        let (other, _) = super::vote(&held.storage, vec![store(2, Tid::ZERO, b"other".to_vec())]).unwrap();
        assert!(done.try_recv().is_err(), "answered before the winner is published");
        drop(other);
        drop(gate);
        let committed = match vote.join().unwrap() {
            Ok(Vote::Conflicts(conflicts)) => conflicts[0].committed,
            Err(Error::Conflict { committed, .. } | Error::ReadConflict { committed, .. }) => committed,
            other => panic!("{other:?}"),
        };
        assert_eq!(committed, second);
        assert_eq!(held.storage.load_serial(Oid(1), second, Wait::Allowed).unwrap(), b"two");
    }
}

#[test]
fn conflict_with_a_lost_transaction_is_judged_anew() {
    let held = Held::new();
    let gate = held.files.gate.lock().unwrap();
    let (second, finished) = held.begin();
    // In the next group, which cannot be written.
    held.files.fail_after(Call::Write, 0);
    let (_, lost) = begin_commit(&held.storage, vec![store(1, second, b"lost".to_vec())]).unwrap();
    let (done, vote) = refused(&held, store(1, second, b"late".to_vec()));
    assert!(done.try_recv().is_err());
    drop(gate);
    finished.recv().unwrap().unwrap();
    lost.recv().unwrap().unwrap_err();
    let outcome = vote.join().unwrap();
    assert!(matches!(outcome, Ok(Vote::Accepted { .. })), "{outcome:?}");
}

#[test]
fn load_that_may_not_wait_says_so_when_the_disk_has_to_be_read() {
    let held = Held::new();
    held.files.cold.store(true, Ordering::SeqCst);
    let mut data = b"kept".to_vec();
    let load = |wait, data: &mut Vec<u8>| held.storage.load_before(Oid(1), Tid::MAX, wait, data);
    assert!(matches!(load(Wait::Refused, &mut data), Err(Error::WouldWait)));
    assert_eq!(data, b"kept");
    load(Wait::Allowed, &mut data).unwrap();
    assert_eq!(data, b"keptone");
    // Nor does a vote.
    let mut transaction = begin(&held.storage, vec![store(1, held.first, b"two".to_vec())]);
    assert!(matches!(transaction.vote(Wait::Refused), Err(Error::WouldWait)));
    assert!(matches!(transaction.vote(Wait::Allowed), Ok(Vote::Accepted { .. })));
}

#[test]
fn long_chain_of_revisions_is_not_walked_by_a_load_that_may_not_wait() {
    let held = Held::new();
    let (storage, mut last) = (&held.storage, held.first);
    for _ in 0..200 {
        last = commit(storage, vec![store(1, last, b"more".to_vec())]).unwrap();
    }
    let load = |wait| storage.load_before(Oid(1), Tid(held.first.0 + 1), wait, &mut Vec::new());
    assert!(matches!(load(Wait::Refused), Err(Error::WouldWait)));
    assert_eq!(load(Wait::Allowed).unwrap().map(|found| found.start), Some(held.first));
}

/// Transaction, objects, length, size.
type Heard = (Tid, Vec<Oid>, u64, u64);

/// Looks at the storage at each publication.
struct Witness {
    seen: Mutex<Vec<Heard>>,
    wrong: AtomicUsize,
    storage: Mutex<Option<Arc<FileStorage>>>,
}

impl CommitListener for Witness {
    fn committed(&self, group: &mut [Published], make_visible: &mut dyn FnMut()) {
        let storage = self.storage.lock().unwrap().clone().unwrap();
        let before = storage.stats().last_tid >= group[0].tid;
        make_visible();
        let last = &group[group.len() - 1];
        let announced = Stats { last_tid: last.tid, objects: last.objects, bytes: last.bytes };
        let wrong = before || storage.stats() != announced;
        self.wrong.fetch_add(usize::from(wrong), Ordering::Relaxed);
        for transaction in group {
            let Published { tid, oids, objects, bytes, .. } = transaction;
            self.seen.lock().unwrap().push((*tid, oids.clone(), *objects, *bytes));
        }
    }
}

#[test]
fn many_committers_and_readers_agree_and_the_listener_hears_all_in_order() {
    const CLIENTS: usize = 8;
    const EACH: usize = 150;
    let files = Simulated::default();
    let storage = Arc::new(open(&files).unwrap());
    let witness = Arc::new(Witness {
        seen: Mutex::default(),
        wrong: AtomicUsize::new(0),
        storage: Mutex::new(Some(storage.clone())),
    });
    storage.subscribe(witness.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let committer = |client: u64| {
        let storage = storage.clone();
        move || {
            let mut serial = Tid::ZERO;
            for round in 0..EACH {
                let data = format!("{client} {round}").into_bytes();
                // Two records of one object: the last one counts.
                let steps =
                    vec![store(client, serial, b"not this".to_vec()), store(client, serial, data.clone())];
                let (transaction, tid) = super::vote(&storage, steps).unwrap();
                if round % 7 == 3 {
                    continue;
                }
                serial = tid;
                finish(transaction).recv().unwrap().unwrap();
                assert_eq!(
                    load(&storage, client).unwrap(),
                    Some((data, serial)),
                    "an answered commit is seen"
                );
            }
        }
    };
    let reader = || {
        let (storage, stop) = (storage.clone(), stop.clone());
        move || {
            let mut last = [Tid::ZERO; CLIENTS];
            while !stop.load(Ordering::Relaxed) {
                for (client, last) in last.iter_mut().enumerate() {
                    let Ok(Some((data, tid))) = load(&storage, client as u64) else { continue };
                    assert!(tid >= *last, "a revision went back");
                    assert!(data.starts_with(client.to_string().as_bytes()), "{data:?}");
                    *last = tid;
                }
            }
        }
    };
    let readers: Vec<_> = (0..2).map(|_| thread::spawn(reader())).collect();
    let committers: Vec<_> = (0..CLIENTS).map(|client| thread::spawn(committer(client as u64))).collect();
    for thread in committers {
        thread.join().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for thread in readers {
        thread.join().unwrap();
    }
    let seen = witness.seen.lock().unwrap();
    assert_eq!(witness.wrong.load(Ordering::Relaxed), 0);
    assert!(seen.is_sorted_by(|one, next| one.0 < next.0 && one.3 < next.3), "out of order");
    let told: Vec<_> = seen.iter().map(|(tid, oids, ..)| (*tid, [oids[0], oids[0]].to_vec())).collect();
    assert_eq!(storage.last_transactions(usize::MAX).unwrap(), told);
    assert!(seen.iter().all(|(_, oids, ..)| oids.len() == 1), "each object once");
    *witness.storage.lock().unwrap() = None;
}
