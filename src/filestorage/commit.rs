//! The way of a transaction: voted, finished, made durable together with others, published.
//!
//! ```text
//!            vote            finish             fsync            publish
//!   Free -> Voting -> Voted -------> queue ----------> batch -----------> index
//!              |        |    status ' '     all that wait,     one after the other,
//!              +--------+--> Free           by one thread      in their order
//!            error   abort: truncate
//! ```
//!
//! What is in the queue or the batch is in `recent` too: the next transaction must not contradict it.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::format::{LARGEST_POSITION, STATUS_AT, Status};
use super::snapshot::Snapshot;
use super::vote::{self, Plan, Planned, Present};
use super::write::{self, Failure, Placed};
use super::{Core, LOGGER, locked};
use crate::storage::{Error, Finished, Oid, Ticket, Tid, Transaction, Vote};

/// Where the transactions on their way are.
#[derive(Default)]
pub(super) struct Commit {
    phase: Phase,
    /// The end of the last finished transaction: the next one is written there.
    end: u64,
    /// The last finished transaction.
    last: Tid,
    /// The end of the last transaction that is on the disk for certain.
    durable: u64,
    /// Where the records of transactions are that are finished but not yet published.
    recent: HashMap<Oid, u64>,
    /// Finished transactions that wait for their fsync.
    pub(super) queue: Vec<Pending>,
    tickets: u64,
    /// Why nothing can be written any more.
    broken: Option<Error>,
    pub(super) closing: bool,
}

#[derive(Default)]
enum Phase {
    #[default]
    Free,
    Voting,
    Voted(Voted),
}

struct Voted {
    ticket: Ticket,
    placed: Placed,
    status: Status,
    /// The last record of each object.
    records: Vec<(Oid, u64)>,
}

/// A finished transaction that is not yet published.
pub(super) struct Pending {
    pub(super) tid: Tid,
    pub(super) end: u64,
    pub(super) records: Vec<(Oid, u64)>,
    pub(super) finished: Finished,
}

impl Commit {
    /// Nothing on its way, after this end and transaction.
    pub(super) fn after(end: u64, last: Tid) -> Self {
        Self { end, last, durable: end, ..Self::default() }
    }

    /// A batch is published.
    pub(super) fn done(&mut self, end: u64, records: &[(Oid, u64)]) {
        self.durable = end;
        for (oid, at) in records {
            if self.recent.get(oid) == Some(at) {
                self.recent.remove(oid);
            }
        }
    }
}

/// The storage as the next transaction finds it.
struct WithRecent<'a>(&'a Core);

impl Present for WithRecent<'_> {
    fn position(&self, oid: Oid) -> Option<u64> {
        // In this order: a record leaves `recent` when it is in the index.
        let recent = locked(&self.0.commit).recent.get(&oid).copied();
        recent.or_else(|| self.0.published().index.get(oid))
    }
}

impl Core {
    /// See [`Storage::vote`](crate::storage::Storage::vote).
    pub(super) fn vote(&self, transaction: &Transaction) -> Result<Vote, Error> {
        let (snapshot, last) = self.begin_vote()?;
        let result = self.judge_and_write(transaction, &snapshot, last);
        let mut commit = locked(&self.commit);
        commit.phase = Phase::Free;
        // The disk failed meanwhile: whoever saw that left the truncation to us, who were still writing.
        if let Some(error) = commit.broken.clone() {
            self.truncate(snapshot.disk.as_ref(), commit.durable);
            return Err(error);
        }
        match result {
            Ok(Ok(mut voted)) => {
                commit.tickets += 1;
                let ticket = Ticket(commit.tickets);
                let tid = voted.placed.tid;
                voted.ticket = ticket;
                commit.phase = Phase::Voted(voted);
                Ok(Vote::Written { ticket, tid, changed: Vec::new() })
            }
            Ok(Err(conflicts)) => Ok(conflicts),
            Err(error) => Err(error),
        }
    }

    /// Takes the storage for a vote.
    fn begin_vote(&self) -> Result<(Snapshot, Tid), Error> {
        if self.read_only.load(Ordering::Acquire) {
            return Err(Error::ReadOnly);
        }
        let snapshot = self.published().snapshot(&self.path);
        let mut commit = locked(&self.commit);
        if !matches!(commit.phase, Phase::Free) {
            return Err(Error::Transaction("another transaction has been voted on".to_owned()));
        }
        commit.phase = Phase::Voting;
        Ok((Snapshot { end: commit.end, ..snapshot }, commit.last))
    }

