//! Reading a data file from front to back, for its index: FILESTORAGE section 6.
//!
//! The file is read in large steps, one after the other, and each header is looked at where it lies in memory. Only where a
//! transaction is not whole is the file looked at more closely (`damage`), and the scan goes on behind it.

use std::path::Path;

use super::damage::Probe;
use super::disk::Disk;
use super::format::{DataHeader, START, Status, TRAILER, TRANSACTION_HEADER, TransactionHeader};
use super::index::Index;
use super::oddity::Oddity;
use super::window::Window;
use crate::storage::{Error, Oid, Tid};

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
    /// What ends here or before was finished, and is never cut off.
    pub finished: u64,
    /// Whether back pointers are looked at, too. The file is then read here and there.
    pub thorough: bool,
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
    /// Whole transactions.
    pub transactions: u64,
    /// What is not whole and has whole transactions behind it.
    pub passed: Vec<Passed>,
}

/// A stretch of the file that holds no whole transaction, in front of one that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Where it begins.
    pub from: u64,
    /// Where the next whole transaction begins.
    pub to: u64,
    /// Whole transactions before it.
    pub before: u64,
}

/// Why a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// What follows was finished, and is damaged: several transactions, or one that an index knows.
    Damaged,
}

/// Scans the file into the index. `odd` is called with each oddity and its position.
///
/// # Errors
/// What cannot be read.
pub fn scan(
    disk: &dyn Disk,
    path: &Path,
    bounds: Bounds,
    index: &mut Index,
    odd: &mut dyn FnMut(Oddity, u64),
) -> Result<Scanned, Error> {
    let probe = Probe { disk, path, size: bounds.size, finished: bounds.finished };
    let window = Window::new(disk, path, bounds.size);
    let mut scan = Scan {
        window,
        probe,
        index,
        odd,
        thorough: bounds.thorough,
        last: bounds.last,
        earliest: bounds.last,
        passed: Vec::new(),
        fresh: Vec::new(),
        odds: Vec::new(),
    };
    let mut at = bounds.start.max(START);
    let (mut end, mut transactions) = (at, 0);
    let ending = loop {
        match scan.step(at, bounds.stop)? {
            Step::Next(next) => {
                transactions += 1;
                (at, end) = (next, next);
            }
            Step::Pass(to) => {
                (scan.odd)(Oddity::Passed { to }, at);
                scan.passed.push(Passed { from: at, to, before: transactions });
                at = to;
            }
            Step::End(ending) => break ending,
        }
    };
    Ok(Scanned { end, last: scan.last, ending, transactions, passed: scan.passed })
}

struct Scan<'a> {
    window: Window<'a>,
    probe: Probe<'a>,
    index: &'a mut Index,
    odd: &'a mut dyn FnMut(Oddity, u64),
    thorough: bool,
    /// The transaction before, and the earlier of its ids, where it has two.
    last: Tid,
    earliest: Tid,
    passed: Vec<Passed>,
    /// Records of the transaction that is looked at: they come into the index when it is found to be whole.
    fresh: Vec<Fresh>,
    /// What is odd about it; likewise.
    odds: Vec<(Oddity, u64)>,
}

enum Step {
    /// The transaction is whole and ends here.
    Next(u64),
    /// It is not; the next whole one begins here.
    Pass(u64),
    End(Ending),
}

