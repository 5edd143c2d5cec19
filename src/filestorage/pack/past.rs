//! What was current at the pack time.

use super::super::format::{START, Status, TRAILER};
use super::super::index::Index;
use super::super::snapshot::Snapshot;
use super::super::walk::Records;
use crate::storage::{Error, PackProgress, Tid};

/// The transactions up to the pack time.
pub(super) struct Past {
    /// The current record of each object that existed then.
    pub(super) index: Index,
    /// Where the first later transaction begins.
    pub(super) end: u64,
    /// Bytes that all are without their records.
    pub(super) headers: u64,
    /// No other transaction follows.
    pub(super) is_last: bool,
    /// A pack to this time or a later one has been before.
    pub(super) is_packed: bool,
}

impl Past {
    pub(super) fn read(source: &Snapshot, until: Tid, progress: &PackProgress) -> Result<Self, Error> {
        let mut past =
            Self { index: Index::default(), end: START, headers: 0, is_last: true, is_packed: true };
        while past.end < source.end {
            let at = past.end;
            progress.advance(at)?;
            let header = source.transaction(at)?;
            past.is_packed &= header.status == Status::PACKED;
            if header.tid > until {
                past.is_last = false;
                break;
            }
            if header.status != Status::UNDONE {
                let mut records = Records::new(source.clone(), at, &header);
                while let Some(found) = records.step()? {
                    if found.is_end_of_object() {
                        past.index.remove(found.header.oid);
                    } else {
                        past.index.insert(found.header.oid, found.at);
                    }
                }
            }
            past.headers += header.full_length() + TRAILER;
            past.end = header.next(at).unwrap_or(source.end);
        }
        // Nothing is as old as that.
        past.is_packed |= past.end == START;
        Ok(past)
    }
}
