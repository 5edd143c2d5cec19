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

#[allow(dead_code, unreachable_pub, reason = "as below")]
#[path = "../../src/zeo/chunks.rs"]
mod chunks;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the server uses more of it than this test, and from more places"
)]
#[path = "../../src/zeo/outbox.rs"]
mod outbox;

use std::sync::Arc;
use std::task::Waker;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use self::chunks::Chunks;
use self::outbox::{InvalidationBus, Outbox, OutboxState};
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
    let outboxes: Vec<_> = (0..CLIENTS).map(|_| Arc::new(Outbox::new(usize::MAX))).collect();
    let bus = Arc::new(InvalidationBus::new(outboxes.clone()));
    let visible = Arc::new(Mutex::new(0_u8));
    let publisher = {
        let (bus, visible) = (bus.clone(), visible.clone());
        thread::spawn(move || publish(&bus, &visible))
    };
    let readers: Vec<_> = outboxes
        .iter()
        .map(|outbox| {
            let (outbox, bus, visible) = (outbox.clone(), bus.clone(), visible.clone());
            thread::spawn(move || read(way, &outbox, &bus, &visible))
        })
        .collect();
    publisher.join().expect("no panic");
    for (n, (reader, outbox)) in readers.into_iter().zip(&outboxes).enumerate() {
        let (mut arrived, mut outgoing) = (Vec::new(), reader.join().expect("no panic"));
        outbox.take(&mut outgoing);
        assert_eq!(outbox.register(Waker::noop()), OutboxState::Open(0));
        outgoing.drain_into(&mut arrived);
        judge(n, &arrived);
    }
}

/// The storage's publication, in groups; the first client has committed every other transaction.
fn publish(bus: &InvalidationBus<Vec<Arc<Outbox>>>, visible: &Mutex<u8>) {
    for tid in 1..=TRANSACTIONS {
        let own = tid % 2 == 0;
        let mut all = Vec::new();
        bus.publish(&mut || *lock(visible) = tid, |outboxes| {
            for (n, outbox) in outboxes.iter().enumerate() {
                if n == 0 && own {
                    outbox.push_after(&[INFO, tid]);
                } else {
                    outbox.push(&std::sync::Arc::new(vec![INVALIDATION, tid]));
                }
            }
            all.clone_from(outboxes);
        });
        if own {
            all[0].push_after(&[COMMITTED, tid]);
        }
        if thread_rng().gen_bool(0.5) {
            for outbox in &all {
                outbox.notify();
            }
        }
    }
}

/// A connection's task: what it writes.
fn read(way: Way, outbox: &Outbox, bus: &InvalidationBus<Vec<Arc<Outbox>>>, visible: &Mutex<u8>) -> Chunks {
    let (mut outgoing, mut replies) = (Chunks::default(), Vec::new());
    for _ in 0..3 {
        if matches!(way, Way::Careless) {
            let seen = *lock(visible);
            outbox.push_async(&[LOADED, seen]);
            continue;
        }
        // As often as the stream takes what was to be sent before.
        if thread_rng().gen_bool(0.5) {
            outbox.take(&mut outgoing);
        }
        outbox.begin_batch(&mut outgoing);
        for _ in 0..2 {
            let seen = *lock(visible);
            replies.extend([LOADED, seen]);
            if thread_rng().gen_bool(0.3) {
                bus.state(outbox, &mut replies, |_, replies| replies.extend([LAST, *lock(visible)]));
            }
        }
        outgoing.push_buffer(&mut replies);
    }
    outgoing
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
