//! Looking up revisions of objects.

use super::snapshot::{Found, Snapshot};
use super::{Core, guess};
use crate::storage::{Current, Error, HistoryEntry, Oid, Revision, Tid};

impl Core {
    /// The object's current record as readers see it.
    fn locate(&self, oid: Oid) -> Result<(Snapshot, u64), Error> {
        let published = self.published();
        let at = published.index.get(oid).ok_or(Error::NoSuchObject(oid))?;
        Ok((published.snapshot(&self.path), at))
    }

    /// See [`Storage::load_before`](crate::storage::Storage::load_before).
    pub(super) fn load_before(
        &self,
        oid: Oid,
        before: Tid,
        data: &mut Vec<u8>,
    ) -> Result<Option<Revision>, Error> {
        let length = data.len();
        let result = self.try_load_before(oid, before, data);
        if !matches!(result, Ok(Some(_))) {
            data.truncate(length);
        }
        result
    }

    fn try_load_before(&self, oid: Oid, before: Tid, data: &mut Vec<u8>) -> Result<Option<Revision>, Error> {
        let (snapshot, mut at) = self.locate(oid)?;
        let (length, mut end) = (data.len(), None);
        while at != 0 {
            let found = snapshot.begin(at, oid, self.guess.length(), data)?;
            self.guess.learn(found.header.length);
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
            at = found.header.previous;
        }
        Ok(None)
    }

    /// See [`Storage::load_serial`](crate::storage::Storage::load_serial).
    pub(super) fn load_serial(&self, oid: Oid, tid: Tid) -> Result<Vec<u8>, Error> {
        let (snapshot, mut at) = self.locate(oid)?;
        while at != 0 {
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
            at = found.header.previous;
        }
        Err(Error::NoSuchObject(oid))
    }

    /// See [`Storage::current_tid`](crate::storage::Storage::current_tid).
    pub(super) fn current_tid(&self, oid: Oid) -> Result<Tid, Error> {
        let (snapshot, at) = self.locate(oid)?;
        let found = snapshot.record(at, Some(oid))?;
        if found.is_end_of_object() { Err(Error::NoSuchObject(oid)) } else { Ok(found.header.tid) }
    }

    /// See [`Storage::history`](crate::storage::Storage::history).
    pub(super) fn history(&self, oid: Oid, size: usize) -> Result<Vec<HistoryEntry>, Error> {
        let (snapshot, mut at) = self.locate(oid)?;
        let (mut entries, mut taken) = (Vec::new(), 0);
        while at != 0 && entries.len() < size {
            let header = snapshot.record(at, Some(oid))?.header;
            let transaction = snapshot.transaction(header.transaction)?;
            let meta = snapshot.meta(header.transaction, &transaction)?;
            HistoryEntry { tid: header.tid, meta, size: header.length }.add_to(&mut entries, &mut taken)?;
            at = header.previous;
        }
        Ok(entries)
    }

    /// See [`Storage::next_record`](crate::storage::Storage::next_record).
    pub(super) fn next_record(&self, from: Oid) -> Result<Option<Current>, Error> {
        let mut data = Vec::new();
        let Some(found) = self.next_existing(from, &mut data)? else { return Ok(None) };
        let Found { header, .. } = found;
        let next = match header.oid.0.checked_add(1) {
            Some(after) => self.next_existing(Oid(after), &mut Vec::new())?.map(|next| next.header.oid),
            None => None,
        };
        Ok(Some(Current { oid: header.oid, tid: header.tid, data, next }))
    }

    /// The first object from here on that is not deleted, and its data.
    fn next_existing(&self, from: Oid, data: &mut Vec<u8>) -> Result<Option<Found>, Error> {
        let mut from = Some(from);
        while let Some(oid) = from {
            let (snapshot, first) = {
                let published = self.published();
                (published.snapshot(&self.path), published.index.first(oid))
            };
            let Some((oid, at)) = first else { break };
            let found = snapshot.begin(at, oid, guess::MOST, data)?;
            if snapshot.complete(found, 0, data)? {
                return Ok(Some(found));
            }
            data.clear();
            from = oid.0.checked_add(1).map(Oid);
        }
        Ok(None)
    }
}
