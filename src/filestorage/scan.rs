//! Reading a data file from front to back, for its index: FILESTORAGE section 6.
//!
//! The file is read in large steps, one after the other, and each header is looked at where it lies in memory.

use std::path::Path;

use super::disk::Disk;
use super::format::{DATA_HEADER, DataHeader, START, Status, TRAILER, TRANSACTION_HEADER, TransactionHeader};
use super::index::Index;
use super::snapshot::failed;
use crate::storage::{Error, Oid, Tid, Wait};

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Where a scan begins, and where it may not go.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The first transaction to be looked at.
    pub start: u64,
    /// The transaction before it.
    pub last: Tid,
    /// The scan ends before the first transaction that is not before this one.
    pub stop: Option<Tid>,
    /// The length of the file.
    pub size: u64,
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// The end of the last whole transaction.
    pub end: u64,
    /// Its id.
    pub last: Tid,
    /// Why it is the last.
    pub ending: Ending,
}

/// Why a scan ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The file ends there.
    Whole,
    /// It was not to go on.
    Stopped,
    /// A few bytes follow, too few to be anything.
    Scraps,
    /// What follows was never finished, or is damaged.
    Unfinished,
    /// What follows makes no sense, up to the end of the file.
    Nonsense,
}

/// Something odd that does not keep the file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// A transaction is not later than the one before.
    TimeReduction,
    /// A transaction has an unknown status.
    Status(u8),
    /// A record does not point at the object's previous one.
    Previous,
}

/// Scans the file into the index. `odd` is called with each oddity and its position.
///
/// # Errors
/// What cannot be read; [`Error::Damaged`]: there is damage that is not at the end.
pub fn scan(
    disk: &dyn Disk,
    path: &Path,
    bounds: Bounds,
    index: &mut Index,
    odd: &mut dyn FnMut(Oddity, u64),
) -> Result<Scanned, Error> {
    let window = Window { disk, path, size: bounds.size, start: 0, bytes: Vec::new() };
    let mut scan = Scan { window, index, odd, fresh: Vec::new() };
    let (mut end, mut last) = (bounds.start.max(START), bounds.last);
    let ending = loop {
        match scan.step(end, &mut last, bounds.stop)? {
            Step::Next(next) => end = next,
            Step::End(ending) => break ending,
        }
    };
    Ok(Scanned { end, last, ending })
}

struct Scan<'a> {
    window: Window<'a>,
    index: &'a mut Index,
    odd: &'a mut dyn FnMut(Oddity, u64),
    /// Records of the transaction that is looked at: they come into the index when it is found to be whole.
    fresh: Vec<(Oid, u64)>,
}

enum Step {
    Next(u64),
    End(Ending),
}

impl Scan<'_> {
    /// Looks at the transaction at a position.
    fn step(&mut self, at: u64, last: &mut Tid, stop: Option<Tid>) -> Result<Step, Error> {
        let left = self.window.size.saturating_sub(at);
        if left < TRANSACTION_HEADER as u64 {
            return Ok(Step::End(if left == 0 { Ending::Whole } else { Ending::Scraps }));
        }
        let header = TransactionHeader::decode(self.window.chunk(at)?);
        let next = header.next(at).filter(|next| *next <= self.window.size);
        if header.tid <= *last {
            (self.odd)(Oddity::TimeReduction, at);
        }
        let Some(next) = next.filter(|_| header.status != Status::CHECKPOINT) else {
            return Ok(Step::End(Ending::Unfinished));
        };
        if ![Status::NORMAL, Status::PACKED, Status::UNDONE].contains(&header.status) {
            (self.odd)(Oddity::Status(header.status.0), at);
        }
        if header.length < header.full_length() {
            let trailing = u64::from_be_bytes(*self.window.chunk(self.window.size - TRAILER)?);
            let sensible = trailing >= TRANSACTION_HEADER as u64
                && self.window.size.checked_sub(trailing).is_some_and(|start| start >= at);
            return if sensible {
                Err(self.window.damaged(at, "a transaction shorter than its header"))
            } else {
                Ok(Step::End(Ending::Nonsense))
            };
        }
        if stop.is_some_and(|stop| header.tid >= stop) {
            return Ok(Step::End(Ending::Stopped));
        }
        *last = header.tid;
        if header.status != Status::UNDONE {
            self.records(at, &header)?;
        }
        if u64::from_be_bytes(*self.window.chunk(next - TRAILER)?) != header.length {
            return Err(self.window.damaged(at, "a transaction with two lengths"));
        }
        for (oid, at) in self.fresh.drain(..) {
            self.index.insert(oid, at);
        }
        Ok(Step::Next(next))
    }

    /// Looks at the records of a transaction, which is in the file as a whole.
    fn records(&mut self, start: u64, transaction: &TransactionHeader) -> Result<(), Error> {
        let end = start + transaction.length;
        let mut at = start + transaction.full_length();
        while at < end {
            if end - at < DATA_HEADER as u64 {
                return Err(self.window.damaged(at, "records that do not fill their transaction"));
            }
            let header = DataHeader::decode(self.window.chunk(at)?);
            let header = header.ok_or_else(|| self.window.damaged(at, "a record of a version"))?;
            let next = header.full_length().and_then(|length| at.checked_add(length));
            let next = next.filter(|next| *next <= end && header.transaction == start);
            let next = next.ok_or_else(|| self.window.damaged(at, "a record outside of its transaction"))?;
            if self.index.get(header.oid).unwrap_or(0) != header.previous {
                (self.odd)(Oddity::Previous, at);
            }
            self.fresh.push((header.oid, at));
            at = next;
        }
        Ok(())
    }
}

/// The part of the file that is in memory.
struct Window<'a> {
    disk: &'a dyn Disk,
    path: &'a Path,
    size: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The bytes at a position.
    fn chunk<const N: usize>(&mut self, at: u64) -> Result<&[u8; N], Error> {
        if !self.has(at, N) {
            self.fill(at)?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let found = self.bytes.get(from..).and_then(<[u8]>::first_chunk);
        found.ok_or_else(|| self.damaged(at, "the end of the file in a record"))
    }

    fn has(&self, at: u64, count: usize) -> bool {
        at >= self.start && at + count as u64 <= self.start + self.bytes.len() as u64
    }

    fn fill(&mut self, at: u64) -> Result<(), Error> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        self.bytes.resize(left.min(READ_BYTES), 0);
        self.start = at;
        let count = self.disk.read(&mut self.bytes, at, Wait::Allowed);
        let count = count.map_err(|error| failed("read", self.path, error))?;
        self.bytes.truncate(count);
        Ok(())
    }

    fn damaged(&self, at: u64, what: &str) -> Error {
        Error::Damaged { path: self.path.to_path_buf(), at, what: what.to_owned() }
    }
}
