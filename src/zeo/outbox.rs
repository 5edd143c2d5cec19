//! What other tasks and threads have for one client, in the order that its cache relies on (ZEO-PROTOCOL section 9).
//!
//! A client's cache is right only if a reply that was computed before a transaction arrives before the invalidation of
//! that transaction: the reply says "this is current", the invalidation "it no longer is". Reads take no lock that a
//! commit takes, so this is not for free:
//!
//! - Only the task of a connection writes to its stream. It computes replies in batches, which go behind what it has taken
//!   out of the outbox so far ([`Outbox::begin_batch`]). What is pushed meanwhile goes behind the batch. So a reply that was computed
//!   before a transaction became visible leaves before its invalidation.
//! - Who publishes a transaction makes it visible and pushes its invalidations under one lock
//!   ([`InvalidationBus::publish`]).
//! - A reply that states the last transaction is made under the same lock, behind what was pushed so far
//!   ([`InvalidationBus::state`]): exactly the later ones follow.
//!
//! What a group of transactions has for a client is pushed first ([`Outbox::push`], [`Outbox::push_after`]); then its task is
//! woken once ([`Outbox::notify`]), and sends it with one write.

use std::sync::Arc;
use std::task::Waker;

use super::chunks::Chunks;
use super::sync::{Mutex, lock};

/// How an outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxState {
    /// So many bytes are in it.
    Open(usize),
    /// It was closed because the client does not read its invalidations.
    Overrun,
    /// It was closed.
    Closed,
}

/// What waits for the task of one connection.
pub struct Outbox {
    queue: Mutex<Queue>,
    /// Bytes of invalidations that may be in it beside the largest one.
    limit: usize,
}

struct Queue {
    /// Absent: it is open.
    closed: Option<OutboxState>,
    messages: Chunks,
    /// Bytes of invalidations in it, and of the largest one.
    invalidations: usize,
    largest: usize,
    /// The connection's task, while it is not yet woken.
    task: Option<Waker>,
}

impl Queue {
    fn close(&mut self, how: OutboxState) {
        if self.closed.is_none() {
            self.closed = Some(how);
            self.messages = Chunks::default();
        }
    }

    fn take(&mut self, outgoing: &mut Chunks) {
        outgoing.append(&mut self.messages);
        (self.invalidations, self.largest) = (0, 0);
    }
}

impl Outbox {
    /// An empty one. `limit` is how many bytes of invalidations may be in it beside the largest one: a client cannot choose
    /// how large a transaction is that others make, only how many it leaves unread.
    pub fn new(limit: usize) -> Self {
        let queue =
            Queue { closed: None, messages: Chunks::default(), invalidations: 0, largest: 0, task: None };
        Self { queue: Mutex::new(queue), limit }
    }

    /// An invalidation, for [`Outbox::notify`]. Closes the outbox if there are too many.
    pub fn push(&self, message: &Arc<Vec<u8>>) {
        let task = {
            let mut queue = lock(&self.queue);
            if queue.closed.is_some() {
                return;
            }
            queue.messages.push_shared(message);
            queue.invalidations += message.len();
            queue.largest = queue.largest.max(message.len());
            if queue.invalidations - queue.largest <= self.limit {
                return;
            }
            queue.close(OutboxState::Overrun);
            queue.task.take()
        };
        task.into_iter().for_each(Waker::wake);
    }

    /// What follows the invalidations so far, for [`Outbox::notify`].
    pub fn push_after(&self, message: &[u8]) {
        let mut queue = lock(&self.queue);
        if queue.closed.is_none() {
            queue.messages.push(message);
        }
    }

    /// A reply that was made outside of a batch; its task is woken.
    pub fn push_async(&self, message: &[u8]) {
        self.push_after(message);
        self.wake();
    }

    /// Wakes the connection's task if there is something in the outbox.
    pub fn notify(&self) {
        let task = {
            let mut queue = lock(&self.queue);
            if queue.messages.is_empty() { None } else { queue.task.take() }
        };
        task.into_iter().for_each(Waker::wake);
    }

    /// Wakes the connection's task.
    pub fn wake(&self) {
        let task = lock(&self.queue).task.take();
        task.into_iter().for_each(Waker::wake);
    }

    /// Has the connection's task woken once from now on; how the outbox stands now.
    pub fn register(&self, task: &Waker) -> OutboxState {
        let mut queue = lock(&self.queue);
        if !queue.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            queue.task = Some(task.clone());
        }
        queue.closed.unwrap_or(OutboxState::Open(queue.messages.len()))
    }

    /// Moves what is in it behind what is to be sent.
    pub fn take(&self, outgoing: &mut Chunks) {
        lock(&self.queue).take(outgoing);
    }

    /// As [`Outbox::take`], before a batch of replies. The task is awake: it is not woken before it registers again.
    pub fn begin_batch(&self, outgoing: &mut Chunks) {
        let mut queue = lock(&self.queue);
        queue.task = None;
        queue.take(outgoing);
    }

    /// Nothing is sent any more, and the connection's task is woken.
    pub fn close(&self) {
        lock(&self.queue).close(OutboxState::Closed);
        self.wake();
    }
}

/// The clients that are sent invalidations, and what is remembered of transactions, under the one lock that their order needs.
pub struct InvalidationBus<M> {
    members: Mutex<M>,
}

impl<M> InvalidationBus<M> {
    /// With what is behind the lock.
    pub fn new(members: M) -> Self {
        Self { members: Mutex::new(members) }
    }

    /// Makes a transaction visible and pushes its invalidations.
    pub fn publish(&self, make_visible: &mut dyn FnMut(), push: impl FnOnce(&mut M)) {
        let mut members = lock(&self.members);
        make_visible();
        push(&mut members);
    }

    /// Within a batch of replies to the client of `outbox`: makes a reply that states which transaction is the last one.
    pub fn state<R>(
        &self,
        outbox: &Outbox,
        replies: &mut Vec<u8>,
        reply: impl FnOnce(&mut M, &mut Vec<u8>) -> R,
    ) -> R {
        let mut members = lock(&self.members);
        let mut pushed = Chunks::default();
        outbox.take(&mut pushed);
        pushed.drain_into(replies);
        reply(&mut members, replies)
    }

    /// Looks at or changes what is behind the lock.
    pub fn with<R>(&self, change: impl FnOnce(&mut M) -> R) -> R {
        change(&mut lock(&self.members))
    }
}
