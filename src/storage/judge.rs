//! What the operations of a transaction come to, judged against the current records, before anything is written. The rules
//! are FileStorage's (FILESTORAGE sections 5 and 9), for all storages.

use std::collections::HashMap;

use super::{Conflict, Error, Oid, Operation, Serial, Tid};

/// An object's current record, which may say that the object is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present<Record> {
    /// Its transaction.
    pub tid: Tid,
    /// The object is deleted.
    pub deleted: bool,
    /// What the storage knows it by.
    pub record: Record,
}

/// The current records as the next transaction finds them: those of all finished transactions.
pub trait Lookup {
    /// What the storage knows a record by.
    type Record: Copy;

    /// An object's current record; `None`: the object is new.
    ///
    /// # Errors
    /// What cannot be read.
    fn current(&self, oid: Oid) -> Result<Option<Present<Self::Record>>, Error>;

    /// The largest id that is in use or was given out.
    fn largest(&self) -> Oid;
}

/// A record that is to be written. Of several of one object the last one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRecord<Record, Data> {
    /// The object.
    pub oid: Oid,
    /// Its record before this transaction.
    pub before: Option<Present<Record>>,
    /// Its data; `None`: it is deleted, or has those of `same_as`.
    pub data: Option<Data>,
    /// For a restored record, a transaction that may have the same data.
    pub same_as: Option<Tid>,
}

/// What is to be done for a step, of those that write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<Record, Data> {
    /// This record is to be written.
    Record(NewRecord<Record, Data>),
    /// This transaction is to be undone; what that comes to depends on what the storage has of it.
    Undo(Tid),
}

/// What a transaction comes to.
#[derive(Debug)]
pub enum Judgement<Record, Data> {
    /// This is to be done, in this order.
    Accepted(Vec<Change<Record, Data>>),
    /// These stores do not build on the current revision, in their order.
    Conflicts(Vec<Conflict<Data>>),
}

/// Judges the operations of a transaction.
///
/// # Errors
/// [`Error::ReadConflict`], [`Error::Conflict`] (of a delete), [`Error::NoSuchObject`], [`Error::Transaction`]: a store
/// has no data. What `lookup` fails at.
pub fn judge<L: Lookup, Data>(
    lookup: &L,
    operations: impl IntoIterator<Item = Operation<Data>>,
    is_empty: impl Fn(&Data) -> bool,
) -> Result<Judgement<L::Record, Data>, Error> {
    let mut changes = Vec::new();
    // With the number of their step, whose order they are reported in.
    let mut conflicts = HashMap::<Oid, (usize, Conflict<Data>)>::new();
    let has_data = |oid: Oid, data: &Data| {
        // A record without data would be read as one with a back pointer.
        let refused = || Err(Error::Transaction(format!("a store of object {oid} has no data")));
        if is_empty(data) { refused() } else { Ok(()) }
    };
    let is_possible = |oid: Oid, before: Option<&Present<L::Record>>| {
        let refused = || Err(Error::Transaction(format!("no new object can have the id {oid}")));
        if before.is_none() && oid > Oid::MAX_CHOSEN && oid > lookup.largest() { refused() } else { Ok(()) }
    };
    for (step, operation) in operations.into_iter().enumerate() {
        match operation {
            Operation::Store { oid, serial, data } => {
                let before = lookup.current(oid)?;
                let committed = before.map(|before| before.tid).filter(|tid| serial != Some(*tid));
                if let Some(committed) = committed {
                    conflicts.insert(oid, (step, Conflict { oid, committed, given: serial, data }));
                } else {
                    is_possible(oid, before.as_ref())?;
                    has_data(oid, &data)?;
                    conflicts.remove(&oid);
                    let data = Some(data);
                    changes.push(Change::Record(NewRecord { oid, before, data, same_as: None }));
                }
            }
            Operation::CheckCurrent { oid, serial } => {
                let current = lookup.current(oid)?.filter(|current| !current.deleted);
                let committed = current.ok_or(Error::NoSuchObject(oid))?.tid;
                if serial != Some(committed) {
                    return Err(Error::ReadConflict { oid, committed, given: given(serial) });
                }
            }
            Operation::Delete { oid, serial } => {
                let before = lookup.current(oid)?.ok_or(Error::NoSuchObject(oid))?;
                if serial != Some(before.tid) {
                    return Err(Error::Conflict { oid, committed: before.tid, given: given(serial) });
                }
                let before = Some(before);
                changes.push(Change::Record(NewRecord { oid, before, data: None, same_as: None }));
            }
            Operation::Undo { tid } => changes.push(Change::Undo(tid)),
            Operation::Restore { oid, data, previous } => {
                data.iter().try_for_each(|data| has_data(oid, data))?;
                let before = lookup.current(oid)?;
                is_possible(oid, before.as_ref())?;
                changes.push(Change::Record(NewRecord { oid, before, data, same_as: previous }));
            }
        }
    }
    if conflicts.is_empty() {
        return Ok(Judgement::Accepted(changes));
    }
    let mut conflicts: Vec<_> = conflicts.into_values().collect();
    conflicts.sort_by_key(|(step, _)| *step);
    Ok(Judgement::Conflicts(conflicts.into_iter().map(|(_, conflict)| conflict).collect()))
}

/// The serial as errors have it: one that no revision can have is that of a new object.
fn given(serial: Serial) -> Tid {
    serial.unwrap_or(Tid::ZERO)
}
