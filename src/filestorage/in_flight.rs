//! The transactions between their vote and their publication, as values; what happens to them is in `commit` and `syncer`.

use std::collections::HashMap;
use std::mem;

use super::format::Status;
use super::plan::CurrentRecord;
use super::write::Placed;
use crate::storage::{Completion, Error, Oid, Tid};

/// Where they are.
#[derive(Default)]
pub(super) struct InFlight {
    /// A transaction holds the commit lock.
    pub(super) locked: bool,
    /// The end of the last finished transaction: the next one is placed there.
    pub(super) end: u64,
    /// The last finished transaction.
    pub(super) last: Tid,
    /// The end of the last published transaction.
    pub(super) durable: u64,
    /// The last published transaction.
    pub(super) published: Tid,
    /// The current records of objects that finished transactions changed which are not yet published.
    pub(super) recent: HashMap<Oid, CurrentRecord>,
    /// Finished transactions that wait for the syncer.
    pub(super) queue: Vec<Pending>,
    /// The syncer has some others in hand.
    pub(super) syncing: bool,
    /// Threads that wait for the commit lock, or until some transaction is published.
    pub(super) waiting: usize,
    /// How often finished transactions were lost, and why the last time.
    pub(super) losses: u64,
    pub(super) lost: Option<Error>,
    /// Nothing more is taken.
    pub(super) closing: bool,
}

/// A transaction between its vote and its finish.
pub(super) struct Accepted {
    pub(super) placed: Placed,
    pub(super) status: Status,
    /// The last record of each object.
    pub(super) records: Vec<(Oid, CurrentRecord)>,
    /// Objects that did not exist before.
    pub(super) new_objects: u64,
    /// All of it; empty: it is in the file, with another status.
    pub(super) bytes: Vec<u8>,
    /// Objects that its undos change.
    pub(super) changed: Vec<Oid>,
    /// [`InFlight::losses`] at the vote: it builds on what was lost since.
    pub(super) losses: u64,
}

/// A finished transaction that is not yet published.
pub(super) struct Pending {
    pub(super) placed: Placed,
    pub(super) status: Status,
    pub(super) records: Vec<(Oid, CurrentRecord)>,
    pub(super) new_objects: u64,
    /// What is to be written; empty: it is in the file but for its status.
    pub(super) bytes: Vec<u8>,
    /// Taken when it is called.
    pub(super) completion: Option<Completion>,
}

impl InFlight {
    /// None, after this end and transaction.
    pub(super) fn after(end: u64, last: Tid) -> Self {
        Self { end, last, durable: end, published: last, ..Self::default() }
    }

    /// Whether every finished transaction is published.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.syncing
    }

    /// Puts a finished transaction in the queue.
    pub(super) fn enqueue(&mut self, accepted: Accepted, completion: Completion) {
        let Accepted { placed, status, records, new_objects, bytes, .. } = accepted;
        (self.end, self.last) = (placed.end(), placed.tid);
        self.recent.extend(records.iter().copied());
        let completion = Some(completion);
        self.queue.push(Pending { placed, status, records, new_objects, bytes, completion });
    }

    /// All that wait, for the syncer.
    pub(super) fn next_batch(&mut self) -> Option<Vec<Pending>> {
        if self.queue.is_empty() {
            return None;
        }
        self.syncing = true;
        Some(mem::take(&mut self.queue))
    }

    /// The syncer has published its batch.
    pub(super) fn published(&mut self, batch: &[Pending]) {
        self.syncing = false;
        for Pending { placed, records, .. } in batch {
            (self.durable, self.published) = (placed.end(), placed.tid);
            for (oid, record) in records {
                if self.recent.get(oid) == Some(record) {
                    self.recent.remove(oid);
                }
            }
        }
    }

    /// All that are finished and not published are lost: those that the syncer did not have.
    pub(super) fn lose(&mut self, error: &Error) -> Vec<Pending> {
        (self.end, self.last, self.syncing) = (self.durable, self.published, false);
        self.lost = Some(error.clone());
        self.losses += 1;
        self.recent.clear();
        mem::take(&mut self.queue)
    }
}
