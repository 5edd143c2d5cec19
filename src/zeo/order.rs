//! The order of what one client is sent (ZEO-PROTOCOL section 9), whichever threads it comes from.
//!
//! A client's cache is right only if a reply that was computed before a transaction arrives before the invalidation of
//! that transaction: the reply says "this is current", the invalidation "it no longer is". Reads take no lock that a
//! commit takes, so this is not for free:
//!
//! - The client's own task computes replies in batches, between [`Outbox::begin`] and [`Outbox::end`], into a buffer of
//!   its own. What others have for the client meanwhile is put aside, and goes out behind the batch. So a reply that
//!   was computed before a transaction became visible leaves before its invalidation, and nothing is computed twice.
//! - Who publishes a transaction makes it visible and tells all clients under one lock ([`Announcements::publish`]).
//! - A reply that states the last transaction is made under the same lock, behind what was told so far
//!   ([`Announcements::state`]): exactly the later ones follow.
//!
//! Between batches anybody may write to the socket, so that the reply to a commit leaves from the thread that made it
//! durable. What a group of transactions has for a client is put down first ([`Outbox::tell`], [`Outbox::follow`]) and
//! leaves with one write ([`Outbox::send`]).

use std::collections::VecDeque;
use std::io;
use std::mem;

use super::sync::{Mutex, lock};

/// Where the bytes go.
pub trait Sink {
    /// Writes what can be written without waiting; 0 bytes when nothing can be.
    ///
    /// # Errors
    /// The connection is lost.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Has the client's task look at its outbox.
    fn wake(&self);
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (**self).write(bytes)
    }

    fn wake(&self) {
        (**self).wake();
    }
}

/// How an outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// So many bytes wait to be sent.
    Open(usize),
    /// Nothing is sent any more.
    Closed,
}

/// What waits to be sent to one client.
pub struct Outbox<S> {
    state: Mutex<State<S>>,
    /// Bytes of invalidations that may wait.
    patience: usize,
}

struct State<S> {
    /// Absent: closed.
    sink: Option<S>,
    /// A batch is being computed.
    busy: bool,
    unsent: Vec<u8>,
    /// How much of `unsent` is sent.
    sent: usize,
    /// What is to follow the batch.
    aside: Vec<u8>,
    told: Told,
    overrun: bool,
}

/// Which part of what waits are invalidations: a client that reads slowly gets its replies all the same, one that leaves
/// invalidations unread is dropped.
#[derive(Default)]
struct Told {
    /// Bytes ever put behind those sent.
    end: u64,
    /// Up to which byte, and how many bytes in it.
    runs: VecDeque<(u64, usize)>,
    waiting: usize,
    /// Put aside, without a place yet.
    aside: usize,
}

impl Told {
    fn add(&mut self, length: usize) {
        self.waiting += length;
        match self.runs.back_mut() {
            Some((end, bytes)) if *end + length as u64 == self.end => {
                (*end, *bytes) = (self.end, *bytes + length);
            }
            _ => self.runs.push_back((self.end, length)),
        }
    }

    fn sent(&mut self, unsent: usize) {
        let sent = self.end - unsent as u64;
        while let Some((end, length)) = self.runs.front().copied() {
            if end > sent {
                break;
            }
            self.waiting -= length;
            self.runs.pop_front();
        }
    }
}

impl<S: Sink> State<S> {
    fn put(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
        self.told.end += bytes.len() as u64;
    }

    fn waiting(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// Sends what goes without waiting.
    fn flush(&mut self) {
        let Some(sink) = &self.sink else { return };
        while self.sent < self.unsent.len() {
            match sink.write(&self.unsent[self.sent..]) {
                Ok(0) => break,
                Ok(written) => self.sent += written,
                Err(_) => return self.close(),
            }
        }
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.sent = 0;
            shrink(&mut self.unsent);
        } else if self.sent > self.unsent.len() / 2 {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
        let waiting = self.waiting();
        self.told.sent(waiting);
    }

    /// As [`State::flush`]; the client's task does the rest.
    fn send(&mut self) {
        self.flush();
        if self.waiting() > 0
            && let Some(sink) = &self.sink
        {
            sink.wake();
        }
    }

    fn close(&mut self) {
        if let Some(sink) = self.sink.take() {
            sink.wake();
        }
        (self.unsent, self.aside, self.sent) = (Vec::new(), Vec::new(), 0);
        self.told = Told::default();
    }
}

/// What an idle client keeps of a buffer that once was larger.
const KEPT: usize = 16 << 10;

/// Gives back the memory of an empty buffer that a large message made large.
pub fn shrink(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > 16 * KEPT {
        *buffer = Vec::new();
    }
}

impl<S: Sink> Outbox<S> {
    /// An empty one; `patience` is how many bytes of invalidations may wait.
    pub fn new(sink: S, patience: usize) -> Self {
        let state = State {
            sink: Some(sink),
            busy: false,
            unsent: Vec::new(),
            sent: 0,
            aside: Vec::new(),
            told: Told::default(),
            overrun: false,
        };
        Self { state: Mutex::new(state), patience }
    }

