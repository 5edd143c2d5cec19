//! A client as other tasks see it: its name in the log, and its outbox.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::message::Encoding;
use super::outbox::Outbox;
use super::sync::{Mutex, lock};

/// Lines of the log about one client in a second; what it could write beyond would hide what matters.
const MAX_LINES_PER_SECOND: u32 = 10;

/// The lines of the log about a client.
#[derive(Default)]
struct Lines {
    /// When the second began that is counted, and its lines so far.
    second: Option<(Instant, u32)>,
    suppressed: u64,
}

/// A connected client. Two are the same if they are the same connection.
pub struct Peer {
    number: u64,
    address: String,
    label: Mutex<Option<String>>,
    encoding: OnceLock<Encoding>,
    stopping: AtomicBool,
    displaced: AtomicBool,
    registered: AtomicBool,
    lines: Mutex<Lines>,
    /// Commits on their way to the disk, whose replies other threads will push.
    pending: AtomicUsize,
    /// Messages for it from other tasks.
    pub outbox: Outbox,
}

impl Peer {
    /// One that has just connected; no other has its `number`. `limit`: see [`Outbox::new`].
    pub fn new(number: u64, address: String, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            number,
            address,
            label: Mutex::new(None),
            encoding: OnceLock::new(),
            stopping: AtomicBool::new(false),
            displaced: AtomicBool::new(false),
            registered: AtomicBool::new(false),
            lines: Mutex::default(),
            pending: AtomicUsize::new(0),
            outbox: Outbox::new(limit),
        })
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Sets what it calls itself.
    pub fn set_label(&self, label: String) {
        *lock(&self.label) = Some(label);
    }

    /// Whether the log takes one more line about it, and then how many it did not take before. A line that `must` be there is
    /// always taken.
    pub fn admit_line(&self, must: bool, now: Instant) -> Option<u64> {
        let lines = &mut *lock(&self.lines);
        let (begin, count) = match lines.second {
            Some((begin, count)) if now.saturating_duration_since(begin) < Duration::from_secs(1) => {
                (begin, count)
            }
            _ => (now, 0),
        };
        if count >= MAX_LINES_PER_SECOND && !must {
            lines.suppressed += 1;
            return None;
        }
        lines.second = Some((begin, count + 1));
        Some(std::mem::take(&mut lines.suppressed))
    }

    /// The encoding that it has chosen in its answer to the greeting; pickles before that.
    pub fn encoding(&self) -> Encoding {
        self.encoding.get().copied().unwrap_or(Encoding::Pickle)
    }

    /// Sets its encoding; the first call counts.
    pub fn set_encoding(&self, encoding: Encoding) {
        let _ = self.encoding.set(encoding);
    }

    /// Ends its connection; pending replies are still sent.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.outbox.wake();
    }

    /// Ends its connection, whose place others need.
    pub fn displace(&self) {
        self.displaced.store(true, Ordering::SeqCst);
        self.outbox.wake();
    }

    /// Whether [`Peer::displace`] was called.
    pub fn displaced(&self) -> bool {
        self.displaced.load(Ordering::SeqCst)
    }

    /// It is a client of a storage from now on.
    pub fn set_registered(&self) {
        self.registered.store(true, Ordering::SeqCst);
    }

    /// Whether its connection may be ended for others: it has not registered, and is not ending yet.
    pub fn may_be_displaced(&self) -> bool {
        !self.registered.load(Ordering::SeqCst) && !self.displaced() && !self.stopping()
    }

    /// Whether [`Peer::stop`] was called.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Another thread is going to make a reply.
    pub fn begin_reply(&self) {
        self.pending.fetch_add(1, Ordering::SeqCst);
    }

    /// The reply is in its outbox.
    pub fn end_reply(&self) {
        self.pending.fetch_sub(1, Ordering::SeqCst);
        if self.stopping() {
            self.outbox.wake();
        }
    }

    /// Whether another thread is yet to make a reply.
    pub fn has_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst) > 0
    }
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Peer {}

impl fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for Peer {
    /// Label and address.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = &*lock(&self.label) {
            write!(formatter, "{label} ")?;
        }
        formatter.write_str(&self.address)
    }
}
