//! A storage without a disk: ZODB's `MappingStorage`, for caches, trials and tests. Its data are lost when it is dropped.

mod pack;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use super::{
    Change, CommitListener, Completion, Draft, Error, History, HistoryEntry, Info, Judgement, Lookup, Meta,
    NewRecord, Oid, Operation, Pack, Present, Published, Record, RecordIterator, Revision, SpoolRange, Stats,
    Storage, Tid, Transaction, TransactionIterator, Vote, Wait, judge, lock, next_oids, next_tid,
};

/// Data of a revision; `None`: the object does not exist from there on.
type Data = Option<Arc<[u8]>>;

/// A storage in memory.
pub struct MemoryStorage(Arc<Shared>);

struct Shared {
    name: String,
    visible: RwLock<Visible>,
    /// The commit lock: a transaction holds it.
    locked: Mutex<bool>,
    released: Condvar,
    largest_oid: Mutex<u64>,
    /// Held by the pack that runs.
    packing: Mutex<()>,
    listener: OnceLock<Arc<dyn CommitListener>>,
}

#[derive(Default)]
struct Visible {
    /// Each object's revisions, oldest first; never empty.
    objects: BTreeMap<Oid, Vec<(Tid, Data)>>,
    transactions: Vec<Arc<Written>>,
    stats: Stats,
}

/// A transaction.
struct Written {
    tid: Tid,
    meta: Meta,
    records: Vec<(Oid, Data)>,
}

impl MemoryStorage {
    /// An empty one, called `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::new(Shared {
            name: name.to_owned(),
            visible: RwLock::default(),
            locked: Mutex::default(),
            released: Condvar::new(),
            largest_oid: Mutex::default(),
            packing: Mutex::default(),
            listener: OnceLock::new(),
        }))
    }
}

impl Shared {
    fn visible(&self) -> RwLockReadGuard<'_, Visible> {
        self.visible.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the commit lock.
    fn acquire(self: &Arc<Self>, wait: Wait) -> Result<CommitLock, Error> {
        let mut locked = lock(&self.locked);
        while *locked {
            if wait == Wait::Refused {
                return Err(Error::WouldWait);
            }
            locked = self.released.wait(locked).unwrap_or_else(PoisonError::into_inner);
        }
        *locked = true;
        Ok(CommitLock(self.clone()))
    }

    /// Publishes a transaction.
    fn publish(&self, written: Written, completion: Completion) {
        let written = Arc::new(written);
        let stats = self.visible().stats_with(&written);
        let mut published = Published {
            tid: written.tid,
            oids: written.records.iter().map(|(oid, _)| *oid).collect(),
            objects: stats.objects,
            bytes: stats.bytes,
            completion: Some(completion),
        };
        let mut make_visible =
            || self.visible.write().unwrap_or_else(PoisonError::into_inner).add(written.clone(), stats);
        match self.listener.get() {
            Some(listener) => listener.committed(std::slice::from_mut(&mut published), &mut make_visible),
            None => make_visible(),
        }
        if let Some(completion) = published.completion.take() {
            completion.call(Ok(published.tid));
        }
    }
}

/// The commit lock, held.
struct CommitLock(Arc<Shared>);

impl Drop for CommitLock {
    fn drop(&mut self) {
        *lock(&self.0.locked) = false;
        self.0.released.notify_one();
    }
}

impl Visible {
    fn revisions(&self, oid: Oid) -> Result<&[(Tid, Data)], Error> {
        self.objects.get(&oid).map(Vec::as_slice).ok_or(Error::NoSuchObject(oid))
    }

    fn current(&self, oid: Oid) -> Option<Present<()>> {
        let (tid, data) = self.objects.get(&oid)?.last()?;
        Some(Present { tid: *tid, deleted: data.is_none(), record: () })
    }

    /// The data that a transaction gave an object.
    fn data(&self, oid: Oid, tid: Tid) -> Data {
        self.objects.get(&oid)?.iter().find(|(at, _)| *at == tid)?.1.clone()
    }

    fn stats_with(&self, written: &Written) -> Stats {
        let mut stats = Stats { last_tid: written.tid, ..self.stats };
        for (oid, data) in &written.records {
            stats.objects += u64::from(!self.objects.contains_key(oid));
            stats.bytes += data.as_ref().map_or(0, |data| data.len() as u64);
        }
        stats
    }

