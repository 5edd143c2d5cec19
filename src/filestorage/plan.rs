//! The records that a transaction is written as, in the form of the file.

use std::collections::HashSet;

use super::format::{BACK_POINTER, DATA_HEADER};
use super::snapshot::{Found, Snapshot};
use crate::storage::{Draft, Error, NewRecord, Oid, SpoolRange, Step, Tid};

/// Records of an object that are looked at for the one that a restored record may point at. The copying program sends
/// the data as well, which are written where nothing is found: a long history must not keep the commit lock.
const MAX_HINT_RECORDS: usize = 100;
/// Records that are looked at for all such of a transaction: so many for each, and so many more. Most are the second or third of
/// their object.
const HINT_RECORDS_EACH: usize = 4;
const HINT_RECORDS_MORE: usize = 100_000;

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
    Data(SpoolRange),
    /// 0: the object is deleted.
    BackPointer(u64),
}

impl Planned {
    /// Length of the whole record.
    pub(super) fn length(&self) -> u64 {
        let body = match self.content {
            Content::Data(range) => range.length(),
            Content::BackPointer(_) => BACK_POINTER,
        };
        (DATA_HEADER + body) as u64
    }
}

/// An object's current record in a transaction that is finished but not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CurrentRecord {
    pub(super) at: u64,
    pub(super) tid: Tid,
    pub(super) deleted: bool,
}

/// Whether planning a transaction looks at more than current records: then all before it must be in the file.
pub(super) fn looks_back(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Restore { previous: Some(_), .. } | Step::Undo { .. }))
}

/// Earlier records that a transaction with so many changes may look at for all that it restores.
pub(super) fn records_to_look_at(changes: usize) -> usize {
    changes.saturating_mul(HINT_RECORDS_EACH).saturating_add(HINT_RECORDS_MORE)
}

/// A record of a transaction. `snapshot` reaches to the end of the last finished one. `left` counts the earlier records that may
/// be looked at.
pub(super) fn record(
    draft: &Draft,
    snapshot: &Snapshot,
    record: NewRecord<u64, SpoolRange>,
    left: &mut usize,
) -> Result<Planned, Error> {
    let NewRecord { oid, before, data, same_as } = record;
    let previous = before.map_or(0, |before| before.record);
    let most = if data.is_some() { MAX_HINT_RECORDS.min(*left) } else { *left };
    let looked = match same_as {
        Some(tid) => revision(snapshot, oid, previous, tid, most)?,
        None => Looked { found: None, records: 0 },
    };
    *left -= looked.records;
    if data.is_none() && looked.found.is_none() && *left == 0 {
        // Without its data the record would say that the object does not exist.
        return Err(Error::Transaction(format!(
            "the history of object {oid} is too long to look for the revision to be restored"
        )));
    }
    let earlier = looked.found;
    let content = match (earlier, data) {
        (Some(found), None) => Content::BackPointer(found.at),
        (Some(found), Some(data)) if has(draft, snapshot, found, data)? => Content::BackPointer(found.at),
        (_, Some(data)) => Content::Data(data),
        (None, None) => Content::BackPointer(0),
    };
    Ok(Planned { oid, previous, content })
}

/// What was found, and how many records were looked at for it.
struct Looked {
    found: Option<Found>,
    records: usize,
}

/// The record that a transaction made of an object: among the `most` last ones, newest first.
fn revision(snapshot: &Snapshot, oid: Oid, current: u64, tid: Tid, most: usize) -> Result<Looked, Error> {
    let (mut at, mut records) = (current, 0);
    while at != 0 && records < most {
        records += 1;
        let found = snapshot.record(at, Some(oid))?;
        if found.header.tid == tid {
            return Ok(Looked { found: Some(found), records });
        }
        at = if found.header.tid > tid { snapshot.previous(&found)? } else { 0 };
    }
    Ok(Looked { found: None, records })
}

/// Whether a record may stand for these data: it has them, or points at others (and is trusted, as Python does).
fn has(draft: &Draft, snapshot: &Snapshot, found: Found, data: SpoolRange) -> Result<bool, Error> {
    if found.header.length == 0 {
        return Ok(true);
    }
    if found.header.length != data.length() as u64 {
        return Ok(false);
    }
    let (mut theirs, mut ours) = (Vec::new(), Vec::with_capacity(data.length()));
    snapshot.data(found, &mut theirs)?;
    draft.read(data, &mut ours)?;
    Ok(theirs == ours)
}

/// How many objects did not exist before.
pub(super) fn count_new(planned: &[Planned]) -> u64 {
    let new: HashSet<Oid> =
        planned.iter().filter(|record| record.previous == 0).map(|record| record.oid).collect();
    new.len() as u64
}

/// Each object once, with its last record.
pub(super) fn last_of_each(mut records: Vec<(Oid, CurrentRecord)>) -> Vec<(Oid, CurrentRecord)> {
    if records.len() > 1 {
        let mut seen = HashSet::with_capacity(records.len());
        records.reverse();
        records.retain(|(oid, _)| seen.insert(*oid));
        records.reverse();
    }
    records
}
