//! A client's transaction, from its begin to its end (ZEO-PROTOCOL section 8).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::call::{Call, Step};
use super::super::commit::Standing;
use super::super::exception::Exception;
use super::super::peer::Peer;
use super::super::stats::count;
use super::super::sync::{Mutex, lock};
use super::super::votes::{Ballot, Slot, Stage};
use super::{Answer, Client, Request};
use crate::pickle::Value;
use crate::storage::{Error, Meta, Operation};

/// Longest user, description and extension in bytes (FILESTORAGE section 2).
const LONGEST: usize = 0xffff;

/// The transaction of a client.
pub(super) struct Open {
    /// The client's name for it.
    id: Value,
    slot: Arc<Slot>,
    votes: u32,
}

impl Client {
    pub(super) fn commit(&mut self, call: Call, request: &mut Request<'_>) -> Result<Answer, Exception> {
        match call {
            Call::Begin { id, meta } => self.begin(id, *meta),
            Call::Step { id, step } => self.step(&id, step),
            Call::Vote(id) => self.vote(&id, request),
            Call::Finish(id) => self.finish(&id, request),
            Call::Abort(id) => {
                if self.open.as_ref().is_some_and(|open| open.id == id)
                    && let Some(ballot) = self.abandon(request.peer)
                {
                    let why = Exception::transaction(vec![Value::Text("aborted while waiting".to_owned())]);
                    let encoding = request.peer.encoding();
                    encoding.error(&ballot.message, why.name, why.arguments, request.replies);
                }
                Ok(Answer::Result(Value::None))
            }
            _ => Ok(Answer::Elsewhere),
        }
    }

    /// A transaction whose vote has failed is over, though the client has yet to abort it.
    fn current(&mut self) -> Option<&Open> {
        if self.open.as_ref().is_some_and(|open| matches!(*lock(&open.slot), Stage::Gone)) {
            self.open = None;
        }
        self.open.as_ref()
    }

    fn begin(&mut self, id: Value, meta: Meta) -> Result<Answer, Exception> {
        if self.read_only {
            return Err(Exception::read_only());
        }
        match self.current() {
            Some(open) if open.id == id => return Ok(Answer::Result(Value::None)),
            Some(open) => return Err(Exception::transaction(vec![open.id.clone(), id])),
            None => {}
        }
        self.served.stats.active.fetch_add(1, Ordering::Relaxed);
        let transaction = self.served.storage.begin(meta);
        self.open =
            Some(Open { id, slot: Arc::new(Mutex::new(Stage::Collecting(Box::new(transaction)))), votes: 0 });
        Ok(Answer::Result(Value::None))
    }

    /// The slot of the transaction that the client names.
    fn slot(&mut self, id: &Value) -> Result<Arc<Slot>, Exception> {
        match self.current() {
            Some(open) if open.id == *id => Ok(open.slot.clone()),
            other => {
                let current = other.map_or(Value::None, |open| open.id.clone());
                Err(Exception::transaction(vec![current, id.clone()]))
            }
        }
    }

    fn step(&mut self, id: &Value, step: Step) -> Result<Answer, Exception> {
        let slot = self.slot(id)?;
        let mut stage = lock(&slot);
        let Stage::Collecting(transaction) = &mut *stage else {
            // To take data and never store them would be worse than to end the connection.
            return Err(Exception::new("ZODB.POSException.StorageTransactionError", "it has been voted on"));
        };
        if matches!(step, Step::Store { .. } | Step::Restore { .. } | Step::Delete { .. }) {
            count(&self.served.stats.stores);
        }
        let most = self.most_steps;
        if transaction.length() >= most {
            let why = format!("a transaction may have {most} stores and checks at most");
            transaction.give_up(Error::Transaction(why));
        }
        transaction.push(match step {
            Step::Store { oid, serial, data } => Operation::Store { oid, serial, data },
            Step::CheckCurrent { oid, serial } => Operation::CheckCurrent { oid, serial },
            Step::Delete { oid, serial } => Operation::Delete { oid, serial },
            Step::Restore { oid, data, previous } => Operation::Restore { oid, data, previous },
        });
        Ok(Answer::Result(Value::None))
    }

    fn vote(&mut self, id: &Value, request: &mut Request<'_>) -> Result<Answer, Exception> {
        let slot = self.slot(id)?;
        let stage = std::mem::replace(&mut *lock(&slot), Stage::Away);
        let Stage::Collecting(transaction) = stage else {
            *lock(&slot) = stage;
            let how = match self.served.standing(request.peer) {
                Standing::Waiting => "Already voting (waiting)",
                _ => "Already voting (locked)",
            };
            return Err(Exception::transaction(vec![Value::Text(how.to_owned())]));
        };
        if let Some(what) = too_long(&transaction.meta) {
            *lock(&slot) = Stage::Away;
            self.served.forsake(&slot);
            return Err(Exception::new("ZODB.FileStorage.FileStorage.FileStorageError", what));
        }
        let (peer, message) = (request.peer.clone(), request.id.clone());
        // Each vote before this one has met conflicts.
        let conflicts = self.open.as_mut().map_or(0, |open| {
            open.votes += 1;
            open.votes - 1
        });
        self.served.vote(Ballot { peer, message, transaction: *transaction, slot, conflicts })?;
        Ok(Answer::Elsewhere)
    }

    fn finish(&mut self, id: &Value, request: &mut Request<'_>) -> Result<Answer, Exception> {
        let Some(open) = self.current().filter(|open| open.id == *id) else {
            return Ok(Answer::Result(Value::None));
        };
        let slot = open.slot.clone();
        if !self.served.finish(request.peer, request.id.clone()) {
            let what = "tpc_finish called before the vote was answered";
            return Err(Exception::new("builtins.AssertionError", what));
        }
        self.served.forsake(&slot);
        self.open = None;
        Ok(Answer::Elsewhere)
    }

    /// Gives up the transaction, if there is one, wherever it is; what waited in line has no other answer any more.
    pub(super) fn abandon(&mut self, peer: &Arc<Peer>) -> Option<Ballot> {
        let open = self.open.take()?;
        self.served.forsake(&open.slot);
        count(&self.served.stats.aborts);
        self.served.leave(peer)
    }
}

/// What of it does not fit a storage.
fn too_long(meta: &Meta) -> Option<&'static str> {
    let parts = [
        (&meta.user, "user name too long"),
        (&meta.description, "description too long"),
        (&meta.extension, "extension data too long"),
    ];
    parts.into_iter().find(|(part, _)| part.len() > LONGEST).map(|(_, what)| what)
}
