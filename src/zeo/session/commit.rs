//! A client's transaction, from its begin to its end (ZEO-PROTOCOL section 8).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::call::Call;
use super::super::commit_lock::Standing;
use super::super::coordinator::{Collecting, Slot, Stage, VoteRequest};
use super::super::exception::Exception;
use super::super::peer::Peer;
use super::super::stats::count;
use super::super::storage_service::StorageService;
use super::super::sync::{Mutex, lock};
use super::{Answer, Client, Request};
use crate::eventlog::Level;
use crate::pickle::Value;
use crate::storage::{Error, Meta, Operation};

/// Of user, description and extension each (FILESTORAGE section 2).
const MAX_META_BYTES: usize = 0xffff;

/// The transaction of a client.
pub(super) struct Open {
    /// The client's id for it.
    id: Value,
    meta: Meta,
    slot: Arc<Slot>,
    votes: u32,
}

impl Client {
    pub(super) fn commit(&mut self, call: Call, request: &mut Request<'_>) -> Result<Answer, Exception> {
        match call {
            Call::Begin { id, meta } => self.begin(id, *meta),
            Call::Step { id, operation } => self.step(&id, operation, request.peer),
            Call::LackingStep { id, ability } => {
                self.collect(&id, |collecting| collecting.transaction = Err(Error::Unsupported(ability)))
            }
            Call::Vote(id) => self.vote(&id, request),
            Call::Finish(id) => self.finish(&id, request),
            Call::Abort(id) => {
                if self.open.as_ref().is_some_and(|open| open.id == id)
                    && let Some(request_before) = self.abandon(request.peer)
                {
                    let why = Exception::transaction(vec![Value::Text("aborted while waiting".to_owned())]);
                    let encoding = request.peer.encoding();
                    encoding.error(&request_before.message, why.name, why.arguments, request.replies);
                }
                Ok(Answer::Result(Value::None))
            }
            _ => Ok(Answer::Elsewhere),
        }
    }

