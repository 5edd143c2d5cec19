//! Votes carried out: by the client's own task when the commit lock is free, by whoever releases it otherwise. No thread
//! waits for the lock, and none sleeps while it is free and wanted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::blocking;
use super::commit::{Left, Standing, Turn};
use super::exception::{Exception, dict, oid, serial, tid};
use super::peer::Peer;
use super::served::{LOGGER, Served};
use super::stats::count;
use super::sync::{Mutex, lock};
use crate::eventlog::Level;
use crate::pickle::Value;
use crate::storage::{Conflict, Errand, Error, Step, Ticket, Tid, Transaction, Vote};

/// A client's transaction, shared by its session and whoever carries out its vote.
pub type Slot = Mutex<Stage>;

/// Where it is.
#[derive(Debug)]
pub enum Stage {
    /// With the session; more may come.
    Collecting(Box<Transaction>),
    /// In the queue, or voted.
    Away,
    /// Its vote has failed; it is forgotten.
    Gone,
}

/// A wish to vote.
pub struct Ballot {
    /// Whose.
    pub peer: Arc<Peer>,
    /// What its reply is to carry.
    pub message: Value,
    /// What is voted on.
    pub transaction: Transaction,
    /// Where it is seen as what it has become.
    pub slot: Arc<Slot>,
    /// How often this transaction has met conflicts.
    pub conflicts: u32,
}

/// What a client holds between its vote and its finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voted {
    ticket: Ticket,
    tid: Tid,
}

/// After so many votes with conflicts in one transaction its client keeps the lock while it resolves them. Clients give up
/// after nine, wrongly with a `tpc_finish` (ZEO 6.2): where many change the same objects, one would starve otherwise.
const PATIENCE: u32 = 2;
/// So many votes are what clients try. Beyond, who meets conflicts could keep the lock for ever by voting on.
const TRIES: u32 = 9;
/// How long it keeps it: the resolution takes it a few messages.
const RESOLUTION: Duration = Duration::from_secs(2);

/// The largest vote that [`is_small`].
const SMALL_STEPS: usize = 100;
const SMALL_BYTES: usize = 256 << 10;

/// Lines of the log about the length of the queue: more than so many are waiting.
const LONG: usize = 3;
const VERY_LONG: usize = 9;

impl Served {
    /// A client votes; the reply goes to its outbox, now or later.
    ///
    /// # Errors
    /// It has voted already.
    pub fn vote(self: &Arc<Self>, ballot: Ballot) -> Result<(), Exception> {
        let peer = ballot.peer.clone();
        let turn = lock(&self.queue).ask(&peer, ballot, SystemTime::now());
        let already =
            |how: &str| Exception::transaction(vec![Value::Text(format!("Already voting ({how})"))]);
        match turn {
            Turn::Now(ballot) => self.carry_out(ballot),
            Turn::Waits(waiting) => {
                let level = if waiting > VERY_LONG {
                    Level::CRITICAL
                } else if waiting > LONG {
                    Level::WARNING
                } else {
                    Level::DEBUG
                };
                self.tell(
                    level,
                    &peer,
                    format_args!("waits for the commit lock of '{}': {waiting} waiting", self.name),
                );
            }
            Turn::Locked => return Err(already("locked")),
            Turn::Waiting => return Err(already("waiting")),
        }
        Ok(())
    }

    /// Runs an errand next on this thread, so that none has to be woken first. Where there are other clients this thread
    /// is theirs, and the storage's own one does it.
    fn run(self: &Arc<Self>, errand: Errand) {
        let Ok(runtime) = Handle::try_current() else { return errand.run() };
        if !self.is_alone() || self.relief(&runtime).is_none() {
            return;
        }
        let errand = Arc::new(Mutex::new(Some(errand)));
        *lock(&self.errand) = Arc::downgrade(&errand);
        let served = self.clone();
        drop(runtime.clone().spawn(async move {
            let errand = lock(&errand).take();
            if let Some((errand, relief)) = errand.zip(served.relief(&runtime)) {
                let run = || relief.during(|| errand.run());
                served.or_end(format_args!("bringing transactions to the disk"), run);
            }
        }));
    }

