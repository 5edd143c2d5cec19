//! The way of a transaction: voted, finished, made durable together with others, published.
//!
//! ```text
//!            vote           finish         write, fsync        publish
//!   Free -> Voting -> Voted ------> queue ------------> batch ---------> index
//!              |        |           all that wait, by the     one after the other,
//!              +--------+--> Free   storage's thread or by    in their order
//!                                   who finished the first
//!            error    abort
//! ```
//!
//! What is in the queue or the batch is in `recent` too: the next transaction must not contradict it.
//!
//! A vote promises that the finish will not fail. A small transaction stays in memory until it is in the batch, and at its
//! vote the space for it is set aside on the disk. For a write to a file waits while an fsync of the file runs (on ext4, 120
//! microseconds where the fsync takes 180), so that with a write in each vote hardly two transactions would ever share an fsync. A
//! large transaction, and any where space cannot be set aside, is written at its vote, with a status that says that it
//! is not finished; it waits until nothing else is on its way, so that there is never a gap before it.

use std::collections::HashSet;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::disk::Disk;
use super::format::{LARGEST_POSITION, STATUS_AT, Status};
use super::snapshot::{Snapshot, failed};
use super::under_way::{Commit, Pending, Phase, Voted};
use super::vote::{self, Now, Place, Plan, Planned, Present};
use super::write::{self, Failure, Placed, Written};
use super::{Core, LOGGER, locked};
use crate::storage::{Errand, Error, Finished, Oid, Ticket, Tid, Transaction, Vote};

/// The largest transaction that stays in memory until it is made durable.
const SMALL: u64 = 256 << 10;
/// Bytes of such transactions that may wait.
const WAITING: usize = 16 << 20;
/// Space that is set aside at a time.
const RESERVE: u64 = 4 << 20;

/// The storage as the next transaction finds it.
struct WithRecent<'a>(&'a Core);

impl Present for WithRecent<'_> {
    fn find(&self, oid: Oid) -> Option<Place> {
        // In this order: a record leaves `recent` when it is in the index.
        let recent = locked(&self.0.commit).recent.get(&oid).copied();
        recent.map(Place::Recent).or_else(|| self.0.published().index.get(oid).map(Place::At))
    }
}

impl Core {
    /// See [`Storage::vote`](crate::storage::Storage::vote).
    pub(super) fn vote(&self, transaction: &Transaction) -> Result<Vote, Error> {
        let looks_back = vote::looks_back(transaction.steps()?);
        let base = self.begin_vote(looks_back)?;
        let vote = || self.judge_and_write(transaction, &base);
        let result = panic::catch_unwind(AssertUnwindSafe(vote));
        let mut commit = locked(&self.commit);
        commit.phase = Phase::Free;
        let result = result.unwrap_or_else(|fault| {
            // What a large one has written is behind the end of all others, which are in the file.
            if commit.is_idle() {
                self.truncate(base.snapshot.disk.as_ref(), commit.durable);
            }
            panic::resume_unwind(fault)
        });
        // What this one builds on is gone.
        if let Some(error) = commit.lost.clone().filter(|_| commit.losses != base.losses) {
            return Err(error);
        }
        match result? {
            Ok(voted) => {
                commit.tickets += 1;
                let (ticket, tid) = (Ticket(commit.tickets), voted.placed.tid);
                commit.phase = Phase::Voted(ticket, voted);
                Ok(Vote::Written { ticket, tid, changed: Vec::new() })
            }
            Err(conflicts) => Ok(conflicts),
        }
    }

    /// Takes the storage for a vote.
    fn begin_vote(&self, when_idle: bool) -> Result<Base, Error> {
        if self.read_only.load(Ordering::Acquire) {
            return Err(Error::ReadOnly);
        }
        let mut commit = locked(&self.commit);
        if !matches!(commit.phase, Phase::Free) {
            return Err(Error::Transaction("another transaction has been voted on".to_owned()));
        }
        commit.phase = Phase::Voting;
        if when_idle {
            commit = self.until_idle(commit);
        }
        let (end, last, losses) = (commit.end, commit.last, commit.losses);
        drop(commit);
        let snapshot = Snapshot { end, ..self.published().snapshot(&self.path) };
        Ok(Base { snapshot, last, losses })
    }

