//! Walking through the transactions and their records.

use std::collections::BTreeSet;

use super::damage::Probe;
use super::format::{DATA_HEADER, START, Status, TransactionHeader};
use super::snapshot::{Chain, Found, Snapshot};
use crate::storage::{Error, Meta, Oid, Record, RecordIterator, Tid, TransactionIterator, Wait};

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

/// The right header of a transaction that is damaged as `error` says. All of a snapshot is finished.
fn mended(snapshot: &Snapshot, at: u64, error: Error) -> Result<TransactionHeader, Error> {
    let Snapshot { disk, path, end, wait } = snapshot;
    // It is looked for here and there.
    if *wait == Wait::Refused {
        return Err(Error::WouldWait);
    }
    Probe { disk: &**disk, path, size: *end, finished: *end }.mended(at)?.ok_or(error)
}

/// The header of the transaction at a position, with the right length.
fn transaction(snapshot: &Snapshot, at: u64) -> Result<TransactionHeader, Error> {
    match snapshot.transaction(at) {
        Err(error @ Error::Damaged { .. }) => mended(snapshot, at, error),
        result => result,
    }
}

/// The position and header of the transaction that ends at `end`, likewise; `None`: that is the start of the file.
pub(super) fn transaction_before(
    snapshot: &Snapshot,
    end: u64,
) -> Result<Option<(u64, TransactionHeader)>, Error> {
    match snapshot.transaction_before(end) {
        Err(error @ Error::Damaged { .. }) => {
            let start = snapshot.start_before(end)?;
            let header = mended(snapshot, start, error.clone())?;
            if header.next(start) == Some(end) { Ok(Some((start, header))) } else { Err(error) }
        }
        result => result,
    }
}

/// The transactions, newest first, up to the first that cannot be read.
pub(super) fn newest_first(
    snapshot: &Snapshot,
) -> impl Iterator<Item = Result<(u64, TransactionHeader), Error>> + '_ {
    let mut end = snapshot.end;
    std::iter::from_fn(move || {
        let found = transaction_before(snapshot, end);
        end = found.as_ref().ok().copied().flatten().map_or(START, |(start, _)| start);
        found.transpose()
    })
}

/// Where the first transaction is that is not before `tid`: looked for from the nearer end, by the ids; from the other one where
/// damage is in the way.
fn first_from(snapshot: &Snapshot, tid: Tid) -> Result<u64, Error> {
    let first = transaction(snapshot, START).map(|header| header.tid);
    let last = transaction_before(snapshot, snapshot.end).map(|last| last.map(|(_, header)| header.tid));
    let forward = match (first, last) {
        (_, Ok(None)) => return Ok(START),
        (Ok(first), Ok(Some(last))) => tid.0.saturating_sub(first.0) <= last.0.saturating_sub(tid.0),
        (first, _) => first.is_ok(),
    };
    let search = |forward| if forward { first_forward(snapshot, tid) } else { first_backward(snapshot, tid) };
    match search(forward) {
        Err(Error::Damaged { .. }) => search(!forward),
        result => result,
    }
}

fn first_backward(snapshot: &Snapshot, tid: Tid) -> Result<u64, Error> {
    let (mut end, mut chain) = (snapshot.end, Chain::default());
    while let Some((start, header)) = transaction_before(snapshot, end)? {
        snapshot.follow(&mut chain)?;
        if header.tid < tid {
            break;
        }
        end = start;
    }
    Ok(end)
}

fn first_forward(snapshot: &Snapshot, tid: Tid) -> Result<u64, Error> {
    let (mut at, mut chain) = (START, Chain::default());
    while at < snapshot.end {
        snapshot.follow(&mut chain)?;
        let header = transaction(snapshot, at)?;
        if header.tid >= tid {
            break;
        }
        at = header.next(at).unwrap_or(snapshot.end);
    }
    Ok(at)
}

