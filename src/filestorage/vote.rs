//! What a transaction comes to: each step judged against the storage, before anything is written.

use std::collections::HashMap;

use super::format::DATA_HEADER;
use super::snapshot::{Found, Snapshot};
use crate::storage::{Conflict, Error, Oid, Piece, Serial, Step, Tid, Transaction};

/// Bytes of refused records that one answer may have; beyond, the vote fails with the first conflict.
const CONFLICTS: usize = 256 << 20;

/// A data record that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) oid: Oid,
    /// Position of the object's record before this transaction; 0: none.
    pub(super) previous: u64,
    pub(super) content: Content,
}

/// What a record has after its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Data(Piece),
    /// 0: the object is gone.
    BackPointer(u64),
}

impl Planned {
    /// Length of the whole record.
    pub(super) fn length(&self) -> u64 {
        let body = match self.content {
            Content::Data(piece) => piece.length(),
            Content::BackPointer(_) => super::format::BACK_POINTER,
        };
        (DATA_HEADER + body) as u64
    }
}

/// What came of judging.
#[derive(Debug)]
pub(super) enum Plan {
    Write(Vec<Planned>),
    Conflicts(Vec<Conflict>),
}

/// An object's current record, as far as judging needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) at: u64,
    pub(super) tid: Tid,
    /// It says that the object does not exist.
    pub(super) gone: bool,
}

/// Where the next transaction finds an object.
pub(super) enum Place {
    /// In a finished transaction, which need not be in the file yet.
    Recent(Now),
    /// In the file.
    At(u64),
}

/// The objects as the next transaction finds them.
pub(super) trait Present {
    /// The object's current record.
    fn find(&self, oid: Oid) -> Option<Place>;
}

/// Whether judging a transaction looks at more than current records: then all before it must be in the file.
pub(super) fn looks_back(steps: &[Step]) -> bool {
    let back = |step: &Step| matches!(step, Step::Restore { previous: Some(_), .. } | Step::Undo { .. });
    steps.iter().any(back)
}

/// Judges a transaction. `snapshot` reaches to the end of the last finished one.
pub(super) fn plan(
    transaction: &Transaction,
    snapshot: &Snapshot,
    present: &dyn Present,
) -> Result<Plan, Error> {
    let steps = transaction.steps()?;
    let mut judge = Judge { transaction, snapshot, present, planned: Vec::new(), refused: HashMap::new() };
    judge.planned.reserve_exact(steps.len());
    for (number, step) in steps.iter().enumerate() {
        judge.step(number, *step)?;
    }
    if judge.refused.is_empty() {
        return Ok(Plan::Write(judge.planned));
    }
    judge.conflicts().map(Plan::Conflicts)
}

struct Judge<'a> {
    transaction: &'a Transaction,
    snapshot: &'a Snapshot,
    present: &'a dyn Present,
    planned: Vec<Planned>,
    /// Stores that do not build on the current revision, with the number of the step.
    refused: HashMap<Oid, Refused>,
}

struct Refused {
    step: usize,
    committed: Tid,
    given: Serial,
    data: Piece,
}