    fn add(&mut self, written: Arc<Written>, stats: Stats) {
        for (oid, data) in &written.records {
            self.objects.entry(*oid).or_default().push((written.tid, data.clone()));
        }
        self.transactions.push(written);
        self.stats = stats;
    }
}

/// What is visible, and the largest id that is in use or was given out.
impl Lookup for (&Visible, Oid) {
    type Record = ();

    fn current(&self, oid: Oid) -> Result<Option<Present<()>>, Error> {
        Ok(self.0.current(oid))
    }

    fn largest(&self) -> Oid {
        self.1
    }
}

impl Storage for MemoryStorage {
    fn info(&self) -> Info {
        Info { name: self.0.name.clone(), read_only: false, restore: false, delete: false }
    }

    fn stats(&self) -> Stats {
        self.0.visible().stats
    }

    fn subscribe(&self, listener: Arc<dyn CommitListener>) {
        // A second one would break the contract; the first goes on.
        let _ = self.0.listener.set(listener);
    }

    fn load_before(
        &self,
        oid: Oid,
        before: Tid,
        _: Wait,
        data: &mut Vec<u8>,
    ) -> Result<Option<Revision>, Error> {
        let visible = self.0.visible();
        let revisions = visible.revisions(oid)?;
        let later = revisions.partition_point(|(tid, _)| *tid < before);
        let Some((start, found)) = later.checked_sub(1).and_then(|at| revisions.get(at)) else {
            return Ok(None);
        };
        data.extend_from_slice(found.as_ref().ok_or(Error::NoSuchObject(oid))?);
        Ok(Some(Revision { start: *start, end: revisions.get(later).map(|(tid, _)| *tid) }))
    }

    fn load_serial(&self, oid: Oid, tid: Tid, _: Wait) -> Result<Vec<u8>, Error> {
        let data = self.0.visible().data(oid, tid);
        data.map(|data| data.to_vec()).ok_or(Error::NoSuchObject(oid))
    }

    fn current_tid(&self, oid: Oid) -> Result<Tid, Error> {
        let current = self.0.visible().current(oid).filter(|current| !current.deleted);
        current.map(|current| current.tid).ok_or(Error::NoSuchObject(oid))
    }

    fn new_oids(&self, count: u32) -> Result<RangeInclusive<u64>, Error> {
        let mut largest = lock(&self.0.largest_oid);
        let given = next_oids(*largest, count)?;
        *largest = *given.end();
        Ok(given)
    }

    fn last_transactions(&self, count: usize) -> Result<Vec<(Tid, Vec<Oid>)>, Error> {
        let visible = self.0.visible();
        let skipped = visible.transactions.len().saturating_sub(count);
        let named =
            |written: &Arc<Written>| (written.tid, written.records.iter().map(|(oid, _)| *oid).collect());
        Ok(visible.transactions[skipped..].iter().map(named).collect())
    }

    fn changes_since(
        &self,
        since: Tid,
        limit: usize,
        _: Wait,
    ) -> Result<Option<(Tid, BTreeSet<Oid>)>, Error> {
        let visible = self.0.visible();
        let later = visible.transactions.iter().rev().take_while(|written| written.tid > since);
        let oids: BTreeSet<Oid> =
            later.flat_map(|written| written.records.iter().map(|(oid, _)| *oid)).collect();
        Ok((oids.len() <= limit).then_some((visible.stats.last_tid, oids)))
    }

    fn begin(&self, meta: Meta) -> Result<Box<dyn Transaction>, Error> {
        Ok(Box::new(MemoryTransaction { shared: self.0.clone(), draft: Draft::new(meta), accepted: None }))
    }

    fn close(&self) -> Result<(), Error> {
        Ok(())
    }

    fn history(&self) -> Option<&dyn History> {
        Some(&*self.0)
    }

    fn pack(&self) -> Option<&dyn Pack> {
        Some(&self.0)
    }
}

struct MemoryTransaction {
    shared: Arc<Shared>,
    draft: Draft,
    accepted: Option<(Written, CommitLock)>,
}

impl MemoryTransaction {
    /// The last data of each changed object, in the order of the first.
    fn records(
        &self,
        visible: &Visible,
        changes: Vec<Change<(), SpoolRange>>,
    ) -> Result<Vec<(Oid, Data)>, Error> {
        let (mut records, mut places) = (Vec::<(Oid, Data)>::new(), HashMap::new());
        for change in changes {
            let Change::Record(NewRecord { oid, data, same_as, .. }) = change else { continue };
            let data = match data {
                Some(range) => {
                    let mut data = Vec::with_capacity(range.length());
                    self.draft.read(range, &mut data)?;
                    Some(data.into())
                }
                None => same_as.and_then(|tid| visible.data(oid, tid)),
            };
            let place = *places.entry(oid).or_insert(records.len());
            match records.get_mut(place) {
                Some(record) => record.1 = data,
                None => records.push((oid, data)),
            }
        }
        Ok(records)
    }
}