    fn judge_and_write(&self, transaction: &Transaction, base: &Base) -> Result<Result<Voted, Vote>, Error> {
        let (snapshot, meta) = (&base.snapshot, &transaction.meta);
        let tid = new_tid(meta.tid, base.last)?;
        let planned = match vote::plan(transaction, snapshot, &WithRecent(self))? {
            Plan::Write(planned) => planned,
            Plan::Conflicts(conflicts) => return Ok(Err(Vote::Conflicts(conflicts))),
        };
        let placed = Placed::new(tid, snapshot.end, meta, &planned).ok_or(Error::Quota)?;
        self.check_room(&placed, &planned)?;
        let status = if meta.packed { Status::PACKED } else { Status::NORMAL };
        let header = placed.header(meta, status)?;
        self.raise_largest_oid(&planned);
        let disk = snapshot.disk.as_ref();
        let written = if self.stays_in_memory(disk, &placed)? {
            write::write(None, &placed, &header, transaction, &planned)
        } else {
            self.wait_until_idle(base)?;
            let header = placed.header(meta, Status::CHECKPOINT)?;
            write::write(Some(disk), &placed, &header, transaction, &planned)
        };
        match written {
            Ok(Written { records, bytes }) => {
                Ok(Ok(Voted { placed, status, records: last_of_each(records), bytes }))
            }
            Err(Failure::Spool(error)) => {
                self.truncate(disk, placed.start);
                Err(error)
            }
            Err(Failure::Disk(error)) => {
                self.truncate(disk, placed.start);
                Err(snapshot.failed("write", error))
            }
        }
    }

    /// Whether a transaction is written only when it is made durable: it is small, and there is space for it.
    fn stays_in_memory(&self, disk: &dyn Disk, placed: &Placed) -> Result<bool, Error> {
        let waiting: usize = locked(&self.commit).queue.iter().map(|pending| pending.bytes.len()).sum();
        if placed.full_length() > SMALL || waiting > WAITING {
            return Ok(false);
        }
        if placed.end() <= self.reserved.load(Ordering::Acquire) {
            return Ok(true);
        }
        // Where space is scarce, no more than is needed.
        let reserved = disk.reserve(placed.start, RESERVE).map(|can| (can, RESERVE)).or_else(|_| {
            let needed = placed.full_length();
            disk.reserve(placed.start, needed).map(|can| (can, needed))
        });
        let (can, length) = reserved.map_err(|error| failed("write", &self.path, error))?;
        if can {
            self.reserved.store(placed.start + length, Ordering::Release);
        }
        Ok(can)
    }

    /// Waits until all that this transaction builds on is in the file, or lost.
    fn wait_until_idle(&self, base: &Base) -> Result<(), Error> {
        let commit = self.until_idle(locked(&self.commit));
        commit.lost.clone().filter(|_| commit.losses != base.losses).map_or(Ok(()), Err)
    }

