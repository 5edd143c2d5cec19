//! Undoing transactions: which can be, and the records that undo them (docs/filestorage.md, "Undo").
//!
//! An undo is a step of a new transaction. For each record of the undone one it writes a record that points at the one
//! before that; nothing is copied. Where the object was changed again since, the two changes are merged, or the undo fails.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::format::{Status, TransactionHeader};
use super::plan::{self, Content, Planned};
use super::read_ahead::ahead_by;
use super::snapshot::{Chain, Found, Snapshot};
use super::walk::{Records, newest_first};
use crate::storage::{
    Change, Diverged, Draft, Error, Lookup, Merge, NotUndone, Oid, SpoolRange, Step, Tid, Undoable,
};

/// Bytes that are read at once of the undone transaction.
const UNDONE_BYTES: usize = 64 << 10;
/// Bytes that are read at once where the records before are: often they were written one after the other too, and a page costs
/// no more than a record.
const BEFORE_BYTES: usize = 4 << 10;

/// Where transactions that are to be undone begin.
pub(super) type Places = HashMap<Tid, u64>;

/// See [`Undo::undoable`](crate::storage::Undo::undoable).
pub(super) fn list(
    snapshot: &Snapshot,
    visit: &mut dyn FnMut(Undoable) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut chain = Chain::default();
    for found in newest_first(snapshot) {
        snapshot.follow(&mut chain)?;
        let (at, header) = found?;
        match header.status {
            Status::NORMAL => {}
            Status::PACKED => break,
            _ => continue,
        }
        let meta = snapshot.meta(at, &header)?;
        if visit(Undoable { tid: header.tid, meta, size: header.length }).is_break() {
            break;
        }
    }
    Ok(())
}

/// Looks for the transactions that steps undo, so that the way to old ones does not keep the commit lock. Those that are not
/// published yet are not among them.
pub(super) fn locate(snapshot: &Snapshot, steps: &[Step]) -> Result<Places, Error> {
    let mut places = Places::new();
    for step in steps {
        if let Step::Undo { tid } = step
            && let Some((at, _)) = find(snapshot, *tid, |_| false)?
        {
            places.insert(*tid, at);
        }
    }
    Ok(places)
}

/// Looks for a transaction, from the end. `stop` says of another whether it is useless to go on.
fn find(
    snapshot: &Snapshot,
    tid: Tid,
    stop: impl Fn(&TransactionHeader) -> bool,
) -> Result<Option<(u64, TransactionHeader)>, Error> {
    for found in newest_first(snapshot) {
        let (at, header) = found?;
        if header.tid == tid {
            return Ok(Some((at, header)));
        }
        if stop(&header) {
            break;
        }
    }
    Ok(None)
}

/// The records of a transaction in their order, and the objects that its undos change.
pub(super) fn plan(
    draft: &mut Draft,
    snapshot: &Snapshot,
    lookup: &impl Lookup<Record = u64>,
    changes: Vec<Change<u64, SpoolRange>>,
    (places, merge): (&Places, Option<Merge>),
) -> Result<(Vec<Planned>, Vec<Oid>), Error> {
    let mut planned = Vec::with_capacity(changes.len());
    let mut left = plan::records_to_look_at(changes.len());
    if places.is_empty() && !changes.iter().any(|change| matches!(change, Change::Undo(_))) {
        for change in changes {
            if let Change::Record(record) = change {
                planned.push(plan::record(draft, snapshot, record, &mut left)?);
            }
        }
        return Ok((planned, Vec::new()));
    }
    let mut undoing = Undoing { draft, snapshot, lookup, merge, own: HashMap::new(), changed: Vec::new() };
    for change in changes {
        match change {
            Change::Record(record) => {
                let record = plan::record(undoing.draft, snapshot, record, &mut left)?;
                undoing.own.insert(record.oid, record.content);
                planned.push(record);
            }
            Change::Undo(tid) => {
                let records = undoing.undo(tid, places.get(&tid).copied())?;
                undoing.own.extend(records.iter().map(|record| (record.oid, record.content)));
                undoing.changed.extend(records.iter().map(|record| record.oid));
                planned.extend(records);
            }
        }
    }
    let mut oids = undoing.changed;
    oids.sort_unstable();
    oids.dedup();
    Ok((planned, oids))
}

/// A transaction that undoes others.
struct Undoing<'a, L> {
    draft: &'a mut Draft,
    snapshot: &'a Snapshot,
    lookup: &'a L,
    merge: Option<Merge>,
    /// What it has written so far.
    own: HashMap<Oid, Content>,
    changed: Vec<Oid>,
}

