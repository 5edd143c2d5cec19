//! The order of what clients are sent, under a scheduler that tries the orders in which threads may come.
//!
//! The source is that of the server; only its lock is another one, at which the scheduler takes over.

mod sync {
    pub use shuttle::sync::Mutex;
    use shuttle::sync::MutexGuard;

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no thread panics with a lock")
    }
}

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the server uses more of it than this test, and from more places"
)]
#[path = "../../src/zeo/order.rs"]
mod order;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use self::order::{Announcements, Outbox, Sink, Standing};
use self::sync::{Mutex, lock};
use crate::sandbox::is_long;

/// Two bytes each: what it is, and a transaction.
const INVALIDATION: u8 = b'I';
/// Before the committer's reply.
const INFO: u8 = b'F';
/// The committer's reply.
const COMMITTED: u8 = b'C';
/// A reply with the object as of a transaction.
const LOADED: u8 = b'L';
/// A reply that states the last transaction.
const LAST: u8 = b'T';

const CLIENTS: usize = 3;
const TRANSACTIONS: u8 = 4;

/// A socket that takes as much as it likes.
#[derive(Clone)]
struct Wire {
    arrived: Arc<std::sync::Mutex<Vec<u8>>>,
    woken: Arc<AtomicBool>,
}

impl Wire {
    fn new() -> Self {
        Self { arrived: Arc::default(), woken: Arc::default() }
    }
}

impl Sink for Wire {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let taken = thread_rng().gen_range(0..=bytes.len());
        self.arrived.lock().expect("no panic").extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
    }
}

/// How a client answers.
#[derive(Clone, Copy)]
enum Way {
    /// In batches, as the server does.
    Batches,
    /// Each reply when it is made, whatever has happened meanwhile.
    Careless,
}

/// One history: transactions are published while clients read.
fn history(way: Way) {
    let wires: Vec<Wire> = (0..CLIENTS).map(|_| Wire::new()).collect();
    let outboxes: Vec<_> = wires.iter().map(|wire| Arc::new(Outbox::new(wire.clone(), usize::MAX))).collect();
    let announcements = Arc::new(Announcements::new(outboxes.clone()));
    let visible = Arc::new(Mutex::new(0_u8));
    let publisher = {
        let (announcements, visible) = (announcements.clone(), visible.clone());
        thread::spawn(move || publish(&announcements, &visible))
    };
    let readers: Vec<_> = outboxes
        .iter()
        .map(|outbox| {
            let (outbox, announcements, visible) = (outbox.clone(), announcements.clone(), visible.clone());
            thread::spawn(move || read(way, &outbox, &announcements, &visible))
        })
        .collect();
    publisher.join().expect("no panic");
    for reader in readers {
        reader.join().expect("no panic");
    }
    for (n, (wire, outbox)) in wires.iter().zip(&outboxes).enumerate() {
        while outbox.flush() != Standing::Open(0) {}
        judge(n, &wire.arrived.lock().expect("no panic"));
    }
}

/// The storage's publication, in groups; the first client has committed every other transaction.
fn publish(announcements: &Announcements<Vec<Arc<Outbox<Wire>>>>, visible: &Mutex<u8>) {
    for tid in 1..=TRANSACTIONS {
        let own = tid % 2 == 0;
        let mut all = Vec::new();
        announcements.publish(&mut || *lock(visible) = tid, |outboxes| {
            for (n, outbox) in outboxes.iter().enumerate() {
                if n == 0 && own {
                    outbox.follow(&[INFO, tid]);
                } else {
                    outbox.tell(&[INVALIDATION, tid]);
                }
            }
            all.clone_from(outboxes);
        });
        if own {
            all[0].follow(&[COMMITTED, tid]);
        }
        if thread_rng().gen_bool(0.5) {
            for outbox in all.iter().filter(|outbox| outbox.is_waiting()) {
                outbox.send();
            }
        }
    }
}

/// A client's task.
fn read(
    way: Way,
    outbox: &Outbox<Wire>,
    announcements: &Announcements<Vec<Arc<Outbox<Wire>>>>,
    visible: &Mutex<u8>,
) {
    let mut replies = Vec::new();
    for _ in 0..3 {
        if matches!(way, Way::Careless) {
            let seen = *lock(visible);
            outbox.post(&[LOADED, seen]);
            continue;
        }
        outbox.begin();
        for _ in 0..2 {
            let seen = *lock(visible);
            replies.extend([LOADED, seen]);
            if thread_rng().gen_bool(0.3) {
                announcements
                    .state(outbox, &mut replies, |_, replies| replies.extend([LAST, *lock(visible)]));
            }
        }
        outbox.end(&mut replies);
        outbox.flush();
    }
}

/// What a client's cache relies on (ZEO-PROTOCOL section 9).
fn judge(client: usize, arrived: &[u8]) {
    let mut told = 0;
    for message in arrived.chunks(2) {
        let [kind, tid] = *message else { panic!("half a message: {arrived:?}") };
        match kind {
            INVALIDATION | INFO => {
                assert_eq!(tid, told + 1, "client {client} misses one, or has one twice: {arrived:?}");
                told = tid;
            }
            LOADED => assert!(tid >= told, "client {client} takes old data for current: {arrived:?}"),
            LAST => assert_eq!(tid, told, "client {client} is told of {tid} twice or never: {arrived:?}"),
            COMMITTED => {
                assert_eq!(told, tid, "client {client} has its reply out of its turn: {arrived:?}");
            }
            _ => panic!("{arrived:?}"),
        }
    }
    assert_eq!(told, TRANSACTIONS, "client {client} was not told of all: {arrived:?}");
}

fn histories() -> usize {
    if is_long() { 200_000 } else { 2_000 }
}

#[test]
fn no_reply_is_older_than_the_invalidation_before_it() {
    shuttle::check_random(|| history(Way::Batches), histories());
    shuttle::check_pct(|| history(Way::Batches), histories(), 4);
}

/// That the judge sees what is wrong.
#[test]
#[should_panic(expected = "takes old data for current")]
fn replies_without_batches_would_be() {
    shuttle::check_random(|| history(Way::Careless), 20_000);
}
