//! A transaction as the storage's callers see it.

use std::mem;
use std::sync::Arc;

use super::commit::Writer;
use super::in_flight::Accepted;
use crate::storage::{Completion, Draft, Error, Operation, Transaction, Vote, Wait};

/// A transaction of this storage.
pub(super) struct FileTransaction {
    writer: Arc<Writer>,
    draft: Draft,
    accepted: Option<Accepted>,
}

impl FileTransaction {
    pub(super) fn new(writer: Arc<Writer>, draft: Draft) -> Self {
        Self { writer, draft, accepted: None }
    }
}

impl Transaction for FileTransaction {
    fn push(&mut self, operation: Operation) -> Result<(), Error> {
        self.draft.push(operation)
    }

    fn vote(&mut self, wait: Wait) -> Result<Vote, Error> {
        if self.accepted.is_some() {
            return Err(Error::voted_already());
        }
        Ok(match self.writer.vote(&mut self.draft, wait)? {
            Ok(mut accepted) => {
                let (tid, changed) = (Some(accepted.placed.tid), mem::take(&mut accepted.changed));
                self.accepted = Some(accepted);
                Vote::Accepted { tid, changed }
            }
            Err(conflicts) => Vote::Conflicts(conflicts),
        })
    }

    fn finish(mut self: Box<Self>, completion: Completion) {
        match self.accepted.take() {
            Some(accepted) => self.writer.finish(accepted, completion),
            None => completion.call(Err(Error::not_voted())),
        }
    }
}

impl Drop for FileTransaction {
    fn drop(&mut self) {
        if let Some(accepted) = self.accepted.take() {
            self.writer.abort(&accepted);
        }
    }
}
