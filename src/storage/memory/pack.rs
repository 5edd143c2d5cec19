//! Packing of a storage in memory: at once, with the commit lock; readers go on until the moment in which it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, TryLockError};

use super::super::{Error, Meta, Oid, Pack, PackOutcome, PackPhase, PackProgress, ReadReferences, Tid, Wait};
use super::{Data, Shared, Visible, Written};

impl Pack for Arc<Shared> {
    fn pack(
        &self,
        until: Tid,
        references: &mut ReadReferences<'_>,
        progress: &Arc<PackProgress>,
    ) -> Result<PackOutcome, Error> {
        let _running = match self.packing.try_lock() {
            Ok(running) => running,
            Err(TryLockError::Poisoned(running)) => running.into_inner(),
            // Python's words.
            Err(TryLockError::WouldBlock) => return Err(Error::Busy("Already packing")),
        };
        let _held = self.acquire(Wait::Allowed)?;
        let (packed, before) = {
            let visible = self.visible();
            let kept = Kept::find(&visible, until, references, progress)?;
            (kept.pack(&visible, until), visible.stats.bytes)
        };
        if packed.stats.bytes == before && packed.transactions.len() == self.visible().transactions.len() {
            return Ok(PackOutcome::Unchanged);
        }
        let after = packed.stats.bytes;
        *self.visible.write().unwrap_or_else(PoisonError::into_inner) = packed;
        Ok(PackOutcome::Packed { before, after })
    }
}

/// Which objects stay with the data that they had at the time of the pack.
enum Kept {
    All,
    Reached(BTreeSet<Oid>),
}

impl Kept {
    /// What could be reached then from the root, and from what was written since.
    fn find(
        visible: &Visible,
        until: Tid,
        references: &mut ReadReferences<'_>,
        progress: &PackProgress,
    ) -> Result<Self, Error> {
        progress.begin(PackPhase::Marking, visible.stats.objects);
        if at(visible, Oid::ROOT, until).is_none() && !visible.objects.is_empty() {
            return Ok(Self::All);
        }
        let mut next = vec![Oid::ROOT];
        let later = visible.objects.values().flatten().filter(|(tid, _)| *tid > until);
        for data in later.filter_map(|(_, data)| data.as_deref()) {
            if references(data, &mut next).is_err() {
                return Ok(Self::All);
            }
        }
        let mut reached = BTreeSet::new();
        while let Some(oid) = next.pop() {
            progress.advance(reached.len() as u64)?;
            if let Some((_, Some(data))) = at(visible, oid, until)
                && reached.insert(oid)
                && references(data, &mut next).is_err()
            {
                return Ok(Self::All);
            }
        }
        Ok(Self::Reached(reached))
    }

    fn has(&self, oid: Oid) -> bool {
        match self {
            Self::All => true,
            Self::Reached(oids) => oids.contains(&oid),
        }
    }

    /// What is visible without that which is not kept.
    fn pack(&self, visible: &Visible, until: Tid) -> Visible {
        let mut objects = BTreeMap::new();
        for (oid, revisions) in &visible.objects {
            let later = revisions.partition_point(|(tid, _)| *tid <= until);
            let current = later.checked_sub(1).and_then(|at| revisions.get(at));
            let current = current.filter(|(_, data)| data.is_some() && self.has(*oid));
            let kept: Vec<_> = current.into_iter().chain(&revisions[later..]).cloned().collect();
            if !kept.is_empty() {
                objects.insert(*oid, kept);
            }
        }
        let last = visible.stats.last_tid;
        let transactions = visible.transactions.iter().filter_map(|written| {
            if written.tid > until {
                return Some(written.clone());
            }
            let is_kept = |oid: &Oid| objects.get(oid).is_some_and(|kept| has(kept, written.tid));
            let records: Vec<_> = written.records.iter().filter(|(oid, _)| is_kept(oid)).cloned().collect();
            let meta = Meta { packed: true, ..written.meta.clone() };
            let stays = !records.is_empty() || written.tid == last;
            stays.then(|| Arc::new(Written { tid: written.tid, meta, records }))
        });
        let transactions: Vec<_> = transactions.collect();
        let size = |data: &Data| data.as_ref().map_or(0, |data| data.len() as u64);
        let stats = super::Stats {
            objects: objects.len() as u64,
            bytes: objects.values().flatten().map(|(_, data)| size(data)).sum(),
            ..visible.stats
        };
        Visible { objects, transactions, stats }
    }
}

/// What an object was when `until` was the last transaction.
fn at(visible: &Visible, oid: Oid, until: Tid) -> Option<&(Tid, Data)> {
    let revisions = visible.objects.get(&oid)?;
    revisions.partition_point(|(tid, _)| *tid <= until).checked_sub(1).and_then(|at| revisions.get(at))
}

fn has(revisions: &[(Tid, Data)], wanted: Tid) -> bool {
    revisions.binary_search_by_key(&wanted, |(tid, _)| *tid).is_ok()
}