    fn judge_and_write(
        &self,
        transaction: &Transaction,
        snapshot: &Snapshot,
        last: Tid,
    ) -> Result<Result<Voted, Vote>, Error> {
        let meta = &transaction.meta;
        let tid = new_tid(meta.tid, last)?;
        let planned = match vote::plan(transaction, snapshot, &WithRecent(self))? {
            Plan::Write(planned) => planned,
            Plan::Conflicts(conflicts) => return Ok(Err(Vote::Conflicts(conflicts))),
        };
        let placed = Placed::new(tid, snapshot.end, meta, &planned).ok_or(Error::Quota)?;
        self.check_room(&placed, &planned)?;
        let header = write::header(&placed, meta)?;
        self.raise_largest_oid(&planned);
        match write::write(snapshot.disk.as_ref(), &placed, &header, transaction, &planned) {
            Ok(records) => {
                let status = if meta.packed { Status::PACKED } else { Status::NORMAL };
                let records = last_of_each(records);
                Ok(Ok(Voted { ticket: Ticket(0), placed, status, records }))
            }
            Err(failure) => {
                self.truncate(snapshot.disk.as_ref(), placed.start);
                Err(match failure {
                    Failure::Disk(error) => self.log_failure(snapshot.failed("write", error)),
                    Failure::Spool(error) => self.log_failure(error),
                })
            }
        }
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
    pub(super) fn finish(&self, ticket: Ticket, finished: Finished) {
        if let Err((error, finished)) = self.try_finish(ticket, finished) {
            finished(Err(error));
        }
    }

    fn try_finish(&self, ticket: Ticket, finished: Finished) -> Result<(), (Error, Finished)> {
        let disk = self.published().disk.clone();
        let mut commit = locked(&self.commit);
        let voted = match commit.take(ticket) {
            Ok(voted) => voted,
            Err(error) => return Err((error, finished)),
        };
        let placed = &voted.placed;
        if let Err(error) = disk.write(&[voted.status.0], placed.start + STATUS_AT) {
            self.truncate(disk.as_ref(), placed.start);
            let error = super::snapshot::failed("write", &self.path, error);
            return Err((self.log_failure(error), finished));
        }
        commit.end = placed.end();
        commit.last = placed.tid;
        commit.recent.extend(voted.records.iter().copied());
        let Voted { placed, records, .. } = voted;
        commit.queue.push(Pending { tid: placed.tid, end: placed.end(), records, finished });
        drop(commit);
        self.work.notify_one();
        Ok(())
    }

    /// See [`Storage::abort`](crate::storage::Storage::abort).
    pub(super) fn abort(&self, ticket: Ticket) {
        let disk = self.published().disk.clone();
        let mut commit = locked(&self.commit);
        if let Ok(voted) = commit.take(ticket) {
            self.truncate(disk.as_ref(), voted.placed.start);
        }
    }

    /// Takes back what has been voted on and nothing else.
    pub(super) fn abort_any(&self) {
        let ticket = match &locked(&self.commit).phase {
            Phase::Voted(voted) => voted.ticket,
            _ => return,
        };
        self.abort(ticket);
    }

    /// Cuts the file off where the last transaction ends. If that fails there is something behind the end that the next
    /// start would look at: nothing more may be written.
    fn truncate(&self, disk: &dyn super::disk::Disk, end: u64) {
        if let Err(error) = disk.truncate(end) {
            self.read_only.store(true, Ordering::Release);
            let path = self.path.display();
            let message =
                format_args!("cannot truncate {path} at byte {end}: {error}; it is read-only from now on");
            self.log.critical(LOGGER, message);
        }
    }

    fn log_failure(&self, error: Error) -> Error {
        self.log.error(LOGGER, format_args!("{error}; the transaction is aborted"));
        error
    }

    /// After a failed fsync nobody knows what is on the disk: Linux may have dropped what it could not write, and the next
    /// fsync would succeed. So nothing that waits is ever published, and nothing is written any more.
    pub(super) fn give_up(&self, error: &Error, batch: Vec<Pending>) {
        self.read_only.store(true, Ordering::Release);
        let path = self.path.display();
        let message = format_args!("{error}; {path} is read-only from now on: check the disk, then restart");
        self.log.critical(LOGGER, message);
        let disk = self.published().disk.clone();
        let mut commit = locked(&self.commit);
        commit.broken = Some(error.clone());
        commit.recent.clear();
        let waiting = mem::take(&mut commit.queue);
        if !matches!(commit.phase, Phase::Voting) {
            commit.phase = Phase::Free;
            self.truncate(disk.as_ref(), commit.durable);
        }
        drop(commit);
        for pending in batch.into_iter().chain(waiting) {
            (pending.finished)(Err(error.clone()));
        }
    }
}

impl Commit {
    /// The transaction of this ticket; the storage is free then.
    fn take(&mut self, ticket: Ticket) -> Result<Voted, Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        match mem::take(&mut self.phase) {
            Phase::Voted(voted) if voted.ticket == ticket => Ok(voted),
            other => {
                self.phase = other;
                Err(Error::Transaction("this transaction has not been voted on".to_owned()))
            }
        }
    }
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
fn last_of_each(mut records: Vec<(Oid, u64)>) -> Vec<(Oid, u64)> {
    if records.len() > 1 {
        let mut seen = HashSet::with_capacity(records.len());
        records.reverse();
        records.retain(|(oid, _)| seen.insert(*oid));
        records.reverse();
    }
    records
}
