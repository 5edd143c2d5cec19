//! A transaction as its committer describes it, before the storage sees it.

use std::path::Path;
use std::sync::Arc;

use super::spool::{Piece, Spool};
use super::{Error, Oid, Tid};

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
    /// Take back what a transaction did.
    Undo {
        /// The transaction.
        tid: Tid,
    },
}

/// An [`Operation`] whose data are in the transaction's spool.
pub type Step = Operation<Piece>;

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
///
/// Records beyond a certain size together are kept in a file without a name, so that a transaction of any size takes little
/// memory. Adding a step never fails: what went wrong then is told when the steps are looked at.
#[derive(Debug, Default)]
pub struct Transaction {
    /// What it says about itself.
    pub meta: Meta,
    steps: Vec<Step>,
    spool: Spool,
    failure: Option<Error>,
}

impl Transaction {
    /// An empty one, all in memory, whatever its size; see [`Storage::begin`](super::Storage::begin).
    #[must_use]
    pub fn new(meta: Meta) -> Self {
        Self { meta, ..Self::default() }
    }

    /// An empty one that keeps what is beyond [`Spool::MEMORY`] on the file system of `directory`.
    #[must_use]
    pub fn spooled(meta: Meta, directory: Arc<Path>) -> Self {
        Self { meta, spool: Spool::beside(directory), ..Self::default() }
    }

    /// Adds a step.
    pub fn push(&mut self, operation: Operation) {
        match self.step(operation) {
            Ok(step) => self.steps.push(step),
            Err(error) => self.give_up(error),
        }
    }

    /// Nothing can come of it any more: what it has taken is given back at once, and why is told when its steps are looked at.
    pub fn give_up(&mut self, why: Error) {
        self.steps = Vec::new();
        self.spool = Spool::default();
        self.failure.get_or_insert(why);
    }

    /// How many steps it has.
    #[must_use]
    pub fn length(&self) -> usize {
        self.steps.len()
    }

    fn step(&mut self, operation: Operation) -> Result<Step, Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        operation.try_map(|data| self.spool.append(data))
    }

    /// Bytes of its records that are in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.spool.memory()
    }

    /// The steps; their data are read with [`Transaction::read`].
    ///
    /// # Errors
    /// A step could not be kept.
    pub fn steps(&self) -> Result<&[Step], Error> {
        self.failure.clone().map_or(Ok(&self.steps), Err)
    }

    /// The steps as they were added, each with its data in memory.
    ///
    /// # Errors
    /// A step could not be kept, or cannot be read again.
    pub fn operations(&self) -> impl Iterator<Item = Result<Operation, Error>> {
        let failed = self.failure.clone().map(Err);
        failed.into_iter().chain(self.steps.iter().map(|step| self.operation(*step)))
    }

    fn operation(&self, step: Step) -> Result<Operation, Error> {
        step.try_map(|piece| {
            let mut data = Vec::with_capacity(piece.length());
            self.read(piece, &mut data).map(|()| data)
        })
    }

    /// Appends data of a step to `out`.
    ///
    /// # Errors
    /// The file that they are in cannot be read.
    pub fn read(&self, piece: Piece, out: &mut Vec<u8>) -> Result<(), Error> {
        self.spool.read(piece, out)
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
        let sizes = [0, 1, 1000, Spool::MEMORY, 5, 3 * Spool::MEMORY, 2];
        let record = |(n, size): (usize, &usize)| store(n as u64, vec![u8::try_from(n).unwrap(); *size]);
        let mut pushed: Vec<Operation> = sizes.iter().enumerate().map(record).collect();
        pushed.extend([
            Operation::CheckCurrent { oid: Oid(1), serial: None },
            Operation::Delete { oid: Oid(2), serial: Some(Tid(3)) },
            Operation::Restore { oid: Oid(3), data: None, previous: Some(Tid(4)) },
            Operation::Restore { oid: Oid(3), data: Some(vec![9]), previous: None },
            Operation::Undo { tid: Tid(5) },
        ]);
        for mut transaction in [
            Transaction::new(Meta::default()),
            Transaction::spooled(Meta::default(), directory.path().into()),
        ] {
            for operation in &pushed {
                transaction.push(operation.clone());
            }
            let found: Vec<_> = transaction.operations().map(Result::unwrap).collect();
            assert!(found == pushed);
        }
    }

    #[test]
    fn step_that_cannot_be_kept_is_told_when_the_steps_are_looked_at() {
        let mut transaction = Transaction::spooled(Meta::default(), Path::new("/nowhere/at/all").into());
        transaction.push(store(1, vec![0; 10]));
        transaction.steps().unwrap();
        transaction.push(store(2, vec![0; Spool::MEMORY]));
        transaction.push(store(3, vec![0; 10]));
        let error = transaction.steps().unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot keep a large transaction in /nowhere/at/all: No such file"),
            "{text}"
        );
        assert_eq!(transaction.operations().count(), 1);
        transaction.operations().next().unwrap().unwrap_err();
    }
}
