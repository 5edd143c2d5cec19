//! Committing: voting, finishing and aborting transactions.
//!
//! ```text
//!            vote           finish           write, fsync                publish
//!   free -> locked ------------------> queue ------------> batch ------------------> visible
//!              |                        all that wait, by the syncer     in one step
//!              +--> free
//!        refused, aborted
//! ```
//!
//! What is in the queue or the batch is in `recent` too: the next transaction must not contradict it.
//!
//! An accepted vote promises that the finish will not fail for want of space. A small transaction stays in memory until it
//! is in the batch, and at its vote the space for it is set aside on the disk. For a write to a file waits while an fsync of
//! the file runs (on ext4, 120 microseconds where the fsync takes 180), so that with a write in each vote hardly two
//! transactions would ever share an fsync. A large transaction, and any where space cannot be set aside, is written at its
//! vote, with a status that says that it is not finished; it waits until nothing else is in flight, so that there is never
//! a gap before it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::SystemTime;

use super::LOGGER;
use super::disk::Disk;
use super::format::{LARGEST_POSITION, Status};
use super::in_flight::{Accepted, InFlight, Pending};
use super::plan::{self, CurrentRecord, Planned, count_new, last_of_each};
use super::snapshot::{Snapshot, failed};
use super::undo::{self, Places};
use super::view::{State, View};
use super::write::{self, Failure, Placed, Written};
use crate::eventlog::EventLog;
use crate::storage::{
    CommitListener, Completion, Conflict, Draft, Error, Judgement, Lookup, Merge, Oid, Present, Tid, Wait,
    judge, lock, next_tid,
};

/// The largest transaction that stays in memory until it is made durable.
const MAX_BYTES_IN_MEMORY: u64 = 256 << 10;
/// Bytes of such transactions that may wait.
const MAX_QUEUED_BYTES: usize = 16 << 20;
/// The longest vote that is judged with [`Wait::Refused`].
const MAX_STEPS_WITHOUT_WAIT: usize = 100;
/// Space that is set aside at a time.
const RESERVE_BYTES: u64 = 4 << 20;

/// What writes the file.
pub(super) struct Writer {
    pub(super) view: Arc<View>,
    pub(super) log: Arc<EventLog>,
    quota: Option<u64>,
    /// By configuration, or since the disk failed.
    pub(super) read_only: AtomicBool,
    pub(super) in_flight: Mutex<InFlight>,
    /// A pack waits for the commit lock, and is next. Changed with the lock of `in_flight`.
    exclusive: AtomicBool,
    /// There is something in the queue, or the storage is closed.
    pub(super) work: Condvar,
    /// The commit lock is free, or transactions were published or lost.
    changed: Condvar,
    /// Up to here there is space on the disk.
    reserved: AtomicU64,
    /// In use or given out.
    pub(super) largest_oid: Mutex<u64>,
    pub(super) listener: OnceLock<Arc<dyn CommitListener>>,
    pub(super) merge: OnceLock<Merge>,
}

/// What a vote builds on.
pub(super) struct Base {
    pub(super) snapshot: Snapshot,
    last: Tid,
    losses: u64,
}

/// The current records as the next transaction finds them.
struct WithRecent<'a> {
    writer: &'a Writer,
    snapshot: &'a Snapshot,
    /// The latest unpublished transaction that was looked at.
    unpublished: Cell<Tid>,
}

impl Lookup for WithRecent<'_> {
    type Record = u64;

    fn largest(&self) -> Oid {
        Oid(*lock(&self.writer.largest_oid))
    }

    fn current(&self, oid: Oid) -> Result<Option<Present<u64>>, Error> {
        // In this order: a record leaves `recent` when it is in the index.
        let recent = lock(&self.writer.in_flight).recent.get(&oid).copied();
        if let Some(CurrentRecord { at, tid, deleted }) = recent {
            self.unpublished.set(self.unpublished.get().max(tid));
            return Ok(Some(Present { tid, deleted, record: at }));
        }
        let Some(at) = self.writer.view.published().index.get(oid) else { return Ok(None) };
        let found = self.snapshot.record(at, Some(oid))?;
        Ok(Some(Present { tid: found.header.tid, deleted: found.is_end_of_object(), record: at }))
    }
}

/// The commit lock during a vote.
pub(super) struct Voting<'a> {
    writer: &'a Writer,
}