impl Transaction for MemoryTransaction {
    fn push(&mut self, operation: Operation) -> Result<(), Error> {
        if let Operation::Undo { .. } = operation {
            return Err(Error::Unsupported("undo"));
        }
        self.draft.push(operation)
    }

    fn vote(&mut self, wait: Wait) -> Result<Vote, Error> {
        if self.accepted.is_some() {
            return Err(Error::voted_already());
        }
        let held = self.shared.acquire(wait)?;
        let visible = self.shared.visible();
        let largest = Oid(*lock(&self.shared.largest_oid));
        let steps = self.draft.steps().iter().copied();
        let records = match judge(&(&*visible, largest), steps, |range| range.length() == 0)? {
            Judgement::Accepted(changes) => self.records(&visible, changes)?,
            Judgement::Conflicts(conflicts) => return Ok(Vote::Conflicts(self.draft.conflicts(conflicts)?)),
        };
        let tid = next_tid(visible.stats.last_tid, self.draft.meta.tid, SystemTime::now())?;
        drop(visible);
        if let Some(Oid(largest)) = records.iter().map(|(oid, _)| *oid).max() {
            let mut known = lock(&self.shared.largest_oid);
            *known = largest.max(*known);
        }
        self.accepted = Some((Written { tid, meta: self.draft.meta.clone(), records }, held));
        Ok(Vote::Accepted { tid: Some(tid), changed: Vec::new() })
    }

    fn finish(self: Box<Self>, completion: Completion) {
        match self.accepted {
            // Nobody else votes, and so publishes, while the lock is held.
            Some((written, _held)) => self.shared.publish(written, completion),
            None => completion.call(Err(Error::not_voted())),
        }
    }
}

impl History for Shared {
    fn revisions(&self, oid: Oid, size: usize, _: Wait) -> Result<Vec<HistoryEntry>, Error> {
        let visible = self.visible();
        let revisions = visible.revisions(oid)?;
        let entry = |(tid, data): &(Tid, Data)| {
            let at = visible.transactions.binary_search_by_key(tid, |written| written.tid).ok()?;
            let size = data.as_ref().map_or(0, |data| data.len() as u64);
            Some(HistoryEntry { tid: *tid, meta: visible.transactions[at].meta.clone(), size })
        };
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for entry in revisions.iter().rev().take(size).filter_map(entry) {
            entry.add_to(&mut entries, &mut bytes)?;
        }
        Ok(entries)
    }

    fn iterate(
        &self,
        start: Option<Tid>,
        stop: Option<Tid>,
        _: Wait,
    ) -> Result<Box<dyn TransactionIterator>, Error> {
        let visible = self.visible();
        let wanted = |written: &&Arc<Written>| {
            start.is_none_or(|start| written.tid >= start) && stop.is_none_or(|stop| written.tid <= stop)
        };
        let transactions: Vec<_> = visible.transactions.iter().filter(wanted).cloned().collect();
        Ok(Box::new(Walk { left: transactions.into_iter(), current: None }))
    }
}

struct Walk {
    left: std::vec::IntoIter<Arc<Written>>,
    current: Option<Arc<Written>>,
}

impl TransactionIterator for Walk {
    fn next(&mut self, _: Wait) -> Result<Option<(Tid, Meta)>, Error> {
        self.current = self.left.next();
        Ok(self.current.as_ref().map(|written| (written.tid, written.meta.clone())))
    }

    fn records(&mut self) -> Result<Box<dyn RecordIterator>, Error> {
        let written = self.current.clone().ok_or_else(Error::no_current_transaction)?;
        Ok(Box::new(Records { written, at: 0 }))
    }
}

struct Records {
    written: Arc<Written>,
    at: usize,
}

impl RecordIterator for Records {
    fn next(&mut self, _: Wait) -> Result<Option<Record>, Error> {
        let record = self.written.records.get(self.at);
        self.at += 1;
        Ok(record.map(|(oid, data)| Record {
            oid: *oid,
            data: data.as_ref().map(|data| data.to_vec()),
            data_tid: None,
        }))
    }
}
