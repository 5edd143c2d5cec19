//! The ids that a storage gives out next.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use super::{Error, Tid};

/// How far ahead of the clock the time of a transaction may be that is copied from another storage: its clock may have been
/// wrong.
const MAX_AHEAD: Duration = Duration::from_secs(100 * 365 * 86_400);

/// `count` object ids after the largest one that is in use or given out.
///
/// # Errors
/// [`Error::Transaction`]: they are not left.
pub fn next_oids(largest: u64, count: u32) -> Result<RangeInclusive<u64>, Error> {
    let none_left = || Error::Transaction("there are no object ids left".to_owned());
    let last = largest.checked_add(u64::from(count.max(1))).ok_or_else(none_left)?;
    Ok(largest + 1..=last)
}

/// The id of the transaction after `last`: the committer's choice if it is later, else one for `time`.
///
/// # Errors
/// [`Error::Transaction`]: the choice is not later, or there is none left.
pub fn next_tid(last: Tid, chosen: Option<Tid>, time: SystemTime) -> Result<Tid, Error> {
    let none_left = || Error::Transaction("there are no transaction ids left".to_owned());
    match chosen {
        None => last.next(time).ok_or_else(none_left),
        Some(tid) if tid > last && tid > Tid::at(time.checked_add(MAX_AHEAD).unwrap_or(time)) => {
            // All later ones would have to follow it, until there are none left.
            Err(Error::Transaction(format!(
                "transaction {tid} is of a time more than a hundred years from now"
            )))
        }
        Some(tid) if tid > last && tid <= Tid::MAX => Ok(tid),
        Some(tid) => Err(Error::Transaction(format!("transaction {tid} cannot follow transaction {last}"))),
    }
}