impl Drop for Voting<'_> {
    fn drop(&mut self) {
        let writer = self.writer;
        let mut in_flight = lock(&writer.in_flight);
        in_flight.locked = false;
        // What a large one has written is behind the end of all others, which are in the file.
        if thread::panicking() && in_flight.is_idle() {
            writer.truncate(writer.view.disk().as_ref(), in_flight.durable);
        }
        writer.wake(&in_flight);
    }
}

impl Writer {
    pub(super) fn new(
        view: Arc<View>,
        log: Arc<EventLog>,
        quota: Option<u64>,
        read_only: bool,
        largest_oid: u64,
    ) -> Self {
        let stats = view.stats();
        Self {
            view,
            log,
            quota,
            read_only: AtomicBool::new(read_only),
            in_flight: Mutex::new(InFlight::after(stats.bytes, stats.last_tid)),
            exclusive: AtomicBool::new(false),
            work: Condvar::new(),
            changed: Condvar::new(),
            reserved: AtomicU64::new(0),
            largest_oid: Mutex::new(largest_oid),
            listener: OnceLock::new(),
            merge: OnceLock::new(),
        }
    }

    /// See [`Transaction::vote`](crate::storage::Transaction::vote). A transaction that lost to one which is not published yet
    /// is refused when that is, and judged anew when that is lost.
    pub(super) fn vote(
        &self,
        draft: &mut Draft,
        wait: Wait,
    ) -> Result<Result<Accepted, Vec<Conflict>>, Error> {
        let looks_back = plan::looks_back(draft.steps());
        if wait == Wait::Refused && (looks_back || draft.steps().len() > MAX_STEPS_WITHOUT_WAIT) {
            return Err(Error::WouldWait);
        }
        let undone = undo::locate(&self.view.snapshot(wait), draft.steps())?;
        loop {
            let (voting, base) = self.begin_vote(wait, looks_back)?;
            let lookup =
                WithRecent { writer: self, snapshot: &base.snapshot, unpublished: Cell::new(Tid::ZERO) };
            let outcome = self.judge_and_write(draft, &undone, &base, wait, &lookup);
            if let Err(Error::WouldWait) = outcome {
                return outcome;
            }
            if let Ok(Ok(_)) = outcome {
                if lock(&self.in_flight).losses == base.losses {
                    std::mem::forget(voting);
                    return outcome;
                }
                continue;
            }
            drop(voting);
            if self.until_published(lookup.unpublished.get(), base.losses, wait)? {
                return outcome;
            }
        }
    }

    /// Takes the commit lock.
    fn begin_vote(&self, wait: Wait, when_idle: bool) -> Result<(Voting<'_>, Base), Error> {
        let mut in_flight = lock(&self.in_flight);
        while in_flight.locked || self.exclusive.load(Ordering::Acquire) {
            in_flight = self.until_changed(in_flight, wait)?;
        }
        self.lock(in_flight, wait, when_idle)
    }

    /// Takes the commit lock before all that wait for it, when nothing is in flight.
    pub(super) fn begin_exclusive(&self) -> Result<(Voting<'_>, Base), Error> {
        let mut in_flight = lock(&self.in_flight);
        self.exclusive.store(true, Ordering::Release);
        while in_flight.locked {
            in_flight = self.until_changed(in_flight, Wait::Allowed)?;
        }
        self.exclusive.store(false, Ordering::Release);
        self.lock(in_flight, Wait::Allowed, true)
    }