    /// A batch begins: what is read from a storage from now on may be answered before what is told from now on.
    pub fn begin(&self) {
        lock(&self.state).busy = true;
    }

    /// Ends a batch: its replies, then what was put aside. `replies` is empty afterwards.
    pub fn end(&self, replies: &mut Vec<u8>) {
        let mut state = lock(&self.state);
        state.busy = false;
        if state.sink.is_none() {
            replies.clear();
            return;
        }
        if state.unsent.is_empty() {
            mem::swap(&mut state.unsent, replies);
            state.told.end += state.unsent.len() as u64;
        } else {
            state.put(replies);
        }
        replies.clear();
        shrink(replies);
        if !state.aside.is_empty() {
            let mut aside = mem::take(&mut state.aside);
            state.put(&aside);
            aside.clear();
            shrink(&mut aside);
            state.aside = aside;
            let told = mem::take(&mut state.told.aside);
            state.told.add(told);
        }
        state.flush();
    }

    /// Within a batch: moves what was put aside behind the replies so far.
    pub fn collect(&self, replies: &mut Vec<u8>) {
        let mut state = lock(&self.state);
        replies.append(&mut state.aside);
        state.told.aside = 0;
    }

    /// Something that the client must be told in its order; for [`Outbox::send`].
    pub fn tell(&self, message: &[u8]) {
        let mut state = lock(&self.state);
        if state.sink.is_none() {
            return;
        }
        if state.busy {
            state.aside.extend_from_slice(message);
            state.told.aside += message.len();
        } else {
            state.put(message);
            state.told.add(message.len());
        }
        if state.told.waiting + state.told.aside > self.patience {
            state.overrun = true;
            state.close();
        }
    }

    /// Something that follows what the client was told so far; for [`Outbox::send`].
    pub fn follow(&self, message: &[u8]) {
        let mut state = lock(&self.state);
        if state.busy {
            state.aside.extend_from_slice(message);
        } else if state.sink.is_some() {
            state.put(message);
        }
    }

    /// A reply that was made outside of a batch; sent at once if it can be.
    pub fn post(&self, message: &[u8]) {
        let mut state = lock(&self.state);
        if state.sink.is_none() {
            return;
        }
        if state.busy {
            state.aside.extend_from_slice(message);
            return;
        }
        state.put(message);
        state.send();
    }

    /// Sends what waits, unless a batch will. What does not go without waiting is left to its task.
    pub fn send(&self) {
        let mut state = lock(&self.state);
        if !state.busy {
            state.send();
        }
    }

    /// Whether something waits for [`Outbox::send`].
    pub fn is_waiting(&self) -> bool {
        let state = lock(&self.state);
        !state.busy && state.waiting() > 0
    }

    /// Sends what goes without waiting.
    pub fn flush(&self) -> Standing {
        let mut state = lock(&self.state);
        state.flush();
        if state.sink.is_some() { Standing::Open(state.waiting()) } else { Standing::Closed }
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let state = lock(&self.state);
        if state.sink.is_some() { Standing::Open(state.waiting()) } else { Standing::Closed }
    }

    /// Whether it was closed because the client did not take its invalidations.
    pub fn overrun(&self) -> bool {
        lock(&self.state).overrun
    }

    /// Has the client's task look.
    pub fn wake(&self) {
        if let Some(sink) = &lock(&self.state).sink {
            sink.wake();
        }
    }

    /// Nothing is sent any more, and its task is told.
    pub fn close(&self) {
        lock(&self.state).close();
    }
}

/// Who is told of transactions, and what is remembered of them, under the one lock that their order needs.
pub struct Announcements<M> {
    members: Mutex<M>,
}

impl<M> Announcements<M> {
    /// With what is behind the lock.
    pub fn new(members: M) -> Self {
        Self { members: Mutex::new(members) }
    }

    /// Makes a transaction visible and tells of it.
    pub fn publish(&self, make_visible: &mut dyn FnMut(), tell: impl FnOnce(&mut M)) {
        let mut members = lock(&self.members);
        make_visible();
        tell(&mut members);
    }

    /// Within a batch of `outbox`: has a reply made that states which transaction is the last one.
    pub fn state<S: Sink, R>(
        &self,
        outbox: &Outbox<S>,
        replies: &mut Vec<u8>,
        reply: impl FnOnce(&mut M, &mut Vec<u8>) -> R,
    ) -> R {
        let mut members = lock(&self.members);
        outbox.collect(replies);
        reply(&mut members, replies)
    }

    /// Looks at or changes who is told.
    pub fn with<R>(&self, change: impl FnOnce(&mut M) -> R) -> R {
        change(&mut lock(&self.members))
    }
}