    fn until_idle<'a>(&self, mut commit: MutexGuard<'a, Commit>) -> MutexGuard<'a, Commit> {
        while !commit.is_idle() {
            commit.idlers += 1;
            commit = self.idle.wait(commit).unwrap_or_else(PoisonError::into_inner);
            commit.idlers -= 1;
        }
        commit
    }

    /// No record may begin behind the quota, or where no index can name it.
    fn check_room(&self, placed: &Placed, planned: &[Planned]) -> Result<(), Error> {
        let last = planned.last().map_or(0, Planned::length);
        let begins = placed.start + placed.length - last;
        let most = self.quota.unwrap_or(LARGEST_POSITION).min(LARGEST_POSITION);
        if last > 0 && begins > most { Err(Error::Quota) } else { Ok(()) }
    }

    fn raise_largest_oid(&self, planned: &[Planned]) {
        if let Some(largest) = planned.iter().map(|record| record.oid.0).max() {
            let mut oids = locked(&self.largest_oid);
            *oids = largest.max(*oids);
        }
    }

    /// See [`Storage::finish`](crate::storage::Storage::finish).
    pub(super) fn finish(self: &Arc<Self>, ticket: Ticket, finished: Finished) -> Option<Errand> {
        match self.try_finish(ticket, finished) {
            Ok(errand) => errand.then(|| Errand::new(self.clone())),
            Err((error, finished)) => {
                finished(Err(error));
                None
            }
        }
    }

    /// Whether it is the caller's errand.
    fn try_finish(&self, ticket: Ticket, finished: Finished) -> Result<bool, (Error, Finished)> {
        let mut commit = locked(&self.commit);
        let voted = match commit.take(ticket) {
            Ok(voted) => voted,
            Err(error) => return Err((error, finished)),
        };
        let Voted { placed, status, records, bytes } = voted;
        if bytes.is_empty() {
            let disk = self.published().disk.clone();
            if let Err(error) = disk.write(&[status.0], placed.start + STATUS_AT) {
                self.truncate(disk.as_ref(), placed.start);
                return Err((failed("write", &self.path, error), finished));
            }
        }
        Ok(commit.enqueue(Pending { placed, records, bytes, finished }))
    }

    /// See [`Storage::abort`](crate::storage::Storage::abort).
    pub(super) fn abort(&self, ticket: Ticket) {
        let mut commit = locked(&self.commit);
        if let Ok(voted) = commit.take(ticket)
            && voted.bytes.is_empty()
        {
            let disk = self.published().disk.clone();
            self.truncate(disk.as_ref(), voted.placed.start);
        }
    }

    /// Takes back what has been voted on and nothing else.
    pub(super) fn abort_any(&self) {
        let ticket = match &locked(&self.commit).phase {
            Phase::Voted(ticket, _) => *ticket,
            _ => return,
        };
        self.abort(ticket);
    }

    /// Gives back the space that was set aside.
    pub(super) fn release_reserved(&self) {
        if self.reserved.load(Ordering::Acquire) > 0 {
            let end = locked(&self.commit).durable;
            self.truncate(self.published().disk.clone().as_ref(), end);
        }
    }

    /// Cuts the file off where the last transaction ends. If that fails there is something behind the end that the next
    /// start would look at: nothing more may be written.
    fn truncate(&self, disk: &dyn Disk, end: u64) {
        // What was set aside behind the end is given back as well.
        self.reserved.store(0, Ordering::Release);
        if let Err(error) = disk.truncate(end) {
            self.read_only.store(true, Ordering::Release);
            let path = self.path.display();
            let message =
                format_args!("cannot truncate {path} at byte {end}: {error}; it is read-only from now on");
            self.log.critical(LOGGER, message);
        }
    }

    /// Gives up all that is finished but not durable, and what builds on it: the batch could not be written, or not be
    /// made durable. After the latter nobody knows what is on the disk (Linux may have dropped what it could not write, and the
    /// next fsync would succeed): nothing is written any more.
    pub(super) fn give_up(&self, error: &Error, batch: Vec<Pending>, for_good: bool) {
        let path = self.path.display();
        if for_good {
            self.read_only.store(true, Ordering::Release);
            let message =
                format_args!("{error}; {path} is read-only from now on: check the disk, then restart");
            self.log.critical(LOGGER, message);
        } else {
            self.log.error(LOGGER, format_args!("{error}; the transactions on their way are aborted"));
        }
        let (disk, last) = {
            let published = self.published();
            (published.disk.clone(), published.last)
        };
        let mut commit = locked(&self.commit);
        (commit.end, commit.last, commit.busy) = (commit.durable, last, false);
        commit.lost = Some(error.clone());
        commit.losses += 1;
        commit.recent.clear();
        let waiting = mem::take(&mut commit.queue);
        if matches!(commit.phase, Phase::Voted(..)) {
            commit.phase = Phase::Free;
        }
        self.truncate(disk.as_ref(), commit.durable);
        self.wake(&commit);
        drop(commit);
        for pending in batch.into_iter().chain(waiting) {
            (pending.finished)(Err(error.clone()));
        }
    }

    /// A batch is published: those that wait for nothing else to be on its way may go on.
    pub(super) fn batch_done(&self) {
        let mut commit = locked(&self.commit);
        commit.busy = false;
        self.wake(&commit);
    }

    /// Wakes those that have waited for the end of a batch, if any have: it is a system call each time.
    fn wake(&self, commit: &Commit) {
        if commit.idlers > 0 {
            self.idle.notify_all();
        }
        if commit.closing || !commit.queue.is_empty() {
            self.work.notify_one();
        }
    }
}

/// What a vote builds on.
struct Base {
    snapshot: Snapshot,
    last: Tid,
    losses: u64,
}

/// The id of the next transaction.
fn new_tid(given: Option<Tid>, last: Tid) -> Result<Tid, Error> {
    let none_left = || Error::Transaction("there are no transaction ids left".to_owned());
    match given {
        None => last.next(SystemTime::now()).ok_or_else(none_left),
        Some(tid) if tid > last && tid <= Tid::MAX => Ok(tid),
        Some(tid) => {
            let reason = format!("transaction {tid} cannot follow transaction {last}");
            Err(Error::Transaction(reason))
        }
    }
}

/// Each object once, with its last record.
fn last_of_each(mut records: Vec<(Oid, Now)>) -> Vec<(Oid, Now)> {
    if records.len() > 1 {
        let mut seen = HashSet::with_capacity(records.len());
        records.reverse();
        records.retain(|(oid, _)| seen.insert(*oid));
        records.reverse();
    }
    records
}
