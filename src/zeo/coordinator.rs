//! Commits of a storage's clients: who may vote, and what becomes of votes and finishes. A vote runs in the client's own task
//! when the commit lock is free, in the task that releases it otherwise. No thread waits for the lock, and none sleeps
//! while it is free and wanted.

use std::fmt::Arguments;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::blocking;
use super::client_log::ClientLog;
use super::commit_lock::{Admission, CommitLock, Departure, Standing};
use super::exception::{Exception, dict, oid, serial, tid};
use super::peer::Peer;
use super::stats::{Stats, count};
use super::sync::{Mutex, lock};
use crate::eventlog::Level;
use crate::pickle::Value;
use crate::storage::{Completion, Conflict, Error, Transaction, Vote, Wait};

/// A client's transaction, shared by its session and the task that runs its vote.
pub type Slot = Mutex<Stage>;

/// Where it is.
pub enum Stage {
    /// With the session; more may come.
    Collecting(Collecting),
    /// In the queue, or voted.
    Voting,
    /// It is finished or aborted, or its vote has failed.
    Ended,
}

/// A transaction that operations are added to.
pub struct Collecting {
    /// The transaction, or why it cannot be committed, which its vote is answered with.
    pub transaction: Result<Box<dyn Transaction>, Error>,
    /// Operations so far.
    pub steps: usize,
    /// The log says why it cannot be committed.
    pub reported: bool,
}

/// A transaction to be voted on.
pub struct VoteRequest {
    /// Whose.
    pub peer: Arc<Peer>,
    /// The id of the message that is to be answered.
    pub message: Value,
    /// What is voted on.
    pub transaction: Box<dyn Transaction>,
    /// Operations in it.
    pub steps: usize,
    /// Where its session sees what it has become.
    pub slot: Arc<Slot>,
    /// How often this transaction has met conflicts.
    pub conflicts: u32,
}

/// After so many votes with conflicts in one transaction its client keeps the lock while it resolves them. Clients give up
/// after nine, wrongly with a `tpc_finish` (ZEO 6.2): where many change the same objects, one would starve otherwise.
const CONFLICTS_BEFORE_RESERVATION: u32 = 2;
/// So many votes are what clients try. Beyond, a client that meets conflicts could keep the lock for ever by voting on.
const MAX_VOTES_WITH_RESERVATION: u32 = 9;
/// How long it keeps it: the resolution takes it a few messages.
const RESOLUTION_TIMEOUT: Duration = Duration::from_secs(2);

/// With more than so many waiting there is a warning in the log.
const LONG_QUEUE: usize = 3;
/// With more than so many the line is a critical one.
const VERY_LONG_QUEUE: usize = 9;

/// The commits of one storage.
pub struct CommitCoordinator {
    /// The storage's name, for the log.
    name: String,
    log: ClientLog,
    stats: Arc<Stats>,
    /// How long a client may keep the lock after its vote.
    timeout: Option<Duration>,
    commit_lock: Mutex<CommitLock<Arc<Peer>, VoteRequest, Box<dyn Transaction>>>,
}