impl Scan<'_> {
    /// Looks at the transaction at a position.
    fn step(&mut self, at: u64, stop: Option<Tid>) -> Result<Step, Error> {
        let Some(found) = self.window.chunk(at)?.map(TransactionHeader::decode) else {
            let whole = at >= self.window.size;
            return Ok(Step::End(if whole { Ending::Whole } else { Ending::Scraps }));
        };
        let whole = match self.whole(at, &found)? {
            Some(tid) => Some((found, tid)),
            None => self.mended(at, &found)?,
        };
        let Some((header, tid)) = whole else { return self.broken(at, &found) };
        if stop.is_some_and(|stop| tid >= stop) {
            return Ok(Step::End(Ending::Stopped));
        }
        if header.tid <= self.earliest {
            (self.odd)(Oddity::TimeReduction, at);
        }
        if !Status::FINISHED.contains(&header.status) {
            (self.odd)(Oddity::Status(header.status.0), at);
        }
        (self.last, self.earliest) = (tid, tid.min(header.tid));
        for (odd, at) in self.odds.drain(..) {
            (self.odd)(odd, at);
        }
        for Fresh { oid, at, .. } in self.fresh.drain(..) {
            self.index.insert(oid, at);
        }
        Ok(Step::Next(at + header.length + TRAILER))
    }

    /// The id of a transaction that is what its header says; its records are in `fresh`.
    fn whole(&mut self, at: u64, header: &TransactionHeader) -> Result<Option<Tid>, Error> {
        let fits = header.next(at).is_some_and(|next| next <= self.window.size);
        if !fits || header.status == Status::CHECKPOINT || header.length < header.full_length() {
            return Ok(None);
        }
        let tid = self.records(at, header)?;
        let closing = self.closing(at + header.length)?;
        Ok(tid.filter(|_| closing == Some(header.length)))
    }

    /// The right header of a transaction that is not what its header says, and its id, if its records are whole; they are in
    /// `fresh`.
    fn mended(
        &mut self,
        at: u64,
        found: &TransactionHeader,
    ) -> Result<Option<(TransactionHeader, Tid)>, Error> {
        let Some(header) = self.probe.mended(at)? else { return Ok(None) };
        let Some(tid) = self.records(at, &header)? else { return Ok(None) };
        if header.length != found.length || self.closing(at + header.length)? != Some(header.length) {
            self.odds.push((Oddity::Length, at));
        }
        Ok(Some((header, tid)))
    }

    /// What follows the last whole transaction, at a position where none is.
    fn broken(&mut self, at: u64, header: &TransactionHeader) -> Result<Step, Error> {
        if let Some(to) = self.probe.first_whole(at + 1)? {
            return Ok(Step::Pass(to));
        }
        let size = self.window.size;
        // Where the transaction would begin that ends where the file does.
        let closing = self.closing(size - TRAILER)?.filter(|length| *length >= TRANSACTION_HEADER as u64);
        let begins = closing.and_then(|length| (size - TRAILER).checked_sub(length));
        let begins = begins.filter(|begins| *begins >= at);
        let next = header.next(at).filter(|next| *next < size);
        Ok(Step::End(if at < self.probe.finished {
            Ending::Damaged
        } else if header.status == Status::CHECKPOINT || next.is_none() || begins == Some(at) {
            Ending::Unfinished
        } else if begins.is_none() {
            Ending::Nonsense
        } else {
            Ending::Damaged
        }))
    }

    /// Looks at the records of a transaction, which the file is long enough for: its id; `None`: they do not fill it, or
    /// contradict it in more than one respect.
    fn records(&mut self, start: u64, transaction: &TransactionHeader) -> Result<Option<Tid>, Error> {
        self.fresh.clear();
        self.odds.clear();
        if transaction.status == Status::UNDONE {
            return Ok(Some(transaction.tid));
        }
        let end = start + transaction.length;
        let mut at = start + transaction.full_length();
        let mut contradicted = false;
        while at < end {
            let header = self.window.chunk(at)?.and_then(DataHeader::decode);
            let header = header.filter(|header| header.transaction == start);
            let next = header.and_then(|header| at.checked_add(header.full_length()?));
            let Some((header, next)) = header.zip(next.filter(|next| *next <= end)) else { return Ok(None) };
            contradicted |= header.tid != transaction.tid;
            let before = self.index.get(header.oid).unwrap_or(0);
            let strays = before != header.previous && !self.may_point(&header, transaction);
            self.fresh.push(Fresh { oid: header.oid, at, tid: header.tid, strays });
            if strays {
                self.odds.push((Oddity::Previous, at));
            }
            if self.thorough && header.length == 0 && !self.probe.has_data(&header, at)? {
                self.odds.push((Oddity::BackPointer, at));
            }
            at = next;
        }
        Ok(if contradicted { self.agreed(transaction) } else { Some(transaction.tid) })
    }

    /// The id of a transaction some of whose records have another one: its own if a record has it, else that of all its
    /// records. Of two that contradict each other it is the one that is loaded, the record's, if it can be. A record with a
    /// wrong id and a wrong previous record is none.
    fn agreed(&mut self, transaction: &TransactionHeader) -> Option<Tid> {
        let first = self.fresh.first()?.tid;
        let tid = if self.fresh.iter().any(|fresh| fresh.tid == transaction.tid) {
            transaction.tid
        } else if !self.fresh.iter().all(|fresh| fresh.tid == first) {
            return None;
        } else if self.fresh.len() == 1 && (first <= self.last || self.fresh[0].strays) {
            transaction.tid
        } else {
            first
        };
        if self.fresh.iter().any(|fresh| fresh.tid != tid && fresh.strays) {
            return None;
        }
        for Fresh { at, tid, .. } in &self.fresh {
            if *tid != transaction.tid {
                self.odds.push((Oddity::RecordTid, *at));
            }
        }
        Some(tid)
    }

    /// Whether a record may point where the index does not. A pack keeps revisions that others take their data from, and
    /// lets none of them point at another; and the index knows nothing of what was passed over.
    fn may_point(&self, header: &DataHeader, transaction: &TransactionHeader) -> bool {
        let before = self.passed.partition_point(|passed| passed.from <= header.previous);
        let passed = self.passed[..before].last().is_some_and(|passed| header.previous < passed.to);
        passed || transaction.status == Status::PACKED && header.previous == 0
    }

    /// The length of a transaction as it stands behind its records.
    fn closing(&mut self, at: u64) -> Result<Option<u64>, Error> {
        Ok(self.window.chunk(at)?.map(|bytes| u64::from_be_bytes(*bytes)))
    }
}

/// A record of the transaction that is looked at.
struct Fresh {
    oid: Oid,
    at: u64,
    tid: Tid,
    /// It does not point at the object's previous record.
    strays: bool,
}