    fn lock<'a>(
        &'a self,
        mut in_flight: MutexGuard<'a, InFlight>,
        wait: Wait,
        when_idle: bool,
    ) -> Result<(Voting<'a>, Base), Error> {
        if self.read_only.load(Ordering::Acquire) {
            return Err(Error::ReadOnly);
        }
        in_flight.locked = true;
        let voting = Voting { writer: self };
        if when_idle {
            in_flight = self.until_idle(in_flight);
        }
        let (end, last, losses) = (in_flight.end, in_flight.last, in_flight.losses);
        drop(in_flight);
        let snapshot = Snapshot { end, ..self.view.snapshot(wait) };
        Ok((voting, Base { snapshot, last, losses }))
    }

    fn judge_and_write(
        &self,
        draft: &mut Draft,
        known: &Places,
        base: &Base,
        wait: Wait,
        lookup: &WithRecent<'_>,
    ) -> Result<Result<Accepted, Vec<Conflict>>, Error> {
        let snapshot = &base.snapshot;
        let tid = next_tid(base.last, draft.meta.tid, SystemTime::now())?;
        let steps = draft.steps().iter().copied();
        let changes = match judge(lookup, steps, |range| range.length() == 0)? {
            Judgement::Accepted(changes) => changes,
            Judgement::Conflicts(conflicts) => return draft.conflicts(conflicts).map(Err),
        };
        let how = (known, self.merge.get().copied());
        let (planned, undone) = undo::plan(draft, snapshot, lookup, changes, how)?;
        let (draft, meta) = (&*draft, &draft.meta);
        let placed = Placed::new(tid, snapshot.end, meta, &planned).ok_or(Error::Quota)?;
        self.check_room(&placed, &planned)?;
        let status = if meta.packed { Status::PACKED } else { Status::NORMAL };
        let header = placed.header(meta, status)?;
        let disk = snapshot.disk.as_ref();
        let written = if self.stays_in_memory(disk, &placed, wait)? {
            write::write(None, &placed, &header, draft, &planned)
        } else {
            if wait == Wait::Refused {
                return Err(Error::WouldWait);
            }
            let in_flight = self.until_idle(lock(&self.in_flight));
            if let Some(lost) = in_flight.lost.clone().filter(|_| in_flight.losses != base.losses) {
                return Err(lost);
            }
            drop(in_flight);
            let header = placed.header(meta, Status::CHECKPOINT)?;
            write::write(Some(disk), &placed, &header, draft, &planned)
        };
        self.raise_largest_oid(&planned);
        match written {
            Ok(Written { records, bytes }) => {
                let records = last_of_each(records);
                let losses = base.losses;
                let new_objects = count_new(&planned);
                Ok(Ok(Accepted { placed, status, records, new_objects, bytes, changed: undone, losses }))
            }
            Err(failure) => {
                self.truncate(disk, placed.start);
                Err(match failure {
                    Failure::Spool(error) => error,
                    Failure::Disk(error) => snapshot.failed("write", error),
                })
            }
        }
    }

    /// Whether a transaction is written only when it is made durable: it is small, and there is space for it.
    fn stays_in_memory(&self, disk: &dyn Disk, placed: &Placed, wait: Wait) -> Result<bool, Error> {
        let queued: usize = lock(&self.in_flight).queue.iter().map(|pending| pending.bytes.len()).sum();
        if placed.full_length() > MAX_BYTES_IN_MEMORY || queued > MAX_QUEUED_BYTES {
            return Ok(false);
        }
        if placed.end() <= self.reserved.load(Ordering::Acquire) {
            return Ok(true);
        }
        if wait == Wait::Refused {
            return Err(Error::WouldWait);
        }
        // Where space is scarce, no more than is needed.
        let reserved =
            disk.reserve(placed.start, RESERVE_BYTES).map(|can| (can, RESERVE_BYTES)).or_else(|_| {
                let needed = placed.full_length();
                disk.reserve(placed.start, needed).map(|can| (can, needed))
            });
        let (can, length) = reserved.map_err(|error| failed("write", &self.view.path, error))?;
        if can {
            self.reserved.store(placed.start + length, Ordering::Release);
        }
        Ok(can)
    }

    /// Waits until something has changed.
    fn until_changed<'a>(
        &self,
        mut in_flight: MutexGuard<'a, InFlight>,
        wait: Wait,
    ) -> Result<MutexGuard<'a, InFlight>, Error> {
        if wait == Wait::Refused {
            return Err(Error::WouldWait);
        }
        in_flight.waiting += 1;
        in_flight = self.changed.wait(in_flight).unwrap_or_else(PoisonError::into_inner);
        in_flight.waiting -= 1;
        Ok(in_flight)
    }

    /// Waits until all that was finished is published or lost.
    fn until_idle<'a>(&self, mut in_flight: MutexGuard<'a, InFlight>) -> MutexGuard<'a, InFlight> {
        while !in_flight.is_idle() {
            in_flight.waiting += 1;
            in_flight = self.changed.wait(in_flight).unwrap_or_else(PoisonError::into_inner);
            in_flight.waiting -= 1;
        }
        in_flight
    }

    /// Waits until a finished transaction is published; false: it was lost.
    fn until_published(&self, tid: Tid, losses: u64, wait: Wait) -> Result<bool, Error> {
        let mut in_flight = lock(&self.in_flight);
        while in_flight.losses == losses && in_flight.published < tid {
            in_flight = self.until_changed(in_flight, wait)?;
        }
        Ok(in_flight.losses == losses)
    }

    /// No record may begin behind the quota, or where no index can name it.
    fn check_room(&self, placed: &Placed, planned: &[Planned]) -> Result<(), Error> {
        let last = planned.last().map_or(0, Planned::length);
        let begins = placed.start + placed.length - last;
        let most = self.quota.unwrap_or(LARGEST_POSITION).min(LARGEST_POSITION);
        if last > 0 && begins > most { Err(Error::Quota) } else { Ok(()) }
    }

    fn raise_largest_oid(&self, planned: &[Planned]) {
        if let Some(largest) =
            planned.iter().map(|record| record.oid).filter(|oid| *oid <= Oid::MAX_FOLLOWED).max()
        {
            let mut oids = lock(&self.largest_oid);
            *oids = largest.0.max(*oids);
        }
    }

    /// See [`Transaction::finish`](crate::storage::Transaction::finish).
    pub(super) fn finish(&self, accepted: Accepted, completion: Completion) {
        let mut in_flight = lock(&self.in_flight);
        if in_flight.closing || in_flight.losses != accepted.losses {
            let error = in_flight.lost.clone().unwrap_or_else(Error::not_voted);
            drop(in_flight);
            self.abort(&accepted);
            return completion.call(Err(error));
        }
        in_flight.locked = false;
        in_flight.enqueue(accepted, completion);
        if !in_flight.syncing {
            self.work.notify_one();
        }
        self.wake(&in_flight);
    }

    /// Takes an accepted transaction back.
    pub(super) fn abort(&self, accepted: &Accepted) {
        let mut in_flight = lock(&self.in_flight);
        in_flight.locked = false;
        if accepted.bytes.is_empty() && !in_flight.closing && in_flight.losses == accepted.losses {
            self.truncate(self.view.disk().as_ref(), accepted.placed.start);
        }
        self.wake(&in_flight);
    }

    /// Lets the syncer do what is left and end.
    pub(super) fn close(&self) {
        lock(&self.in_flight).closing = true;
        self.work.notify_one();
    }

    /// Writes go to another file from now on, with the same transactions; with the commit lock and nothing in flight.
    pub(super) fn move_to(&self, state: State) {
        let mut in_flight = lock(&self.in_flight);
        (in_flight.end, in_flight.durable) = (state.end, state.end);
        self.reserved.store(0, Ordering::Release);
        self.view.replace(state);
    }

    /// Gives back what is behind the last transaction: space that was set aside, and a transaction that was voted on.
    pub(super) fn release_end(&self) {
        let in_flight = lock(&self.in_flight);
        if in_flight.locked || self.reserved.load(Ordering::Acquire) > 0 {
            self.truncate(self.view.disk().as_ref(), in_flight.durable);
        }
    }

    /// Cuts the file off where the last transaction ends. If that fails there is something behind the end that the next
    /// start would look at: nothing more may be written.
    fn truncate(&self, disk: &dyn Disk, end: u64) {
        // What was set aside behind the end is given back as well.
        self.reserved.store(0, Ordering::Release);
        if let Err(error) = disk.truncate(end) {
            self.fail(&failed("truncate", &self.view.path, error));
        }
    }

    /// Gives up all that is finished but not durable: the batch could not be written, or not be made durable. After the
    /// latter it is unknown what is on the disk (Linux may have dropped what it could not write, and the next fsync would
    /// succeed): nothing is written any more.
    pub(super) fn give_up(&self, error: &Error, batch: Vec<Pending>, for_good: bool) {
        if for_good {
            self.fail(error);
        } else {
            self.log.error(LOGGER, format_args!("{error}; the transactions in flight are aborted"));
        }
        let mut in_flight = lock(&self.in_flight);
        let waiting = in_flight.lose(error);
        self.truncate(self.view.disk().as_ref(), in_flight.durable);
        self.wake(&in_flight);
        drop(in_flight);
        for completion in batch.into_iter().chain(waiting).filter_map(|pending| pending.completion) {
            completion.call(Err(error.clone()));
        }
    }

    /// Nothing is written any more.
    pub(super) fn fail(&self, error: &Error) {
        if !self.read_only.swap(true, Ordering::AcqRel) {
            let path = self.view.path.display();
            let message = format_args!("{error}; nothing more is written to {path}: mend it, then restart");
            self.log.critical(LOGGER, message);
            if let Some(listener) = self.listener.get() {
                listener.failed();
            }
        }
    }

    /// A batch is published.
    pub(super) fn published(&self, batch: &[Pending]) {
        let mut in_flight = lock(&self.in_flight);
        in_flight.published(batch);
        self.wake(&in_flight);
    }

    /// Wakes those that wait for a change, if any do: it is a system call each time.
    fn wake(&self, in_flight: &InFlight) {
        if in_flight.waiting > 0 {
            self.changed.notify_all();
        }
    }
}