impl CommitCoordinator {
    /// That of the storage `name`.
    pub fn new(name: String, log: ClientLog, stats: Arc<Stats>, timeout: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { name, log, stats, timeout, commit_lock: Mutex::default() })
    }

    /// Whether there is a transaction timeout.
    pub fn has_timeout(&self) -> bool {
        self.timeout.is_some()
    }

    /// When the commit lock was taken (`None`: it is free), and how many wait for it.
    pub fn load(&self) -> (Option<SystemTime>, usize) {
        let commit_lock = lock(&self.commit_lock);
        (commit_lock.since(), commit_lock.waiting())
    }

    /// How a client stands with the commit lock.
    pub fn standing(&self, peer: &Arc<Peer>) -> Standing {
        lock(&self.commit_lock).standing(peer)
    }

    /// A client votes; the reply goes to its outbox, now or later.
    ///
    /// # Errors
    /// It has voted already.
    pub fn vote(self: &Arc<Self>, request: VoteRequest) -> Result<(), Exception> {
        let peer = request.peer.clone();
        let admission = lock(&self.commit_lock).ask(&peer, request, SystemTime::now());
        let already =
            |how: &str| Exception::transaction(vec![Value::Text(format!("Already voting ({how})"))]);
        match admission {
            Admission::Granted(request) => self.run(request),
            Admission::Waits(waiting) => {
                let level = if waiting > VERY_LONG_QUEUE {
                    Level::CRITICAL
                } else if waiting > LONG_QUEUE {
                    Level::WARNING
                } else {
                    Level::DEBUG
                };
                let what = format_args!("waits for the commit lock of '{}': {waiting} waiting", self.name);
                self.log.about(level, &peer, what);
            }
            Admission::HoldsIt => return Err(already("locked")),
            Admission::WaitsAlready => return Err(already("waiting")),
        }
        Ok(())
    }

    /// A client finishes what it has voted on; the reply goes to its outbox when it is durable. `false`: it has not voted.
    pub fn finish(self: &Arc<Self>, peer: &Arc<Peer>, message: Value) -> bool {
        let Some(transaction) = lock(&self.commit_lock).take(peer) else { return false };
        peer.begin_reply();
        let (stats, log, committer) = (self.stats.clone(), self.log.clone(), peer.clone());
        let completion = Completion::new(peer.number(), move |outcome| {
            let mut reply = Vec::new();
            match outcome {
                Ok(done) => {
                    count(&stats.commits);
                    committer.encoding().reply(&message, tid(done), &mut reply);
                    committer.outbox.push_after(&reply);
                }
                Err(error) => {
                    let exception = Exception::from(&error);
                    log.exception(&committer, "tpc_finish", &exception);
                    committer.encoding().error(&message, exception.name, exception.arguments, &mut reply);
                    committer.outbox.push_async(&reply);
                }
            }
            committer.end_reply();
        });
        self.or_end(format_args!("finishing a transaction"), || transaction.finish(completion));
        self.pass_on();
        true
    }

    /// A client gives up its place in the queue, its vote or nothing. Returns the request that it waited with, which has no
    /// answer yet.
    pub fn leave(self: &Arc<Self>, peer: &Arc<Peer>) -> Option<VoteRequest> {
        let departure = lock(&self.commit_lock).leave(peer);
        match departure {
            Departure::Place(request) => return Some(request),
            Departure::Vote(transaction) => {
                self.abort(transaction);
                self.pass_on();
            }
            Departure::Reservation => self.pass_on(),
            Departure::Nothing | Departure::Voting => {}
        }
        None
    }

    /// Ends the connection of a client that has had the commit lock for too long. Returns when to look again.
    pub fn expire(self: &Arc<Self>) -> Option<Instant> {
        let limit = self.timeout?;
        let now = Instant::now();
        let (overdue, next) = {
            let mut commit_lock = lock(&self.commit_lock);
            (commit_lock.expire(limit, now), commit_lock.next_overdue(limit, now))
        };
        let Some((peer, transaction)) = overdue else { return Some(next) };
        let seconds = limit.as_secs();
        self.log.about(Level::CRITICAL, &peer, format_args!("Transaction timeout after {seconds} seconds"));
        peer.outbox.close();
        self.abort(transaction);
        self.pass_on();
        Some(now + limit)
    }

    /// A transaction is over; it counts as active no more.
    pub fn discard(&self, slot: &Slot) {
        let before = std::mem::replace(&mut *lock(slot), Stage::Ended);
        if !matches!(before, Stage::Ended) {
            self.stats.active.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Releases the lock, and runs the next vote, and the next, until one holds it.
    fn pass_on(self: &Arc<Self>) {
        let next = self.release();
        self.run_others(next);
    }

    fn release(&self) -> Option<VoteRequest> {
        lock(&self.commit_lock).release(SystemTime::now())
    }

    /// Runs a vote, and those in the queue, until one holds the lock.
    fn run(self: &Arc<Self>, request: VoteRequest) {
        let next = self.try_vote(request, Wait::Refused);
        let next = next.or_else(|request| blocking(|| self.try_vote(request, Wait::Allowed)));
        self.run_others(next.unwrap_or(None));
    }

    /// Runs votes of clients that are not this task's: one that has to wait gets a task of its own, so that the client
    /// whose task this is has its own replies meanwhile.
    fn run_others(self: &Arc<Self>, mut next: Option<VoteRequest>) {
        while let Some(request) = next {
            next = match self.try_vote(request, Wait::Refused) {
                Ok(next) => next,
                Err(request) => {
                    let Ok(runtime) = Handle::try_current() else { return self.run(request) };
                    let coordinator = self.clone();
                    drop(runtime.spawn(async move { coordinator.run(request) }));
                    return;
                }
            };
        }
    }

    /// Runs a vote. Returns the next one, if this one does not hold the lock.
    ///
    /// # Errors
    /// The request: it has to wait, and may not.
    fn try_vote(
        self: &Arc<Self>,
        mut request: VoteRequest,
        wait: Wait,
    ) -> Result<Option<VoteRequest>, VoteRequest> {
        self.or_end(format_args!("carrying out a vote"), || {
            let vote = catch_unwind(AssertUnwindSafe(|| request.transaction.vote(wait)));
            let unknown = |_| Err(Error::Transaction("the vote failed for an unknown reason".to_owned()));
            match vote.unwrap_or_else(unknown) {
                Err(Error::WouldWait) if wait == Wait::Refused => Err(request),
                outcome => Ok(self.conclude(request, outcome)),
            }
        })
    }

    /// Answers a vote. Returns the next one, if this one does not hold the lock.
    fn conclude(self: &Arc<Self>, request: VoteRequest, outcome: Result<Vote, Error>) -> Option<VoteRequest> {
        let VoteRequest { peer, message, transaction, steps, slot, conflicts: before } = request;
        let encoding = peer.encoding();
        let (mut reply, mut next) = (Vec::new(), None);
        match outcome {
            Ok(Vote::Accepted { changed, .. }) => {
                let left = lock(&self.commit_lock).voted(transaction, Instant::now());
                if let Some(transaction) = left {
                    self.abort(transaction);
                    next = self.release();
                }
                let changed = changed.into_iter().map(oid).collect();
                encoding.reply(&message, Value::List(changed), &mut reply);
            }
            Ok(Vote::Conflicts(conflicts)) => {
                count(&self.stats.conflicts);
                {
                    let mut stage = lock(&slot);
                    if matches!(*stage, Stage::Voting) {
                        *stage = Stage::Collecting(Collecting {
                            transaction: Ok(transaction),
                            steps,
                            reported: false,
                        });
                    }
                }
                let may_keep = (CONFLICTS_BEFORE_RESERVATION..MAX_VOTES_WITH_RESERVATION).contains(&before);
                if !may_keep || !self.reserve() {
                    next = self.release();
                }
                encoding.reply(&message, conflicts_value(conflicts), &mut reply);
            }
            Err(error) => {
                if matches!(error, Error::Conflict { .. } | Error::ReadConflict { .. }) {
                    count(&self.stats.conflicts);
                }
                self.discard(&slot);
                self.abort(transaction);
                next = self.release();
                let exception = Exception::from(&error);
                self.log.exception(&peer, "vote", &exception);
                encoding.error(&message, exception.name, exception.arguments, &mut reply);
            }
        }
        peer.outbox.push_async(&reply);
        next
    }

    /// Keeps the lock for the client's next vote; `false`: it cannot be.
    fn reserve(self: &Arc<Self>) -> bool {
        // Without a clock it would be for ever.
        let Ok(runtime) = Handle::try_current() else { return false };
        let Some(reservation) = lock(&self.commit_lock).reserve() else { return false };
        let coordinator = self.clone();
        runtime.spawn(async move {
            sleep(RESOLUTION_TIMEOUT).await;
            if lock(&coordinator.commit_lock).expire_reservation(reservation) {
                coordinator.pass_on();
            }
        });
        true
    }

    fn abort(&self, transaction: Box<dyn Transaction>) {
        self.or_end(format_args!("taking back a vote"), || drop(transaction));
    }

    fn or_end<R>(&self, doing: Arguments<'_>, work: impl FnOnce() -> R) -> R {
        self.log.or_end(doing, work)
    }
}

/// Conflicts, for the client to resolve (ZEO-PROTOCOL section 11).
fn conflicts_value(conflicts: Vec<Conflict>) -> Value {
    let one = |conflict: Conflict| {
        dict([
            ("oid", oid(conflict.oid)),
            ("serials", Value::Tuple(vec![tid(conflict.committed), serial(conflict.given)])),
            ("data", Value::Bytes(conflict.data)),
        ])
    };
    Value::List(conflicts.into_iter().map(one).collect())
}
