//! A transaction as its committer describes it, before the storage sees it.

use super::{Oid, Tid};

/// What is said about a transaction as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// Given by whoever copies a storage; else the storage chooses at the vote.
    pub tid: Option<Tid>,
    /// A copied transaction of a packed storage stays a packed one.
    pub packed: bool,
    /// Who, UTF-8, at most 65,535 bytes.
    pub user: Vec<u8>,
    /// What for, UTF-8, at most 65,535 bytes.
    pub description: Vec<u8>,
    /// The pickle of a dict, at most 65,535 bytes; empty: no further items.
    pub extension: Vec<u8>,
}

/// The revision that a change builds on. `None` is one that no revision can be (clients send such for new objects).
pub type Serial = Option<Tid>;

/// One step of a transaction; they are carried out in order, at the vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// New data for an object.
    Store {
        /// The object.
        oid: Oid,
        /// What the data build on; not looked at for a new object.
        serial: Serial,
        /// The data.
        data: Vec<u8>,
    },
    /// The transaction depends on this revision being current.
    CheckCurrent {
        /// The object.
        oid: Oid,
        /// The revision.
        serial: Serial,
    },
    /// The object is to exist no more.
    Delete {
        /// The object.
        oid: Oid,
        /// Its current revision.
        serial: Serial,
    },
    /// A record of another storage, to be taken as it is.
    Restore {
        /// The object.
        oid: Oid,
        /// Its data; `None`: it does not exist from here on, or has the data of `previous`.
        data: Option<Vec<u8>>,
        /// A transaction that may have the same data: a hint.
        previous: Option<Tid>,
    },
    /// Take back what a transaction did.
    Undo {
        /// The transaction.
        tid: Tid,
    },
}

/// A store that does not build on the current revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The object.
    pub oid: Oid,
    /// Its current transaction.
    pub committed: Tid,
    /// What the store builds on.
    pub given: Serial,
    /// The data that were to be stored.
    pub data: Vec<u8>,
}

/// A transaction that is being collected.
#[derive(Debug, Default)]
pub struct Transaction {
    /// What it says about itself.
    pub meta: Meta,
    operations: Vec<Operation>,
}

impl Transaction {
    /// An empty one.
    #[must_use]
    pub fn new(meta: Meta) -> Self {
        Self { meta, operations: Vec::new() }
    }

    /// Adds a step.
    pub fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// The steps.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }
}