    /// An errand that has not begun is the storage's own thread's: the task that has it may come next on this very thread,
    /// and a vote may wait for it.
    fn hand_over(&self) {
        if let Some(errand) = lock(&self.errand).upgrade() {
            drop(lock(&errand).take());
        }
    }

    /// How a client stands with the commit lock.
    pub fn standing(&self, peer: &Arc<Peer>) -> Standing {
        lock(&self.queue).standing(peer)
    }

    /// A client finishes what it has voted; the reply goes to its outbox when it is durable. `false`: it has not voted.
    pub fn finish(self: &Arc<Self>, peer: &Arc<Peer>, message: Value) -> bool {
        let Some(Voted { ticket, tid }) = lock(&self.queue).take(peer) else { return false };
        self.expect(tid, peer);
        peer.begin_reply();
        let (served, committer) = (self.clone(), peer.clone());
        let finished = move |outcome: Result<(), Error>| {
            let mut reply = Vec::new();
            match outcome {
                Ok(()) => {
                    count(&served.stats.commits);
                    committer.encoding().reply(&message, super::exception::tid(tid), &mut reply);
                    served.answer(&committer, &reply);
                }
                Err(error) => {
                    served.forget(tid);
                    let exception = Exception::from(&error);
                    served.tell_exception(&committer, "tpc_finish", &exception);
                    committer.encoding().error(&message, exception.name, exception.arguments, &mut reply);
                    committer.outbox.push_async(&reply);
                }
            }
            committer.end_reply();
        };
        let finish = || self.storage.finish(ticket, Box::new(finished));
        let errand = self.or_end(format_args!("finishing a transaction"), finish);
        match self.release() {
            // While there are others to vote, their votes are what this thread is for.
            next @ Some(_) => {
                drop(errand);
                self.carry_out_for_others(next);
            }
            None => errand.into_iter().for_each(|errand| self.run(errand)),
        }
        true
    }

    /// A client gives up its place in line, its vote or nothing. Gives what it waited with, which nobody will answer.
    pub fn leave(self: &Arc<Self>, peer: &Arc<Peer>) -> Option<Ballot> {
        let left = lock(&self.queue).leave(peer);
        match left {
            Left::Place(ballot) => return Some(ballot),
            Left::Vote(voted) => {
                self.take_back(voted);
                self.pass_on();
            }
            Left::Reservation => self.pass_on(),
            Left::Nothing | Left::Voting => {}
        }
        None
    }

    /// Ends the connection of a client that has had the commit lock for too long. Gives when to look again.
    pub fn expire(self: &Arc<Self>) -> Option<Instant> {
        let limit = self.timeout?;
        let now = Instant::now();
        let (overdue, next) = {
            let mut queue = lock(&self.queue);
            (queue.expire(limit, now), queue.next_overdue(limit, now))
        };
        let Some((peer, voted)) = overdue else { return Some(next) };
        let seconds = limit.as_secs();
        self.tell(Level::CRITICAL, &peer, format_args!("Transaction timeout after {seconds} seconds"));
        peer.outbox.close();
        self.take_back(voted);
        self.pass_on();
        Some(now + limit)
    }

    /// The lock is free: the next one's vote, and the next, until one holds it.
    fn pass_on(self: &Arc<Self>) {
        self.carry_out_for_others(self.release());
    }

    /// A vote, and those in line, until one holds the lock.
    fn carry_out(self: &Arc<Self>, ballot: Ballot) {
        let next = self.or_end(format_args!("carrying out a vote"), || self.carry_out_one(ballot));
        self.carry_out_for_others(next);
    }

    /// The votes of clients who wait for nobody's task but this: one that may take long gets a task of its own, so that the
    /// client whose task this is has its own replies meanwhile.
    fn carry_out_for_others(self: &Arc<Self>, ballot: Option<Ballot>) {
        let mut next = ballot;
        while let Some(ballot) = next {
            if !is_small(&ballot.transaction)
                && let Ok(runtime) = Handle::try_current()
            {
                let served = self.clone();
                drop(runtime.spawn(async move { served.carry_out(ballot) }));
                return;
            }
            next = self.or_end(format_args!("carrying out a vote"), || self.carry_out_one(ballot));
        }
    }

