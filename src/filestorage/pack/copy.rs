//! Copying what is kept into the new file.

use super::super::commit::Writer;
use super::super::format::{DATA_HEADER, DataHeader, START, Status, TRANSACTION_HEADER, TransactionHeader};
use super::super::index::Index;
use super::super::read_ahead::ahead;
use super::super::snapshot::{Found, LATER_DATA, Snapshot};
use super::super::walk::Records;
use super::keep::Kept;
use super::output::Output;
use super::{Missing, Roots};
use crate::storage::{Error, Oid, PackProgress, ReadReferences, Tid};

/// A new file that is being made.
pub(super) struct Copying<'a> {
    kept: Kept,
    roots: &'a Roots,
    output: Output,
    /// The current records in the new file.
    index: Index,
    /// The end of what is copied, in the old file.
    reached: u64,
    /// What positions behind the pack time become less by.
    shift: u64,
    last: Tid,
    data: Vec<u8>,
    oids: Vec<Oid>,
    fresh: Vec<(Oid, u64)>,
}

impl<'a> Copying<'a> {
    pub(super) fn new(kept: Kept, roots: &'a Roots, output: Output) -> Self {
        Self {
            kept,
            roots,
            output,
            index: Index::default(),
            reached: START,
            shift: 0,
            last: Tid::ZERO,
            data: Vec::new(),
            oids: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// The end of what is copied, in the old file.
    pub(super) fn reached(&self) -> u64 {
        self.reached
    }

    /// Whether anything was left out.
    pub(super) fn is_smaller(&self) -> bool {
        self.shift > 0
    }

    /// Returns when what is copied would survive a power failure.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        self.output.sync()
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// The end of the new file.
    pub(super) fn end(&self) -> u64 {
        self.output.position()
    }

    /// The current records, the end and the last transaction of the new file.
    pub(super) fn into_parts(self) -> (Index, u64, Tid) {
        (self.index, self.output.position(), self.last)
    }

    /// Copies what is kept of the transactions up to the pack time.
    pub(super) fn past(&mut self, source: &Snapshot, progress: &PackProgress) -> Result<(), Error> {
        let in_order = ahead(source);
        while self.reached < self.kept.end {
            let at = self.reached;
            progress.advance(at)?;
            let header = in_order.transaction(at)?;
            let next = header.next(at).unwrap_or(self.kept.end);
            let mut begun = None;
            if header.status != Status::UNDONE {
                let mut records = Records::new(in_order.clone(), at, &header);
                while let Some(found) = records.step()? {
                    self.past_record(source, &in_order, &header, found, &mut begun)?;
                }
            }
            // The last transaction's id stays, for the caches of clients.
            if begun.is_none() && self.kept.is_last && next >= self.kept.end {
                begun = Some(self.begin(&in_order, at, &header)?);
            }
            if let Some(start) = begun {
                let length = self.output.position() - start;
                self.output.patch(start + 8, &length.to_be_bytes())?;
                self.output.put(&length.to_be_bytes())?;
            }
            (self.reached, self.last) = (next, header.tid);
        }
        self.shift = self.kept.end - self.output.position().min(self.kept.end);
        Ok(())
    }

    fn past_record(
        &mut self,
        source: &Snapshot,
        in_order: &Snapshot,
        transaction: &TransactionHeader,
        found: Found,
        begun: &mut Option<u64>,
    ) -> Result<(), Error> {
        let Found { at, header: DataHeader { oid, tid, .. }, .. } = found;
        let is_current = self.kept.current.get(oid) == Some(at);
        if !is_current && !self.kept.pointed_at.contains_key(&at) {
            return Ok(());
        }
        let start = match *begun {
            Some(start) => start,
            None => *begun.insert(self.begin(in_order, found.header.transaction, transaction)?),
        };
        let new = self.output.position();
        let with_data = source.with_data(found)?;
        let length = with_data.map_or(0, |found| found.header.length);
        let header = DataHeader { oid, tid, previous: 0, transaction: start, length };
        self.output.put(&header.encode())?;
        match with_data {
            Some(data) => {
                let from = if data.at == at { in_order } else { source };
                self.output.copy(from, data.at + DATA_HEADER as u64, length)?;
            }
            None => self.output.put(&[0; 8])?,
        }
        if is_current {
            self.index.insert(oid, new);
        }
        if let Some(position) = self.kept.pointed_at.get_mut(&at) {
            *position = new;
        }
        Ok(())
    }

    /// Begins a packed transaction, whose length is not known yet.
    fn begin(&mut self, source: &Snapshot, at: u64, header: &TransactionHeader) -> Result<u64, Error> {
        let start = self.output.position();
        self.output.put(&TransactionHeader { status: Status::PACKED, ..*header }.encode())?;
        self.output.copy(source, at + TRANSACTION_HEADER as u64, header.texts() as u64)?;
        Ok(start)
    }

    /// Copies the transactions that the snapshot has behind what is copied; what they need and is not there ends it.
    pub(super) fn later(
        &mut self,
        source: &Snapshot,
        writer: &Writer,
        references: &mut ReadReferences<'_>,
        progress: &PackProgress,
    ) -> Result<Option<Missing>, Error> {
        let source = ahead(source);
        while self.reached < source.end {
            let at = self.reached;
            progress.advance(at)?;
            let header = source.transaction(at)?;
            let start = self.output.position();
            self.output.copy(&source, at, header.full_length())?;
            let mut records = Records::new(source.clone(), at, &header);
            while let Some(found) = records.step()? {
                if let Some(missing) = self.later_record(&source, start, found)? {
                    return Ok(Some(missing));
                }
                if let Some(missing) = self.refers_to_missing(&source, found, writer, references)? {
                    return Ok(Some(missing));
                }
            }
            self.output.put(&header.length.to_be_bytes())?;
            if header.status == Status::UNDONE {
                self.fresh.clear();
            }
            for (oid, position) in self.fresh.drain(..) {
                self.index.insert(oid, position);
            }
            (self.reached, self.last) = (header.next(at).unwrap_or(source.end), header.tid);
        }
        Ok(None)
    }

    fn later_record(
        &mut self,
        source: &Snapshot,
        start: u64,
        found: Found,
    ) -> Result<Option<Missing>, Error> {
        let Found { at, header, back } = found;
        // The first record after the pack time comes after the one that is kept, or after none.
        let before = || self.index.get(header.oid).unwrap_or(0);
        let previous = self.shifted(header.previous).unwrap_or_else(before);
        self.fresh.push((header.oid, self.output.position()));
        self.output.put(&DataHeader { previous, transaction: start, ..header }.encode())?;
        if header.length > 0 {
            self.output.copy(source, at + DATA_HEADER as u64, header.length)?;
            return Ok(None);
        }
        if back >= at {
            return Err(source.damaged(at, LATER_DATA));
        }
        let pointed_at = || self.kept.pointed_at.get(&back).copied().filter(|new| *new > 0);
        let Some(back) = self.shifted(back).or_else(pointed_at) else {
            return Ok(Some(Missing::Record(back)));
        };
        self.output.put(&back.to_be_bytes())?;
        Ok(None)
    }

    /// Where in the new file the record at a position is, if it is one behind the pack time, or none.
    fn shifted(&self, position: u64) -> Option<u64> {
        match position {
            0 => Some(0),
            _ if position >= self.kept.end => Some(position - self.shift),
            _ => None,
        }
    }

    /// Whether a record that was written during the pack refers to an object that the new file does not have.
    fn refers_to_missing(
        &mut self,
        source: &Snapshot,
        found: Found,
        writer: &Writer,
        references: &mut ReadReferences<'_>,
    ) -> Result<Option<Missing>, Error> {
        if self.kept.looked_at.is_none_or(|until| found.at < until) || found.header.length == 0 {
            return Ok(None);
        }
        self.data.clear();
        self.oids.clear();
        source.data(found, &mut self.data)?;
        if references(&self.data, &mut self.oids).is_err() {
            return Ok(Some(Missing::Unknown));
        }
        let dropped = |oid: &Oid| {
            let current = || writer.view.published().index.get(*oid);
            self.index.get(*oid).is_none()
                && !self.roots.oids.contains(oid)
                && current().is_some_and(|at| at < self.kept.end)
        };
        Ok(self.oids.iter().copied().find(|oid| dropped(oid)).map(Missing::Object))
    }
}
