//! A transaction as its committer describes it, before the storage sees it.

use std::sync::Arc;

use super::spool::{Spool, SpoolRange, SpoolSpace};
use super::{Error, Oid, Tid};

/// What is said about a transaction as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// Given when a transaction is copied from another storage; else the storage chooses it.
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

/// One step of a transaction; they are carried out in order, at the vote. Its data are what `Data` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<Data = Vec<u8>> {
    /// New data for an object.
    Store {
        /// The object.
        oid: Oid,
        /// What the data build on; not looked at for a new object.
        serial: Serial,
        /// The data.
        data: Data,
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
        data: Option<Data>,
        /// A transaction that may have the same data: a hint.
        previous: Option<Tid>,
    },
    /// The objects of an earlier transaction are to be as they were before it. Only for storages with
    /// [`Storage::undo`](super::Storage::undo).
    Undo {
        /// The transaction.
        tid: Tid,
    },
}

/// An [`Operation`] whose data are in the spool of a [`Draft`].
pub type Step = Operation<SpoolRange>;

impl<Data> Operation<Data> {
    /// The same with its data put elsewhere.
    fn try_map<Other, E>(
        self,
        mut place: impl FnMut(Data) -> Result<Other, E>,
    ) -> Result<Operation<Other>, E> {
        Ok(match self {
            Self::Store { oid, serial, data } => Operation::Store { oid, serial, data: place(data)? },
            Self::Restore { oid, data, previous } => {
                Operation::Restore { oid, data: data.map(place).transpose()?, previous }
            }
            Self::CheckCurrent { oid, serial } => Operation::CheckCurrent { oid, serial },
            Self::Delete { oid, serial } => Operation::Delete { oid, serial },
            Self::Undo { tid } => Operation::Undo { tid },
        })
    }
}

/// A store that does not build on the current revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict<Data = Vec<u8>> {
    /// The object.
    pub oid: Oid,
    /// Its current transaction.
    pub committed: Tid,
    /// What the store builds on.
    pub given: Serial,
    /// The data that were to be stored.
    pub data: Data,
}

/// Bytes of refused records that one answer may have; beyond, the vote fails with the first conflict.
const MAX_CONFLICT_BYTES: usize = 256 << 20;

/// The operations of a transaction, for storages that look at them only at the vote.
///
/// Records beyond a certain size together are kept in a file without a name, so that a transaction of any size takes little
/// memory.
#[derive(Debug, Default)]
pub struct Draft {
    /// What the transaction says about itself.
    pub meta: Meta,
    steps: Vec<Step>,
    spool: Spool,
}

impl Draft {
    /// An empty one, all in memory, whatever its size.
    #[must_use]
    pub fn new(meta: Meta) -> Self {
        Self { meta, ..Self::default() }
    }

    /// An empty one that keeps what is beyond [`Spool::MAX_MEMORY_BYTES`] in this space.
    #[must_use]
    pub fn spooled(meta: Meta, space: Arc<SpoolSpace>) -> Self {
        Self { meta, spool: Spool::within(space), ..Self::default() }
    }

    /// Adds a step.
    ///
    /// # Errors
    /// Its data cannot be kept.
    pub fn push(&mut self, operation: Operation) -> Result<(), Error> {
        let step = operation.try_map(|data| self.spool.append(data))?;
        self.steps.push(step);
        Ok(())
    }

    /// Keeps data that no step brought with it.
    ///
    /// # Errors
    /// They cannot be kept.
    pub fn keep(&mut self, data: Vec<u8>) -> Result<SpoolRange, Error> {
        self.spool.append(data)
    }

    /// Bytes of its records that are in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.spool.memory()
    }

    /// The steps in the order that they were added; their data are read with [`Draft::read`].
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Appends data of a step to `out`.
    ///
    /// # Errors
    /// The file that they are in cannot be read.
    pub fn read(&self, range: SpoolRange, out: &mut Vec<u8>) -> Result<(), Error> {
        self.spool.read(range, out)
    }

    /// Conflicts with their data.
    ///
    /// # Errors
    /// [`Error::Conflict`]: they are too many bytes for one answer. The file that they are in cannot be read.
    pub fn conflicts(&self, conflicts: Vec<Conflict<SpoolRange>>) -> Result<Vec<Conflict>, Error> {
        let total: usize = conflicts.iter().map(|conflict| conflict.data.length()).sum();
        let with_data = |conflict: Conflict<SpoolRange>| {
            let Conflict { oid, committed, given, data: range } = conflict;
            if total > MAX_CONFLICT_BYTES {
                return Err(Error::Conflict { oid, committed, given: given.unwrap_or(Tid::ZERO) });
            }
            let mut data = Vec::with_capacity(range.length());
            self.read(range, &mut data)?;
            Ok(Conflict { oid, committed, given, data })
        };
        conflicts.into_iter().map(with_data).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(oid: u64, data: Vec<u8>) -> Operation {
        Operation::Store { oid: Oid(oid), serial: Some(Tid(7)), data }
    }

    #[test]
    fn steps_come_back_as_they_went_in() {
        let directory = tempfile::tempdir().unwrap();
        let sizes = [0, 1, 1000, Spool::MAX_MEMORY_BYTES, 5, 3 * Spool::MAX_MEMORY_BYTES, 2];
        let record = |(n, size): (usize, &usize)| store(n as u64, vec![u8::try_from(n).unwrap(); *size]);
        let mut pushed: Vec<Operation> = sizes.iter().enumerate().map(record).collect();
        pushed.extend([
            Operation::CheckCurrent { oid: Oid(1), serial: None },
            Operation::Delete { oid: Oid(2), serial: Some(Tid(3)) },
            Operation::Undo { tid: Tid(5) },
            Operation::Restore { oid: Oid(3), data: None, previous: Some(Tid(4)) },
            Operation::Restore { oid: Oid(3), data: Some(vec![9]), previous: None },
        ]);
        for mut draft in [
            Draft::new(Meta::default()),
            Draft::spooled(Meta::default(), SpoolSpace::of(directory.path().into())),
        ] {
            for operation in &pushed {
                draft.push(operation.clone()).unwrap();
            }
            let data = |range: SpoolRange| {
                let mut data = Vec::new();
                draft.read(range, &mut data).map(|()| data)
            };
            let found: Vec<_> = draft.steps().iter().map(|step| step.try_map(data).unwrap()).collect();
            assert!(found == pushed);
        }
    }

    #[test]
    fn step_that_cannot_be_kept_is_an_error() {
        let mut draft =
            Draft::spooled(Meta::default(), SpoolSpace::of(std::path::Path::new("/nowhere/at/all").into()));
        draft.push(store(1, vec![0; 10])).unwrap();
        let error = draft.push(store(2, vec![0; Spool::MAX_MEMORY_BYTES])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot keep a large transaction in /nowhere/at/all: No such file"),
            "{text}"
        );
    }
}