/// The current data of an object.
struct Current {
    /// Where they are in the file; 0: the object does not exist, or they are of the running transaction.
    at: u64,
    data: Option<Vec<u8>>,
}

impl<L: Lookup<Record = u64>> Undoing<'_, L> {
    /// The records that undo a transaction, which was found at a place before.
    fn undo(&mut self, tid: Tid, place: Option<u64>) -> Result<Vec<Planned>, Error> {
        let snapshot = self.snapshot;
        // It was not finished then, or a pack has moved it: the search keeps others from voting, so it ends where ids are lower.
        let there =
            |at| snapshot.transaction(at).ok().filter(|header| header.tid == tid).map(|header| (at, header));
        let found = match place.and_then(there) {
            None => find(snapshot, tid, |header| header.tid < tid)?,
            found => found,
        };
        let (at, header) = found.ok_or(Error::NoSuchTransaction(tid))?;
        if header.status != Status::NORMAL {
            return Err(Error::Packed(tid));
        }
        let mut records = Records::new(ahead_by(snapshot, UNDONE_BYTES), at, &header);
        let earlier = ahead_by(snapshot, BEFORE_BYTES);
        let (mut planned, mut failures) = (Vec::new(), Vec::<(Oid, NotUndone)>::new());
        while let Some(found) = records.step()? {
            let oid = found.header.oid;
            // Of several records of an object the last one counts, and so does its failure.
            failures.retain(|(failed, _)| *failed != oid);
            let current = self.lookup.current(oid)?.map_or(0, |current| current.record);
            match self.record(found, current, &earlier)? {
                Ok(content) => planned.push(Planned { oid, previous: current, content }),
                Err(why) => failures.push((oid, why)),
            }
        }
        if failures.is_empty() { Ok(planned) } else { Err(Error::Undo(failures)) }
    }

    /// What undoes a record of an object whose current one is at `current`; `earlier` is the file, for the records before.
    fn record(
        &mut self,
        undone: Found,
        current: u64,
        earlier: &Snapshot,
    ) -> Result<Result<Content, NotUndone>, Error> {
        let before = self.snapshot.previous(&undone)?;
        // A wrong one must not become where the object's data are.
        if before != 0 {
            earlier.record(before, Some(undone.header.oid))?;
        }
        let back = Content::BackPointer(before);
        let own = self.own.get(&undone.header.oid).copied();
        if own.is_none() && current == undone.at {
            return Ok(Ok(back));
        }
        let now = self.current(own, current, undone)?;
        if now.at == undone.at {
            return Ok(Ok(back));
        }
        let (Some(base), Some(now)) = (self.data(undone)?, now.data) else {
            return Ok(Err(NotUndone::Deleted));
        };
        if base == now {
            return Ok(Ok(back));
        }
        if before == 0 {
            return Ok(Err(NotUndone::ChangedSinceAdded));
        }
        let earlier = self.snapshot.record(before, Some(undone.header.oid))?;
        let Some(before) = self.data(earlier)? else { return Ok(Err(NotUndone::NoDataBefore)) };
        let diverged = Diverged { base: &base, current: &now, before: &before };
        match self.merge.and_then(|merge| merge(diverged)).filter(|merged| !merged.is_empty()) {
            Some(merged) => Ok(Ok(Content::Data(self.draft.keep(merged)?))),
            None => Ok(Err(NotUndone::Changed)),
        }
    }

    /// The current data of an object. One step along the pointers is compared with the undone record, as Python does; the data are
    /// those at the end of all of them.
    fn current(&self, own: Option<Content>, current: u64, undone: Found) -> Result<Current, Error> {
        let oid = Some(undone.header.oid);
        let at = match own {
            Some(Content::Data(range)) => {
                let mut data = Vec::with_capacity(range.length());
                self.draft.read(range, &mut data)?;
                return Ok(Current { at: 0, data: Some(data) });
            }
            Some(Content::BackPointer(back)) => back,
            None if current == 0 => 0,
            None => {
                let found = self.snapshot.record(current, oid)?;
                if found.header.length == 0 { found.back } else { current }
            }
        };
        // The same data are not read.
        let data = match at {
            0 => None,
            at if at == undone.at => None,
            at => self.data(self.snapshot.record(at, oid)?)?,
        };
        Ok(Current { at, data })
    }

    fn data(&self, found: Found) -> Result<Option<Vec<u8>>, Error> {
        let mut data = Vec::new();
        Ok(self.snapshot.data(found, &mut data)?.then_some(data))
    }
}
