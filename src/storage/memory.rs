//! A storage without a disk: ZODB's `MappingStorage`, for caches, trials and tests. What it holds is gone when it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use super::{
    Audience, Conflict, Current, Errand, Error, Finished, HistoryEntry, Meta, Oid, Operation, Published,
    Record, RecordIterator, Revision, Serial, Storage, Ticket, Tid, Traits, Transaction, TransactionIterator,
    Vote,
};

/// Data of a revision; `None`: the object does not exist from there on.
type Data = Option<Arc<[u8]>>;

/// What a transaction does to each object, or why it cannot.
type Judgement = Result<Vec<(Oid, Data)>, Vec<Conflict>>;

/// A storage in memory.
pub struct MemoryStorage {
    name: String,
    visible: RwLock<Visible>,
    voted: Mutex<Voted>,
    largest_oid: Mutex<u64>,
    audience: OnceLock<Arc<dyn Audience>>,
}

#[derive(Default)]
struct Visible {
    /// Each object's revisions, oldest first; never empty.
    objects: BTreeMap<Oid, Vec<(Tid, Data)>>,
    transactions: Vec<Arc<Written>>,
    length: u64,
    size: u64,
}

/// A transaction.
struct Written {
    tid: Tid,
    meta: Meta,
    records: Vec<(Oid, Data)>,
}

#[derive(Default)]
struct Voted {
    last: u64,
    pending: Option<(Ticket, Arc<Written>)>,
}

impl MemoryStorage {
    /// An empty one, called `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            visible: RwLock::default(),
            voted: Mutex::default(),
            largest_oid: Mutex::default(),
            audience: OnceLock::new(),
        }
    }

    fn visible(&self) -> RwLockReadGuard<'_, Visible> {
        self.visible.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, ticket: Ticket) -> Option<Arc<Written>> {
        let mut voted = locked(&self.voted);
        let (_, written) = voted.pending.take_if(|(pending, _)| *pending == ticket)?;
        Some(written)
    }
}

/// Whatever a panicking thread left is whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Visible {
    fn revisions(&self, oid: Oid) -> Result<&[(Tid, Data)], Error> {
        self.objects.get(&oid).map(Vec::as_slice).ok_or(Error::NoSuchObject(oid))
    }

    /// The current revision of an object that exists.
    fn current(&self, oid: Oid) -> Option<(Tid, &Arc<[u8]>)> {
        let (tid, data) = self.objects.get(&oid)?.last()?;
        data.as_ref().map(|data| (*tid, data))
    }

    fn last_tid(&self) -> Tid {
        self.transactions.last().map_or(Tid::ZERO, |last| last.tid)
    }

    fn add(&mut self, written: Arc<Written>) {
        for (oid, data) in &written.records {
            let before = u64::from(self.current(*oid).is_some());
            self.objects.entry(*oid).or_default().push((written.tid, data.clone()));
            self.length = self.length + u64::from(data.is_some()) - before;
            self.size += data.as_ref().map_or(0, |data| data.len() as u64);
        }
        self.transactions.push(written);
    }

    /// Carries out the steps: what becomes of each object, or the conflicts.
    fn judge(&self, transaction: &Transaction) -> Result<Judgement, Error> {
        let mut records = Vec::<(Oid, Data)>::new();
        // With the number of their step, whose order they are told in.
        let mut conflicts = HashMap::<Oid, (usize, Conflict)>::new();
        let mut places = HashMap::new();
        let mut put = |oid: Oid, data: Data| {
            let place = *places.entry(oid).or_insert(records.len());
            match records.get_mut(place) {
                Some(record) => record.1 = data,
                None => records.push((oid, data)),
            }
        };
        for (step, operation) in transaction.operations().enumerate() {
            match operation? {
                Operation::Store { oid, serial, data } => match self.current(oid) {
                    Some((committed, _)) if serial != Some(committed) => {
                        conflicts.insert(oid, (step, Conflict { oid, committed, given: serial, data }));
                    }
                    _ => {
                        conflicts.remove(&oid);
                        put(oid, Some(data.into()));
                    }
                },
                Operation::CheckCurrent { oid, serial } => {
                    let (committed, _) = self.current(oid).ok_or(Error::NoSuchObject(oid))?;
                    if serial != Some(committed) {
                        return Err(Error::ReadConflict { oid, committed, given: given(serial) });
                    }
                }
                Operation::Delete { oid, serial } => {
                    let (committed, _) = self.current(oid).ok_or(Error::NoSuchObject(oid))?;
                    if serial != Some(committed) {
                        return Err(Error::Conflict { oid, committed, given: given(serial) });
                    }
                    put(oid, None);
                }
                Operation::Restore { oid, data, previous } => {
                    let same = || {
                        let revisions = self.objects.get(&oid)?;
                        revisions.iter().find(|(tid, _)| Some(*tid) == previous)?.1.clone()
                    };
                    put(oid, data.map(Into::into).or_else(same));
                }
                Operation::Undo { .. } => return Err(Error::Undo("this storage has no undo".to_owned())),
            }
        }
        if conflicts.is_empty() {
            return Ok(Ok(records));
        }
        let mut conflicts: Vec<_> = conflicts.into_values().collect();
        conflicts.sort_by_key(|(step, _)| *step);
        Ok(Err(conflicts.into_iter().map(|(_, conflict)| conflict).collect()))
    }
}

