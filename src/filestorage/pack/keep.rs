//! What of the past is kept: what can be reached from the root and from later transactions, and what these have of earlier
//! data.
//!
//! Objects are visited in waves, each in the order of the file: the next wave is what one wave refers to. In memory are two
//! indexes and a wave, at most 24 bytes an object.

use std::collections::BTreeMap;
use std::mem;

use super::super::LOGGER;
use super::super::commit::Writer;
use super::super::format::DATA_HEADER;
use super::super::index::Index;
use super::super::read_ahead::ahead;
use super::super::snapshot::{Found, Snapshot};
use super::super::walk::Records;
use super::past::Past;
use super::{MAX_LINES, Roots};
use crate::storage::{Error, Oid, PackPhase, PackProgress, ReadReferences};

/// What is kept of the past.
pub(super) struct Kept {
    /// The records that were current and are kept.
    pub(super) current: Index,
    /// Records that later ones point at: where they are in the new file, 0 until they are.
    pub(super) pointed_at: BTreeMap<u64, u64>,
    /// Where the first later transaction begins.
    pub(super) end: u64,
    /// No other transaction follows.
    pub(super) is_last: bool,
    /// All records up to here are roots; of those behind it is to be looked whether all is there that they refer to. `None`:
    /// no object is dropped.
    pub(super) looked_at: Option<u64>,
    /// More than the new file will take for it.
    pub(super) bytes: u64,
}

pub(super) struct Keep<'a> {
    pub(super) source: &'a Snapshot,
    pub(super) writer: &'a Writer,
    pub(super) roots: &'a Roots,
    pub(super) progress: &'a PackProgress,
}

impl Keep<'_> {
    pub(super) fn find(&self, past: Past, references: &mut ReadReferences<'_>) -> Result<Kept, Error> {
        let mut pointed_at: BTreeMap<u64, u64> = self.roots.records.iter().map(|at| (*at, 0)).collect();
        let collects = !self.roots.all && self.has_root(&past)?;
        let mut marking = Marking {
            keep: self,
            past: &past.index,
            kept: Index::default(),
            next: Vec::new(),
            oids: Vec::new(),
            data: Vec::new(),
            bytes: 0,
            dangling: 0,
            unreadable: !collects,
        };
        self.progress.begin(PackPhase::Marking, past.index.length());
        self.later(&past, &mut marking, &mut pointed_at, references)?;
        for at in pointed_at.keys() {
            marking.visit(self.source.record(*at, None)?, references)?;
        }
        if collects {
            marking.mark(Oid::ROOT, Oid::ROOT);
            for oid in &self.roots.oids {
                marking.mark(*oid, *oid);
            }
            marking.waves(references)?;
        }
        let Marking { kept, bytes, unreadable, .. } = marking;
        let Past { index, end, headers, is_last, .. } = past;
        Ok(if unreadable {
            Kept { current: index, pointed_at, end, is_last, looked_at: None, bytes: end }
        } else {
            let looked_at = Some(self.source.end);
            Kept { current: kept, pointed_at, end, is_last, looked_at, bytes: bytes + headers }
        })
    }

    /// Whether there was a root to begin with.
    fn has_root(&self, past: &Past) -> Result<bool, Error> {
        let has_root = past.index.get(Oid::ROOT).is_some();
        if !has_root && past.index.length() > 0 {
            let path = self.source.path.display();
            let why = "there was no root object at the time of the pack: no object is removed";
            self.writer.log.warning(LOGGER, format_args!("{path}: {why}"));
        }
        self.progress.advance(0)?;
        Ok(has_root || past.index.length() == 0)
    }

    /// What the transactions after the pack time refer to, and which records they point at.
    fn later(
        &self,
        past: &Past,
        marking: &mut Marking<'_>,
        pointed_at: &mut BTreeMap<u64, u64>,
        references: &mut ReadReferences<'_>,
    ) -> Result<(), Error> {
        let (source, mut at) = (ahead(self.source), past.end);
        while at < source.end {
            self.progress.advance(0)?;
            let header = source.transaction(at)?;
            let mut records = Records::new(source.clone(), at, &header);
            while let Some(found) = records.step()? {
                if found.back == 0 {
                    marking.look_at(&source, found, references)?;
                } else if found.back < past.end {
                    pointed_at.insert(found.back, 0);
                }
            }
            at = header.next(at).unwrap_or(source.end);
        }
        Ok(())
    }
}

