//! Several threads at once: readers beside commits, commits beside each other, what the audience is told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use zeo_server::storage::{Audience, Errand, Oid, Published, Storage, Tid, Vote};

use super::simulated::{Call, Simulated};
use super::{begin_commit, commit, load, open, store, vote};
use crate::sandbox::{SOON, eventually};

#[test]
fn readers_do_not_wait_for_an_fsync_and_do_not_see_what_waits_for_it() {
    let files = Simulated::default();
    let storage = open(&files).unwrap();
    let first = commit(&storage, vec![store(1, Tid::ZERO, b"one".to_vec())]).unwrap();
    let gate = files.gate.lock().unwrap();
    files.fail_after(Call::Sync, 1);
    let (second, finished) = begin_commit(&storage, vec![store(1, first, b"two".to_vec())]).unwrap();
    eventually(SOON, || files.calls_left(Call::Sync) == Some(0));
    assert_eq!(load(&storage, 1).unwrap(), Some((b"one".to_vec(), first)));
    assert_eq!((storage.last_tid(), storage.current_tid(Oid(1)).unwrap()), (first, first));
    assert_eq!(storage.last_transactions(9).unwrap(), [(first, vec![Oid(1)])]);
    // The next transaction finds it, though.
    let vote = vote(&storage, vec![store(1, first, b"late".to_vec())]).unwrap();
    let Vote::Conflicts(conflicts) = vote else { panic!("{vote:?}") };
    assert_eq!((conflicts.len(), conflicts[0].committed, conflicts[0].given), (1, second, Some(first)));
    assert!(finished.try_recv().is_err(), "answered before it was durable");
    drop(gate);
    finished.recv().unwrap().unwrap();
    assert_eq!(load(&storage, 1).unwrap(), Some((b"two".to_vec(), second)));
}

/// Transaction, objects, length, size.
type Heard = (Tid, Vec<Oid>, u64, u64);

/// Looks at the storage at each publication.
struct Witness {
    seen: Mutex<Vec<Heard>>,
    visible_too_early: AtomicUsize,
    storage: Mutex<Option<Arc<zeo_server::filestorage::FileStorage>>>,
}

impl Audience for Witness {
    fn publish(&self, transaction: &Published<'_>, make_visible: &mut dyn FnMut()) {
        let storage = self.storage.lock().unwrap().clone().unwrap();
        let before = storage.last_tid() >= transaction.tid;
        make_visible();
        let after = (storage.last_tid(), storage.length(), storage.size());
        let as_told = after == (transaction.tid, transaction.length, transaction.size);
        self.visible_too_early.fetch_add(usize::from(before || !as_told), Ordering::Relaxed);
        let (oids, length, size) = (transaction.oids.to_vec(), transaction.length, transaction.size);
        self.seen.lock().unwrap().push((transaction.tid, oids, length, size));
    }
}

#[test]
fn many_committers_and_readers_agree_and_the_audience_hears_all_in_order() {
    const CLIENTS: usize = 8;
    const EACH: usize = 150;
    let files = Simulated::default();
    let storage = Arc::new(open(&files).unwrap());
    let witness = Arc::new(Witness {
        seen: Mutex::default(),
        visible_too_early: AtomicUsize::new(0),
        storage: Mutex::new(Some(storage.clone())),
    });
    storage.attach(witness.clone());
    let (lock, stop) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
    let committer = |client: u64| {
        let (storage, lock) = (storage.clone(), lock.clone());
        move || {
            let mut serial = Tid::ZERO;
            for round in 0..EACH {
                let data = format!("{client} {round}").into_bytes();
                // Two records of one object: the last one counts.
                let steps =
                    vec![store(client, serial, b"not this".to_vec()), store(client, serial, data.clone())];
                let (sender, receiver) = mpsc::channel();
                let errand = {
                    let _lock = lock.lock().unwrap();
                    let Vote::Written { ticket, tid, .. } = vote(&storage, steps).unwrap() else { panic!() };
                    if round % 7 == 3 {
                        storage.abort(ticket);
                        continue;
                    }
                    serial = tid;
                    storage.finish(ticket, Box::new(move |result| sender.send(result).unwrap()))
                };
                errand.filter(|_| round % 2 == 0).into_iter().for_each(Errand::run);
                receiver.recv().unwrap().unwrap();
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
    assert_eq!(witness.visible_too_early.load(Ordering::Relaxed), 0);
    assert!(seen.is_sorted_by(|one, next| one.0 < next.0 && one.3 < next.3), "out of order");
    let told: Vec<_> = seen.iter().map(|(tid, oids, ..)| (*tid, [oids[0], oids[0]].to_vec())).collect();
    assert_eq!(storage.last_transactions(usize::MAX).unwrap(), told);
    assert!(seen.iter().all(|(_, oids, ..)| oids.len() == 1), "each object once");
    *witness.storage.lock().unwrap() = None;
}
