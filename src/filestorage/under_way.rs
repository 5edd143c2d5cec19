//! The transactions between their vote and their publication, as values; what happens to them is in `commit`.

use std::collections::HashMap;
use std::mem;

use super::format::Status;
use super::vote::Now;
use super::write::Placed;
use crate::storage::{Error, Finished, Oid, Ticket, Tid};

/// Where the transactions on their way are.
#[derive(Default)]
pub(super) struct Commit {
    pub(super) phase: Phase,
    /// The end of the last finished transaction: the next one is placed there.
    pub(super) end: u64,
    /// The last finished transaction.
    pub(super) last: Tid,
    /// The end of the last transaction that is on the disk for certain.
    pub(super) durable: u64,
    /// The current records of objects that finished transactions changed which are not yet published.
    pub(super) recent: HashMap<Oid, Now>,
    /// Finished transactions that wait for their fsync.
    pub(super) queue: Vec<Pending>,
    /// Others are being written and published.
    pub(super) busy: bool,
    /// Whoever has an errand will see to those that wait.
    pub(super) errand: bool,
    /// Threads that wait until nothing is on its way.
    pub(super) idlers: usize,
    pub(super) tickets: u64,
    /// Times that finished transactions were lost, and why.
    pub(super) losses: u64,
    pub(super) lost: Option<Error>,
    pub(super) closing: bool,
}

/// Who has the storage.
#[derive(Default)]
pub(super) enum Phase {
    #[default]
    Free,
    Voting,
    Voted(Ticket, Voted),
}

/// A transaction between its vote and its finish.
pub(super) struct Voted {
    pub(super) placed: Placed,
    pub(super) status: Status,
    /// The last record of each object.
    pub(super) records: Vec<(Oid, Now)>,
    /// All of it; empty: it is in the file.
    pub(super) bytes: Vec<u8>,
}

/// A finished transaction that is not yet published.
pub(super) struct Pending {
    pub(super) placed: Placed,
    pub(super) records: Vec<(Oid, Now)>,
    /// What is to be written; empty: it is in the file.
    pub(super) bytes: Vec<u8>,
    pub(super) finished: Finished,
}

impl Commit {
    /// Nothing on its way, after this end and transaction.
    pub(super) fn after(end: u64, last: Tid) -> Self {
        Self { end, last, durable: end, ..Self::default() }
    }

    /// Nothing is on its way to the disk.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.busy
    }

    /// All that wait, if nobody else sees to them; they are on their way then.
    pub(super) fn next_batch(&mut self) -> Option<Vec<Pending>> {
        if self.busy || self.errand || self.queue.is_empty() {
            return None;
        }
        self.busy = true;
        Some(mem::take(&mut self.queue))
    }

    /// All that wait, for whoever has the errand.
    pub(super) fn accept(&mut self) -> Vec<Pending> {
        (self.errand, self.busy) = (false, true);
        mem::take(&mut self.queue)
    }

    /// Puts a transaction in the queue. True: nobody sees to it yet, and it is the caller's errand.
    pub(super) fn enqueue(&mut self, pending: Pending) -> bool {
        (self.end, self.last) = (pending.placed.end(), pending.placed.tid);
        self.recent.extend(pending.records.iter().copied());
        self.queue.push(pending);
        let free = !self.busy && !self.errand && self.queue.len() == 1;
        self.errand |= free;
        free
    }

    /// A transaction is published.
    pub(super) fn published(&mut self, pending: &Pending) {
        self.durable = pending.placed.end();
        for (oid, now) in &pending.records {
            if self.recent.get(oid) == Some(now) {
                self.recent.remove(oid);
            }
        }
    }

    /// The transaction of this ticket; the storage is free then.
    pub(super) fn take(&mut self, ticket: Ticket) -> Result<Voted, Error> {
        match mem::take(&mut self.phase) {
            Phase::Voted(of, voted) if of == ticket => Ok(voted),
            other => {
                self.phase = other;
                let none = || Error::Transaction("this transaction has not been voted on".to_owned());
                Err(self.lost.clone().unwrap_or_else(none))
            }
        }
    }
}