impl TransactionIterator for Walk {
    fn next(&mut self, wait: Wait) -> Result<Option<(Tid, Meta)>, Error> {
        self.snapshot.wait = wait;
        let mut chain = Chain::default();
        self.current = None;
        while self.next < self.snapshot.end {
            self.snapshot.follow(&mut chain)?;
            let at = self.next;
            let header = transaction(&self.snapshot, at)?;
            if header.tid > self.stop {
                break;
            }
            let next = header.next(at).unwrap_or(self.snapshot.end);
            let meta = match header.status {
                Status::UNDONE => None,
                _ => Some(self.snapshot.meta(at, &header)?),
            };
            self.next = next;
            if let Some(meta) = meta {
                self.current = Some((at, header));
                return Ok(Some((header.tid, meta)));
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

    /// The next record without its data, and where the one after it is.
    fn look(&self) -> Result<Option<(Found, u64)>, Error> {
        if self.next >= self.end {
            return Ok(None);
        }
        let at = self.next;
        let found = self.snapshot.record(at, None)?;
        let next = at + found.header.full_length().unwrap_or(DATA_HEADER as u64);
        if next > self.end || found.header.transaction != self.transaction {
            return Err(self.snapshot.damaged(at, "a record outside of its transaction"));
        }
        Ok(Some((found, next)))
    }

    /// Takes the next record, without its data.
    pub(super) fn step(&mut self) -> Result<Option<Found>, Error> {
        Ok(self.look()?.map(|(found, next)| {
            self.next = next;
            found
        }))
    }

    /// The objects of all that are left, if they are of this transaction.
    fn oids(mut self, tid: Tid, chain: &mut Chain) -> Result<Vec<Oid>, Error> {
        let mut oids = Vec::new();
        while let Some(found) = self.step()? {
            self.snapshot.follow(chain)?;
            if found.header.tid != tid {
                return Err(self.snapshot.damaged(found.at, "a record of another transaction"));
            }
            oids.push(found.header.oid);
        }
        Ok(oids)
    }
}

impl RecordIterator for Records {
    fn next(&mut self, wait: Wait) -> Result<Option<Record>, Error> {
        self.snapshot.wait = wait;
        let Some((found, next)) = self.look()? else { return Ok(None) };
        let oid = found.header.oid;
        let mut data = Vec::new();
        let has_data = self.snapshot.data(found, &mut data)?;
        let data_tid = match found.back {
            0 => None,
            back => Some(self.snapshot.record(back, Some(oid))?.header.tid),
        };
        self.next = next;
        Ok(Some(Record { oid, data: has_data.then_some(data), data_tid }))
    }
}

/// Transactions and the objects that they changed.
type Changes = Vec<(Tid, Vec<Oid>)>;

/// A walk towards the start of a file, through the objects that transactions changed. It goes only where it is sure of their
/// ids: clients drop from their caches what it finds, and nothing else.
struct Backward<'a> {
    snapshot: &'a Snapshot,
    end: u64,
    newer: Tid,
    chain: Chain,
}

impl<'a> Backward<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, end: snapshot.end, newer: Tid(u64::MAX), chain: Chain::default() }
    }

    /// The transaction before, and its objects.
    fn next(&mut self) -> Result<Option<(Tid, Vec<Oid>)>, Error> {
        while let Some((at, header)) = transaction_before(self.snapshot, self.end)? {
            self.snapshot.follow(&mut self.chain)?;
            self.end = at;
            if header.status == Status::UNDONE {
                continue;
            }
            if header.tid >= self.newer {
                return Err(self
                    .snapshot
                    .damaged(at, "a transaction that is not earlier than the one after it"));
            }
            self.newer = header.tid;
            let oids = Records::new(self.snapshot.clone(), at, &header).oids(header.tid, &mut self.chain)?;
            return Ok(Some((header.tid, oids)));
        }
        Ok(None)
    }
}

/// The last transactions of a snapshot, oldest first, with the objects of each: `count` of them, or as many as there are. If
/// they are fewer because of damage, also what it is.
pub(super) fn last_transactions(
    snapshot: &Snapshot,
    count: usize,
) -> Result<(Changes, Option<Error>), Error> {
    let (mut found, mut damage, mut backward) = (Vec::new(), None, Backward::new(snapshot));
    while found.len() < count {
        match backward.next() {
            Ok(Some(transaction)) => found.push(transaction),
            Ok(None) => break,
            Err(error @ Error::Damaged { .. }) => {
                damage = Some(error);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    found.reverse();
    Ok((found, damage))
}

/// The objects of all transactions after `since`; `None`: they are more than `limit`.
pub(super) fn changes_since(
    snapshot: &Snapshot,
    since: Tid,
    limit: usize,
) -> Result<Option<BTreeSet<Oid>>, Error> {
    let (mut oids, mut backward) = (BTreeSet::new(), Backward::new(snapshot));
    while oids.len() <= limit {
        match backward.next()? {
            Some((tid, changed)) if tid > since => oids.extend(changed),
            _ => return Ok(Some(oids)),
        }
    }
    Ok(None)
}
