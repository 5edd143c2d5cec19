//! The last transactions and what they changed, so that a client that comes back need not drop its cache (ZEO-PROTOCOL
//! section 12).

use std::collections::{BTreeSet, VecDeque};

use crate::storage::{Oid, Tid};

/// The last transactions, each with the objects that it changed.
#[derive(Debug)]
pub struct InvalidationLog {
    size: usize,
    /// Oldest first.
    transactions: VecDeque<(Tid, Box<[Oid]>)>,
}

impl InvalidationLog {
    /// One of `size` transactions. Where a storage does not know its last ones there is its last id alone: to a client that has
    /// seen that, nothing is new.
    pub fn new(size: usize, last: Vec<(Tid, Vec<Oid>)>, last_tid: Tid) -> Self {
        let mut log = Self { size: size.max(1), transactions: VecDeque::new() };
        if last.is_empty() && last_tid != Tid::ZERO {
            log.add(last_tid, &[]);
        }
        for (tid, oids) in last {
            log.add(tid, &oids);
        }
        log
    }

    /// One more.
    pub fn add(&mut self, tid: Tid, oids: &[Oid]) {
        if self.transactions.len() == self.size {
            self.transactions.pop_front();
        }
        self.transactions.push_back((tid, oids.into()));
    }

    /// The last transaction, and what has changed since `tid`; `None`: the log does not reach back to it.
    pub fn since(&self, tid: Tid) -> Option<(Tid, BTreeSet<Oid>)> {
        let (oldest, _) = self.transactions.front()?;
        let (newest, _) = self.transactions.back()?;
        let changed = || {
            let later = self.transactions.iter().rev().take_while(|(at, _)| *at > tid);
            later.flat_map(|(_, oids)| oids.iter().copied()).collect()
        };
        (*oldest <= tid).then(|| (*newest, changed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_since_is_told_as_far_as_the_log_reaches() {
        let mut log = InvalidationLog::new(3, Vec::new(), Tid::ZERO);
        assert_eq!(log.since(Tid(1)), None);
        for tid in 1..=5 {
            log.add(Tid(tid * 10), &[Oid(tid), Oid(100)]);
        }
        let since = |tid| log.since(Tid(tid)).map(|(tid, oids)| (tid.0, oids.iter().map(|o| o.0).collect()));
        assert_eq!(since(29), None);
        assert_eq!(since(30), Some((50, vec![4, 5, 100])));
        assert_eq!(since(45), Some((50, vec![5, 100])));
        assert_eq!(since(50), Some((50, vec![])));
        assert_eq!(since(99), Some((50, vec![])));
    }

    #[test]
    fn storage_that_cannot_name_its_transactions_is_known_by_its_last() {
        let log = InvalidationLog::new(3, Vec::new(), Tid(7));
        assert_eq!(log.since(Tid(7)), Some((Tid(7), BTreeSet::new())));
        assert_eq!(log.since(Tid(6)), None);
    }
}