impl Judge<'_> {
    fn step(&mut self, number: usize, step: Step) -> Result<(), Error> {
        match step {
            Step::Store { oid, serial, data } => self.store(number, oid, serial, data),
            Step::CheckCurrent { oid, serial } => self.check(oid, serial),
            Step::Delete { oid, serial } => self.delete(oid, serial),
            Step::Restore { oid, data, previous } => self.restore(oid, data, previous),
            Step::Undo { .. } => Err(Error::Undo("this server cannot undo yet".to_owned())),
        }
    }

    /// The object's current record, if it has one.
    fn current(&self, oid: Oid) -> Result<Option<Now>, Error> {
        Ok(match self.present.find(oid) {
            None => None,
            Some(Place::Recent(now)) => Some(now),
            Some(Place::At(at)) => {
                let found = self.snapshot.record(at, Some(oid))?;
                Some(Now { at, tid: found.header.tid, gone: found.is_end_of_object() })
            }
        })
    }

    fn store(&mut self, step: usize, oid: Oid, given: Serial, data: Piece) -> Result<(), Error> {
        let current = self.current(oid)?;
        let committed = current.map(|now| now.tid).filter(|committed| given != Some(*committed));
        if let Some(committed) = committed {
            self.refused.insert(oid, Refused { step, committed, given, data });
        } else {
            self.refused.remove(&oid);
            self.write(oid, current, Content::Data(checked(oid, data)?));
        }
        Ok(())
    }

    fn check(&self, oid: Oid, given: Serial) -> Result<(), Error> {
        match self.current(oid)?.filter(|now| !now.gone) {
            None => Err(Error::NoSuchObject(oid)),
            Some(now) if Some(now.tid) == given => Ok(()),
            Some(now) => {
                let given = given.unwrap_or(Tid::ZERO);
                Err(Error::ReadConflict { oid, committed: now.tid, given })
            }
        }
    }

    fn delete(&mut self, oid: Oid, given: Serial) -> Result<(), Error> {
        let current = self.current(oid)?.ok_or(Error::NoSuchObject(oid))?;
        let committed = current.tid;
        if Some(committed) != given {
            return Err(Error::Conflict { oid, committed, given: given.unwrap_or(Tid::ZERO) });
        }
        self.write(oid, Some(current), Content::BackPointer(0));
        Ok(())
    }

    fn restore(&mut self, oid: Oid, data: Option<Piece>, previous: Option<Tid>) -> Result<(), Error> {
        let current = self.current(oid)?;
        let earlier = match previous {
            Some(tid) => self.revision(oid, current, tid)?,
            None => None,
        };
        let content = match (earlier, data) {
            (Some(found), None) => Content::BackPointer(found.at),
            (Some(found), Some(piece)) if self.has(found, piece)? => Content::BackPointer(found.at),
            (_, Some(piece)) => Content::Data(checked(oid, piece)?),
            (None, None) => Content::BackPointer(0),
        };
        self.write(oid, current, content);
        Ok(())
    }

    /// The record that a transaction made of an object: along its records, newest first.
    fn revision(&self, oid: Oid, current: Option<Now>, tid: Tid) -> Result<Option<Found>, Error> {
        let mut at = current.map_or(0, |now| now.at);
        while at != 0 {
            let found = self.snapshot.record(at, Some(oid))?;
            if found.header.tid == tid {
                return Ok(Some(found));
            }
            at = if found.header.tid > tid { found.header.previous } else { 0 };
        }
        Ok(None)
    }

    /// Whether a record may stand for these data: it has them, or points at others (and is trusted, as Python does).
    fn has(&self, found: Found, piece: Piece) -> Result<bool, Error> {
        if found.header.length == 0 {
            return Ok(true);
        }
        if found.header.length != piece.length() as u64 {
            return Ok(false);
        }
        let (mut theirs, mut ours) = (Vec::new(), Vec::with_capacity(piece.length()));
        self.snapshot.data(found, &mut theirs)?;
        self.transaction.read(piece, &mut ours)?;
        Ok(theirs == ours)
    }

    fn write(&mut self, oid: Oid, current: Option<Now>, content: Content) {
        let previous = current.map_or(0, |now| now.at);
        self.planned.push(Planned { oid, previous, content });
    }

    /// The conflicts with their data, in the order of the stores.
    fn conflicts(self) -> Result<Vec<Conflict>, Error> {
        let mut refused: Vec<_> = self.refused.into_iter().collect();
        refused.sort_by_key(|(_, refused)| refused.step);
        let total: usize = refused.iter().map(|(_, refused)| refused.data.length()).sum();
        let mut conflicts = Vec::with_capacity(refused.len());
        for (oid, Refused { committed, given, data: piece, .. }) in refused {
            if total > CONFLICTS {
                return Err(Error::Conflict { oid, committed, given: given.unwrap_or(Tid::ZERO) });
            }
            let mut data = Vec::with_capacity(piece.length());
            self.transaction.read(piece, &mut data)?;
            conflicts.push(Conflict { oid, committed, given, data });
        }
        Ok(conflicts)
    }
}

/// A record without data would be read as one with a back pointer.
fn checked(oid: Oid, data: Piece) -> Result<Piece, Error> {
    if data.length() == 0 {
        return Err(Error::Transaction(format!("a store of object {oid} has no data")));
    }
    Ok(data)
}
