//! Reading a data file from end to end without a change to anything, for what is wrong with it.

use std::path::Path;

use super::disk::Backend;
use super::format::START;
use super::index::Index;
use super::open::{CutOff, Opening};
use super::scan::{Bounds, Ending, scan};
use crate::eventlog::EventLog;
use crate::storage::{Error, Tid};

/// Faults that are listed: a file may have one in each record.
const MAX_FAULTS: usize = 100;

/// What was found.
#[derive(Debug, Default)]
pub struct Inspected {
    /// Whole transactions.
    pub transactions: u64,
    /// Faults of what is read nevertheless, and damage.
    pub faults: u64,
    /// The first of them: where, and what.
    pub listed: Vec<(u64, String)>,
    /// What a start that may write cuts off.
    pub cut_off: Option<CutOff>,
    /// Why a start without an index that was saved later does not open the file.
    pub refused: Option<Error>,
}

impl Inspected {
    fn add(&mut self, at: u64, what: &str) {
        self.faults += 1;
        if self.listed.len() < MAX_FAULTS {
            self.listed.push((at, what.to_owned()));
        }
    }
}

/// Reads a data file from end to end, whatever its index says.
pub(super) fn inspect(backend: &dyn Backend, path: &Path, log: &EventLog) -> Result<Inspected, Error> {
    let opening = Opening::read_only(backend, path, log)?;
    let (mut found, mut index) = (Inspected::default(), Index::default());
    let finished = opening.finished();
    let bounds =
        Bounds { start: START, last: Tid::ZERO, stop: None, size: opening.size, finished, thorough: true };
    let odd = &mut |odd: super::oddity::Oddity, at| found.add(at, &odd.to_string());
    let scanned = scan(&*opening.disk, path, bounds, &mut index, odd)?;
    if scanned.ending == Ending::Damaged {
        found.add(scanned.end, "damage up to the end of the file, in transactions that were finished");
    }
    found.transactions = scanned.transactions;
    found.refused = opening.refuse_damage(&scanned).err();
    found.cut_off = opening.behind(&scanned);
    Ok(found)
}
