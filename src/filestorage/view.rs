//! What readers see: the current records of the last published transaction, and the way from them to earlier revisions.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::disk::Disk;
use super::in_flight::Pending;
use super::index::Index;
use super::snapshot::{Chain, Found, Snapshot};
use super::walk::Walk;
use crate::storage::{
    Current, CurrentRecords, Error, History, HistoryEntry, Oid, Revision, Stats, Tid, TransactionIterator,
    Wait,
};

/// The published state. A lock is held only to look into the index or to publish, never while a file is read.
pub(super) struct View {
    pub(super) path: Arc<Path>,
    published: RwLock<State>,
}

/// All of it belongs together: a pack replaces it as a whole.
pub(super) struct State {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) index: Index,
    pub(super) end: u64,
    pub(super) last: Tid,
}

impl View {
    pub(super) fn new(path: Arc<Path>, state: State) -> Self {
        Self { path, published: RwLock::new(state) }
    }

    pub(super) fn published(&self) -> RwLockReadGuard<'_, State> {
        self.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets readers see transactions.
    pub(super) fn publish(&self, batch: &[Pending]) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        for Pending { placed, records, .. } in batch {
            for (oid, record) in records {
                published.index.insert(*oid, record.at);
            }
            (published.end, published.last) = (placed.end(), placed.tid);
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let published = self.published();
        Stats { last_tid: published.last, objects: published.index.length(), bytes: published.end }
    }

    pub(super) fn disk(&self) -> Arc<dyn Disk> {
        self.published().disk.clone()
    }

    /// Another file takes the place of the one that readers see, with the same transactions.
    pub(super) fn replace(&self, state: State) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// A record of the file as readers see it.
    pub(super) fn record(&self, at: u64) -> Result<Found, Error> {
        self.snapshot(Wait::Allowed).record(at, None)
    }

    /// The file as readers see it.
    pub(super) fn snapshot(&self, wait: Wait) -> Snapshot {
        self.last(wait).1
    }

    /// The last transaction, and the file as of then.
    pub(super) fn last(&self, wait: Wait) -> (Tid, Snapshot) {
        let published = self.published();
        (published.last, self.snapshot_of(&published, wait))
    }

    fn snapshot_of(&self, state: &State, wait: Wait) -> Snapshot {
        Snapshot { disk: state.disk.clone(), path: self.path.clone(), end: state.end, wait }
    }

    /// An object's current record.
    fn locate(&self, oid: Oid, wait: Wait) -> Result<(Snapshot, u64), Error> {
        let published = self.published();
        let at = published.index.get(oid).ok_or(Error::NoSuchObject(oid))?;
        Ok((self.snapshot_of(&published, wait), at))
    }

    /// See [`Storage::load_before`](crate::storage::Storage::load_before).
    pub(super) fn load_before(
        &self,
        oid: Oid,
        before: Tid,
        wait: Wait,
        data: &mut Vec<u8>,
    ) -> Result<Option<Revision>, Error> {
        let length = data.len();
        let result = self.try_load_before(oid, before, wait, data);
        if !matches!(result, Ok(Some(_))) {
            data.truncate(length);
        }
        result
    }

    fn try_load_before(
        &self,
        oid: Oid,
        before: Tid,
        wait: Wait,
        data: &mut Vec<u8>,
    ) -> Result<Option<Revision>, Error> {
        let (snapshot, mut at) = self.locate(oid, wait)?;
        let (length, mut end, mut chain) = (data.len(), None, Chain::default());
        while at != 0 {
            snapshot.follow(&mut chain)?;
            let found = snapshot.begin(at, Some(oid), data)?;
            let start = found.header.tid;
            if start < before {
                let exists = snapshot.complete(found, length, data)?;
                return if exists {
                    Ok(Some(Revision { start, end }))
                } else {
                    Err(Error::NoSuchObject(oid))
                };
            }
            data.truncate(length);
            end = Some(start);
            at = snapshot.previous(&found)?;
        }
        Ok(None)
    }

    /// See [`Storage::load_serial`](crate::storage::Storage::load_serial).
    pub(super) fn load_serial(&self, oid: Oid, tid: Tid, wait: Wait) -> Result<Vec<u8>, Error> {
        let (snapshot, mut at) = self.locate(oid, wait)?;
        let mut chain = Chain::default();
        while at != 0 {
            snapshot.follow(&mut chain)?;
            let found = snapshot.record(at, Some(oid))?;
            if found.header.tid == tid {
                let mut data = Vec::new();
                return if snapshot.data(found, &mut data)? {
                    Ok(data)
                } else {
                    Err(Error::NoSuchObject(oid))
                };
            }
            if found.header.tid < tid {
                break;
            }
            at = snapshot.previous(&found)?;
        }
        Err(Error::NoSuchObject(oid))
    }

    /// See [`Storage::current_tid`](crate::storage::Storage::current_tid).
    pub(super) fn current_tid(&self, oid: Oid) -> Result<Tid, Error> {
        let (snapshot, at) = self.locate(oid, Wait::Allowed)?;
        let found = snapshot.record(at, Some(oid))?;
        if found.is_end_of_object() { Err(Error::NoSuchObject(oid)) } else { Ok(found.header.tid) }
    }

    /// The first object from here on that is not deleted, and its data.
    fn next_existing(&self, from: Oid, wait: Wait, data: &mut Vec<u8>) -> Result<Option<Found>, Error> {
        let (mut from, mut chain) = (Some(from), Chain::default());
        while let Some(oid) = from {
            let (snapshot, first) = {
                let published = self.published();
                (self.snapshot_of(&published, wait), published.index.first(oid))
            };
            let Some((oid, at)) = first else { break };
            snapshot.follow(&mut chain)?;
            let found = snapshot.begin(at, Some(oid), data)?;
            if snapshot.complete(found, 0, data)? {
                return Ok(Some(found));
            }
            data.clear();
            from = oid.0.checked_add(1).map(Oid);
        }
        Ok(None)
    }
}

impl History for View {
    fn revisions(&self, oid: Oid, size: usize, wait: Wait) -> Result<Vec<HistoryEntry>, Error> {
        let (snapshot, mut at) = self.locate(oid, wait)?;
        let (mut entries, mut bytes, mut chain) = (Vec::new(), 0, Chain::default());
        while at != 0 && entries.len() < size {
            snapshot.follow(&mut chain)?;
            let found = snapshot.record(at, Some(oid))?;
            let header = found.header;
            let transaction = snapshot.header(header.transaction)?;
            let meta = snapshot.meta(header.transaction, &transaction)?;
            HistoryEntry { tid: header.tid, meta, size: header.length }.add_to(&mut entries, &mut bytes)?;
            at = snapshot.previous(&found)?;
        }
        Ok(entries)
    }

    fn iterate(
        &self,
        start: Option<Tid>,
        stop: Option<Tid>,
        wait: Wait,
    ) -> Result<Box<dyn TransactionIterator>, Error> {
        Ok(Box::new(Walk::new(self.snapshot(wait), start, stop)?))
    }
}

impl CurrentRecords for View {
    fn next_record(&self, from: Oid, wait: Wait) -> Result<Option<Current>, Error> {
        let mut data = Vec::new();
        let Some(found) = self.next_existing(from, wait, &mut data)? else { return Ok(None) };
        let Found { header, .. } = found;
        let next = match header.oid.0.checked_add(1) {
            Some(after) => self.next_existing(Oid(after), wait, &mut Vec::new())?.map(|next| next.header.oid),
            None => None,
        };
        Ok(Some(Current { oid: header.oid, tid: header.tid, data, next }))
    }
}