fn given(serial: Serial) -> Tid {
    serial.unwrap_or(Tid::ZERO)
}

impl Storage for MemoryStorage {
    fn traits(&self) -> Traits {
        Traits {
            name: self.name.clone(),
            read_only: false,
            undo: false,
            record_iteration: false,
            interfaces: &["IStorage", "IStorageIteration"],
        }
    }

    fn attach(&self, audience: Arc<dyn Audience>) {
        // A second one would break the contract; the first goes on.
        let _ = self.audience.set(audience);
    }

    fn last_tid(&self) -> Tid {
        self.visible().last_tid()
    }

    fn length(&self) -> u64 {
        self.visible().length
    }

    fn size(&self) -> u64 {
        self.visible().size
    }

    fn load_before(&self, oid: Oid, before: Tid, data: &mut Vec<u8>) -> Result<Option<Revision>, Error> {
        let visible = self.visible();
        let revisions = visible.revisions(oid)?;
        let later = revisions.partition_point(|(tid, _)| *tid < before);
        let Some((start, found)) = later.checked_sub(1).and_then(|at| revisions.get(at)) else {
            return Ok(None);
        };
        data.extend_from_slice(found.as_ref().ok_or(Error::NoSuchObject(oid))?);
        Ok(Some(Revision { start: *start, end: revisions.get(later).map(|(tid, _)| *tid) }))
    }

    fn load_serial(&self, oid: Oid, tid: Tid) -> Result<Vec<u8>, Error> {
        let visible = self.visible();
        let found = visible.revisions(oid)?.iter().find(|(at, _)| *at == tid);
        let data = found.and_then(|(_, data)| data.as_ref());
        data.map(|data| data.to_vec()).ok_or(Error::NoSuchObject(oid))
    }

    fn current_tid(&self, oid: Oid) -> Result<Tid, Error> {
        self.visible().current(oid).map(|(tid, _)| tid).ok_or(Error::NoSuchObject(oid))
    }

    fn history(&self, oid: Oid, size: usize) -> Result<Vec<HistoryEntry>, Error> {
        let visible = self.visible();
        let revisions = visible.revisions(oid)?;
        let entry = |(tid, data): &(Tid, Data)| {
            let at = visible.transactions.binary_search_by_key(tid, |written| written.tid).ok()?;
            let size = data.as_ref().map_or(0, |data| data.len() as u64);
            Some(HistoryEntry { tid: *tid, meta: visible.transactions[at].meta.clone(), size })
        };
        let (mut entries, mut taken) = (Vec::new(), 0);
        for entry in revisions.iter().rev().take(size).filter_map(entry) {
            entry.add_to(&mut entries, &mut taken)?;
        }
        Ok(entries)
    }

    fn new_oids(&self, count: u32) -> Result<Oid, Error> {
        let mut largest = locked(&self.largest_oid);
        let none_left = || Error::Transaction("there are no object ids left".to_owned());
        let last = largest.checked_add(u64::from(count)).ok_or_else(none_left)?;
        let first = Oid(*largest + 1);
        *largest = last;
        Ok(first)
    }

    fn next_record(&self, from: Oid) -> Result<Option<Current>, Error> {
        let visible = self.visible();
        let mut there = visible
            .objects
            .range(from..)
            .filter_map(|(oid, _)| visible.current(*oid).map(|(tid, data)| (*oid, tid, data)));
        let Some((oid, tid, data)) = there.next() else { return Ok(None) };
        Ok(Some(Current { oid, tid, data: data.to_vec(), next: there.next().map(|(oid, ..)| oid) }))
    }