    /// A transaction whose vote has failed is over, though the client has yet to abort it.
    fn current(&mut self) -> Option<&Open> {
        if self.open.as_ref().is_some_and(|open| matches!(*lock(&open.slot), Stage::Ended)) {
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
        self.service.stats.active.fetch_add(1, Ordering::Relaxed);
        let transaction = self.service.storage.begin(meta.clone());
        let collecting = Collecting { transaction, steps: 0, reported: false };
        let slot = Arc::new(Mutex::new(Stage::Collecting(collecting)));
        self.open = Some(Open { id, meta, slot, votes: 0 });
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

    /// Changes the named transaction, which has not been voted on.
    fn collect(&mut self, id: &Value, change: impl FnOnce(&mut Collecting)) -> Result<Answer, Exception> {
        let slot = self.slot(id)?;
        let mut stage = lock(&slot);
        let Stage::Collecting(collecting) = &mut *stage else {
            // To take data and never store them would be worse than to end the connection.
            return Err(Exception::new("ZODB.POSException.StorageTransactionError", "it has been voted on"));
        };
        change(collecting);
        Ok(Answer::Result(Value::None))
    }

    /// Adds an operation. What is wrong with it is the answer to the vote, as this call has none.
    fn step(&mut self, id: &Value, operation: Operation, peer: &Peer) -> Result<Answer, Exception> {
        let (service, max_steps) = (self.service.clone(), self.max_steps);
        self.collect(id, |collecting| {
            let Ok(transaction) = &mut collecting.transaction else { return };
            collecting.steps += 1;
            let pushed = match operation {
                _ if collecting.steps > max_steps => Err(Error::Transaction(format!(
                    "a transaction may have {max_steps} stores and checks at most"
                ))),
                operation => {
                    if !matches!(operation, Operation::CheckCurrent { .. } | Operation::Undo { .. }) {
                        count(&service.stats.stores);
                    }
                    transaction.push(operation)
                }
            };
            if let Err(error) = pushed {
                give_up(collecting, error, &service, peer);
            }
        })
    }

    /// Gives up the transaction, of which a record is too long; false: there is none.
    pub(super) fn give_up_record(&mut self, length: u32, limit: usize, peer: &Peer) -> bool {
        let service = self.service.clone();
        let Some(slot) = self.current().map(|open| open.slot.clone()) else { return false };
        let mut stage = lock(&slot);
        let Stage::Collecting(collecting) = &mut *stage else { return false };
        if collecting.transaction.is_ok() {
            let why = format!(
                "a record of about {length} bytes is stored; the server takes {limit} at most (max-message-size)"
            );
            give_up(collecting, Error::Transaction(why), &service, peer);
        }
        true
    }

    fn vote(&mut self, id: &Value, request: &mut Request<'_>) -> Result<Answer, Exception> {
        let slot = self.slot(id)?;
        let stage = std::mem::replace(&mut *lock(&slot), Stage::Voting);
        let Stage::Collecting(Collecting { transaction, steps, reported }) = stage else {
            *lock(&slot) = stage;
            let how = match self.service.commits.standing(request.peer) {
                Standing::Waiting => "Already voting (waiting)",
                _ => "Already voting (locked)",
            };
            return Err(Exception::transaction(vec![Value::Text(how.to_owned())]));
        };
        let transaction = match self.open.as_ref().and_then(|open| too_long(&open.meta)) {
            Some(what) => Err(Exception::new("ZODB.FileStorage.FileStorage.FileStorageError", what)),
            None => transaction.map_err(|error| {
                let exception = Exception::from(error);
                Exception { expected: exception.expected || reported, ..exception }
            }),
        };
        let transaction = transaction.inspect_err(|_| self.service.commits.discard(&slot))?;
        let (peer, message) = (request.peer.clone(), request.id.clone());
        // Each vote before this one has met conflicts.
        let conflicts = self.open.as_mut().map_or(0, |open| {
            open.votes += 1;
            open.votes - 1
        });
        self.service.commits.vote(VoteRequest { peer, message, transaction, steps, slot, conflicts })?;
        Ok(Answer::Elsewhere)
    }

    fn finish(&mut self, id: &Value, request: &mut Request<'_>) -> Result<Answer, Exception> {
        let Some(open) = self.current().filter(|open| open.id == *id) else {
            return Ok(Answer::Result(Value::None));
        };
        let slot = open.slot.clone();
        if !self.service.commits.finish(request.peer, request.id.clone()) {
            let what = "tpc_finish called before the vote was answered";
            return Err(Exception::new("builtins.AssertionError", what));
        }
        self.service.commits.discard(&slot);
        self.open = None;
        Ok(Answer::Elsewhere)
    }

    /// Gives up the transaction, if there is one, wherever it is. Returns the vote that waited for the lock: it has no other
    /// answer any more.
    pub(super) fn abandon(&mut self, peer: &Arc<Peer>) -> Option<VoteRequest> {
        let open = self.open.take()?;
        self.service.commits.discard(&open.slot);
        count(&self.service.stats.aborts);
        self.service.commits.leave(peer)
    }
}

/// What the transaction has taken is free again; the client learns it at its vote, which may never come.
fn give_up(collecting: &mut Collecting, error: Error, service: &StorageService, peer: &Peer) {
    service.log.about(Level::ERROR, peer, format_args!("its transaction is given up: {error}"));
    collecting.reported = true;
    collecting.transaction = Err(error);
}

/// What of it does not fit a storage.
fn too_long(meta: &Meta) -> Option<&'static str> {
    let parts = [
        (&meta.user, "user name too long"),
        (&meta.description, "description too long"),
        (&meta.extension, "extension data too long"),
    ];
    parts.into_iter().find(|(part, _)| part.len() > MAX_META_BYTES).map(|(_, what)| what)
}
