//! Walking through the transactions and their records.

use std::collections::BTreeSet;

use super::format::{DATA_HEADER, START, Status, TransactionHeader};
use super::snapshot::Snapshot;
use crate::storage::{Error, Meta, Oid, Record, RecordIterator, Tid, TransactionIterator};

/// A walk through the transactions of a snapshot.
pub(super) struct Walk {
    snapshot: Snapshot,
    next: u64,
    stop: Tid,
    current: Option<(u64, TransactionHeader)>,
}

impl Walk {
    /// From the first transaction that is not before `start` to the last that is not after `stop`.
    pub(super) fn new(snapshot: Snapshot, start: Option<Tid>, stop: Option<Tid>) -> Result<Self, Error> {
        let next = match start {
            Some(start) => first_from(&snapshot, start)?,
            None => START,
        };
        Ok(Self { snapshot, next, stop: stop.unwrap_or(Tid(u64::MAX)), current: None })
    }
}

/// Where the first transaction is that is not before `tid`: looked for from the nearer end, by the ids.
fn first_from(snapshot: &Snapshot, tid: Tid) -> Result<u64, Error> {
    let Some((_, last)) = snapshot.transaction_before(snapshot.end)? else { return Ok(START) };
    let first = snapshot.transaction(START)?.tid;
    if tid.0.saturating_sub(first.0) > last.tid.0.saturating_sub(tid.0) {
        let mut end = snapshot.end;
        while let Some((start, header)) = snapshot.transaction_before(end)? {
            if header.tid < tid {
                break;
            }
            end = start;
        }
        return Ok(end);
    }
    let mut at = START;
    while at < snapshot.end {
        let header = snapshot.transaction(at)?;
        if header.tid >= tid {
            break;
        }
        at = header.next(at).unwrap_or(snapshot.end);
    }
    Ok(at)
}

impl TransactionIterator for Walk {
    fn next(&mut self) -> Result<Option<(Tid, Meta)>, Error> {
        self.current = None;
        while self.next < self.snapshot.end {
            let at = self.next;
            let header = self.snapshot.transaction(at)?;
            if header.tid > self.stop {
                break;
            }
            self.next = header.next(at).unwrap_or(self.snapshot.end);
            if header.status != Status::UNDONE {
                self.current = Some((at, header));
                return Ok(Some((header.tid, self.snapshot.meta(at, &header)?)));
            }
        }
        self.next = self.snapshot.end;
        Ok(None)
    }

    fn records(&mut self) -> Result<Box<dyn RecordIterator>, Error> {
        let (at, header) = self.current.ok_or_else(Error::no_current_transaction)?;
        Ok(Box::new(Records::new(self.snapshot.clone(), at, &header)))
    }
}

/// A walk through the records of a transaction.
pub(super) struct Records {
    snapshot: Snapshot,
    transaction: u64,
    next: u64,
    end: u64,
}

impl Records {
    pub(super) fn new(snapshot: Snapshot, at: u64, header: &TransactionHeader) -> Self {
        let (next, end) = (at + header.full_length(), at + header.length);
        Self { snapshot, transaction: at, next, end }
    }

    /// The next record without its data.
    fn step(&mut self) -> Result<Option<super::snapshot::Found>, Error> {
        if self.next >= self.end {
            return Ok(None);
        }
        let at = self.next;
        let found = self.snapshot.record(at, None)?;
        let next = at + found.header.full_length().unwrap_or(DATA_HEADER as u64);
        if next > self.end || found.header.transaction != self.transaction {
            return Err(self.snapshot.damaged(at, "a record outside of its transaction"));
        }
        self.next = next;
        Ok(Some(found))
    }

    /// The objects of all that are left.
    pub(super) fn oids(mut self) -> Result<Vec<Oid>, Error> {
        let mut oids = Vec::new();
        while let Some(found) = self.step()? {
            oids.push(found.header.oid);
        }
        Ok(oids)
    }
}

impl RecordIterator for Records {
    fn next(&mut self) -> Result<Option<Record>, Error> {
        let Some(found) = self.step()? else { return Ok(None) };
        let oid = found.header.oid;
        let mut data = Vec::new();
        let has_data = self.snapshot.data(found, &mut data)?;
        let data_tid = match found.back {
            0 => None,
            back => Some(self.snapshot.record(back, Some(oid))?.header.tid),
        };
        Ok(Some(Record { oid, data: has_data.then_some(data), data_tid }))
    }
}

/// The last transactions of a snapshot, oldest first, with the objects of each.
pub(super) fn last_transactions(snapshot: &Snapshot, count: usize) -> Result<Vec<(Tid, Vec<Oid>)>, Error> {
    let (mut found, mut end) = (Vec::new(), snapshot.end);
    while found.len() < count {
        let Some((at, header)) = snapshot.transaction_before(end)? else { break };
        if header.status != Status::UNDONE {
            found.push((header.tid, Records::new(snapshot.clone(), at, &header).oids()?));
        }
        end = at;
    }
    found.reverse();
    Ok(found)
}

/// The objects of all transactions after `since`; `None`: they are more than `limit`.
pub(super) fn changes_since(
    snapshot: &Snapshot,
    since: Tid,
    limit: usize,
) -> Result<Option<BTreeSet<Oid>>, Error> {
    let (mut oids, mut at) = (BTreeSet::new(), first_from(snapshot, Tid(since.0.saturating_add(1)))?);
    while at < snapshot.end && oids.len() <= limit {
        let header = snapshot.transaction(at)?;
        if header.status != Status::UNDONE {
            oids.extend(Records::new(snapshot.clone(), at, &header).oids()?);
        }
        at = header.next(at).unwrap_or(snapshot.end);
    }
    Ok((oids.len() <= limit).then_some(oids))
}