    fn last_transactions(&self, count: usize) -> Result<Vec<(Tid, Vec<Oid>)>, Error> {
        let visible = self.visible();
        let skipped = visible.transactions.len().saturating_sub(count);
        let named =
            |written: &Arc<Written>| (written.tid, written.records.iter().map(|(oid, _)| *oid).collect());
        Ok(visible.transactions[skipped..].iter().map(named).collect())
    }

    fn iterate(&self, start: Option<Tid>, stop: Option<Tid>) -> Result<Box<dyn TransactionIterator>, Error> {
        let visible = self.visible();
        let wanted = |written: &&Arc<Written>| {
            start.is_none_or(|start| written.tid >= start) && stop.is_none_or(|stop| written.tid <= stop)
        };
        let transactions: Vec<_> = visible.transactions.iter().filter(wanted).cloned().collect();
        Ok(Box::new(Walk { left: transactions.into_iter(), current: None }))
    }

    fn vote(&self, transaction: &mut Transaction) -> Result<Vote, Error> {
        let mut voted = locked(&self.voted);
        if voted.pending.is_some() {
            return Err(Error::Transaction("another transaction has been voted on".to_owned()));
        }
        let visible = self.visible();
        let records = match visible.judge(transaction)? {
            Ok(records) => records,
            Err(conflicts) => return Ok(Vote::Conflicts(conflicts)),
        };
        let last = visible.last_tid();
        let tid = match transaction.meta.tid {
            Some(given) => Some(given).filter(|given| *given > last),
            None => last.next(SystemTime::now()),
        };
        let what = || "the transaction's id is not later than the last one's".to_owned();
        let tid = tid.ok_or_else(|| Error::Transaction(what()))?;
        if let Some(Oid(largest)) = records.iter().map(|(oid, _)| *oid).max() {
            let mut known = locked(&self.largest_oid);
            *known = largest.max(*known);
        }
        voted.last += 1;
        let ticket = Ticket(voted.last);
        let written = Written { tid, meta: transaction.meta.clone(), records };
        voted.pending = Some((ticket, Arc::new(written)));
        Ok(Vote::Written { ticket, tid, changed: Vec::new() })
    }

    fn finish(&self, ticket: Ticket, finished: Finished) -> Option<Errand> {
        let Some(written) = self.take(ticket) else {
            finished(Err(Error::Transaction("nothing has been voted on".to_owned())));
            return None;
        };
        let oids: Vec<Oid> = written.records.iter().map(|(oid, _)| *oid).collect();
        // Nobody votes, and so nobody else writes, before this is over.
        let (length, size) = {
            let visible = self.visible();
            let (mut length, mut size) = (visible.length, visible.size);
            for (oid, data) in &written.records {
                length = length + u64::from(data.is_some()) - u64::from(visible.current(*oid).is_some());
                size += data.as_ref().map_or(0, |data| data.len() as u64);
            }
            (length, size)
        };
        let mut make_visible = || {
            self.visible.write().unwrap_or_else(PoisonError::into_inner).add(written.clone());
        };
        match self.audience.get() {
            Some(audience) => {
                let published = Published { tid: written.tid, oids: &oids, length, size };
                audience.publish(&published, &mut make_visible);
            }
            None => make_visible(),
        }
        finished(Ok(()));
        if let Some(audience) = self.audience.get() {
            audience.send();
        }
        None
    }

    fn abort(&self, ticket: Ticket) {
        self.take(ticket);
    }

    fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

struct Walk {
    left: std::vec::IntoIter<Arc<Written>>,
    current: Option<Arc<Written>>,
}

impl TransactionIterator for Walk {
    fn next(&mut self) -> Result<Option<(Tid, Meta)>, Error> {
        self.current = self.left.next();
        Ok(self.current.as_ref().map(|written| (written.tid, written.meta.clone())))
    }

    fn records(&mut self) -> Result<Box<dyn RecordIterator>, Error> {
        let none = || Error::Transaction("the iteration is not at a transaction".to_owned());
        let written = self.current.clone().ok_or_else(none)?;
        Ok(Box::new(Records { written, at: 0 }))
    }
}

struct Records {
    written: Arc<Written>,
    at: usize,
}

impl RecordIterator for Records {
    fn next(&mut self) -> Result<Option<Record>, Error> {
        let record = self.written.records.get(self.at);
        self.at += 1;
        Ok(record.map(|(oid, data)| Record {
            oid: *oid,
            data: data.as_ref().map(|data| data.to_vec()),
            data_tid: None,
        }))
    }
}

#[cfg(test)]
mod tests;