    fn carry_out_one(self: &Arc<Self>, mut ballot: Ballot) -> Option<Ballot> {
        self.hand_over();
        let small = is_small(&ballot.transaction);
        let mut vote = || catch_unwind(AssertUnwindSafe(|| self.storage.vote(&mut ballot.transaction)));
        let outcome = if small { vote() } else { blocking(vote) };
        let outcome = outcome
            .unwrap_or_else(|_| Err(Error::Transaction("the vote failed for an unknown reason".to_owned())));
        self.settle(ballot, outcome)
    }

    fn take_back(&self, voted: Voted) {
        self.or_end(format_args!("taking back a vote"), || self.storage.abort(voted.ticket));
    }

    /// Does what concerns the commit lock: a fault there, whoever's task it is in, would leave it taken for ever.
    fn or_end<R>(&self, doing: std::fmt::Arguments<'_>, work: impl FnOnce() -> R) -> R {
        self.log.or_end(LOGGER, doing, work)
    }

    /// What has become of a vote: to the client, and on with the lock if it does not hold it.
    fn settle(self: &Arc<Self>, ballot: Ballot, outcome: Result<Vote, Error>) -> Option<Ballot> {
        let Ballot { peer, message, transaction, slot, conflicts: before } = ballot;
        let encoding = peer.encoding();
        let mut reply = Vec::new();
        let mut next = None;
        match outcome {
            Ok(Vote::Written { ticket, tid, changed }) => {
                drop(transaction);
                let left = lock(&self.queue).voted(Voted { ticket, tid }, Instant::now());
                if let Some(voted) = left {
                    self.take_back(voted);
                    next = self.release();
                }
                let changed = changed.into_iter().map(oid).collect();
                encoding.reply(&message, Value::List(changed), &mut reply);
            }
            Ok(Vote::Conflicts(conflicts)) => {
                count(&self.stats.conflicts);
                {
                    let mut stage = lock(&slot);
                    if matches!(*stage, Stage::Away) {
                        *stage = Stage::Collecting(Box::new(transaction));
                    }
                }
                if !(PATIENCE..TRIES).contains(&before) || !self.reserve() {
                    next = self.release();
                }
                encoding.reply(&message, conflicts_value(conflicts), &mut reply);
            }
            Err(error) => {
                if matches!(error, Error::Conflict { .. } | Error::ReadConflict { .. }) {
                    count(&self.stats.conflicts);
                }
                self.forsake(&slot);
                next = self.release();
                let exception = Exception::from(&error);
                self.tell_exception(&peer, "vote", &exception);
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
        let Some(reservation) = lock(&self.queue).reserve() else { return false };
        let served = self.clone();
        runtime.spawn(async move {
            sleep(RESOLUTION).await;
            if lock(&served.queue).lapse(reservation) {
                served.pass_on();
            }
        });
        true
    }

    fn release(&self) -> Option<Ballot> {
        lock(&self.queue).release(SystemTime::now())
    }

    /// A transaction is over; it counts as active no more.
    pub fn forsake(&self, slot: &Slot) {
        let before = std::mem::replace(&mut *lock(slot), Stage::Gone);
        if !matches!(before, Stage::Gone) {
            self.stats.active.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A line when the server starts to serve it.
    pub fn describe(&self) -> String {
        let mode = if self.read_only { "RO" } else { "RW" };
        format!("{}:{mode}:{}", self.name, self.storage.traits().name)
    }
}

/// Whether a vote takes so little that the thread need not tell the others to do without it, which costs more.
fn is_small(transaction: &Transaction) -> bool {
    let length = |step: &Step| match step {
        Step::Store { data, .. } | Step::Restore { data: Some(data), .. } => data.length(),
        _ => 0,
    };
    // Earlier revisions are looked for on the disk, when all before are there.
    let looks_back =
        |step: &Step| matches!(step, Step::Restore { previous: Some(_), .. } | Step::Undo { .. });
    let Ok(steps) = transaction.steps() else { return true };
    steps.len() <= SMALL_STEPS
        && steps.iter().map(length).sum::<usize>() <= SMALL_BYTES
        && !steps.iter().any(looks_back)
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