struct Marking<'a> {
    keep: &'a Keep<'a>,
    /// What was current.
    past: &'a Index,
    kept: Index,
    /// Where the objects of the next wave are.
    next: Vec<u64>,
    oids: Vec<Oid>,
    data: Vec<u8>,
    bytes: u64,
    dangling: u64,
    /// No object may be dropped: it is not known what all records refer to.
    unreadable: bool,
}

impl Marking<'_> {
    fn waves(&mut self, references: &mut ReadReferences<'_>) -> Result<(), Error> {
        let mut done = 0;
        while !self.next.is_empty() && !self.unreadable {
            let mut wave = mem::take(&mut self.next);
            wave.sort_unstable();
            for at in wave {
                self.keep.progress.advance(done)?;
                done += 1;
                let mut data = mem::take(&mut self.data);
                data.clear();
                let found = self.keep.source.begin(at, None, &mut data)?;
                let exists = self.keep.source.complete(found, 0, &mut data)?;
                self.data = data;
                self.read(found, exists, references);
            }
        }
        let Keep { source, writer, .. } = self.keep;
        if let Some(more) = self.dangling.checked_sub(MAX_LINES).filter(|more| *more > 0) {
            let path = source.path.display();
            let what = "more references to objects that do not exist";
            writer.log.warning(LOGGER, format_args!("{path}: {more} {what}"));
        }
        Ok(())
    }

    /// Keeps a record that a later one points at, and marks what its data refer to.
    fn visit(&mut self, found: Found, references: &mut ReadReferences<'_>) -> Result<(), Error> {
        let (source, oid) = (self.keep.source, found.header.oid);
        // Then it is what the first later record of the object follows. An earlier one is not: between the two there was
        // another state.
        let current = self.past.get(oid);
        if current == Some(found.at) || current.is_none() && found.is_end_of_object() {
            self.kept.insert(oid, found.at);
        }
        self.look_at(source, found, references)
    }

    fn look_at(
        &mut self,
        source: &Snapshot,
        found: Found,
        references: &mut ReadReferences<'_>,
    ) -> Result<(), Error> {
        self.data.clear();
        let exists = !self.unreadable && source.data(found, &mut self.data)?;
        self.read(found, exists, references);
        Ok(())
    }

    /// Marks what the data refer to.
    fn read(&mut self, found: Found, exists: bool, references: &mut ReadReferences<'_>) {
        self.bytes += (DATA_HEADER + self.data.len()) as u64 + 8;
        if !exists {
            return;
        }
        self.oids.clear();
        if let Err(why) = references(&self.data, &mut self.oids) {
            self.unreadable = true;
            let Keep { source, writer, .. } = self.keep;
            let (path, oid, tid) = (source.path.display(), found.header.oid, found.header.tid);
            let what =
                format_args!("what object {oid} of transaction {tid} refers to cannot be read ({why})");
            writer.log.error(LOGGER, format_args!("{path}: {what}: no object is removed"));
            return;
        }
        let mut oids = mem::take(&mut self.oids);
        for oid in oids.drain(..) {
            self.mark(oid, found.header.oid);
        }
        self.oids = oids;
    }

    /// An object is kept, which another one refers to.
    fn mark(&mut self, oid: Oid, by: Oid) {
        if self.kept.get(oid).is_some() {
            return;
        }
        if let Some(at) = self.past.get(oid) {
            self.kept.insert(oid, at);
            self.next.push(at);
            return;
        }
        // It may be younger.
        let Keep { source, writer, .. } = self.keep;
        let current = writer.view.published().index.get(oid);
        let exists = current
            .is_some_and(|at| !matches!(writer.view.record(at), Ok(found) if found.is_end_of_object()));
        if exists || by == oid {
            return;
        }
        self.dangling += 1;
        if self.dangling <= MAX_LINES {
            let path = source.path.display();
            let what = format_args!("object {by} refers to object {oid}, which does not exist");
            writer.log.warning(LOGGER, format_args!("{path}: {what}"));
        }
    }
}
