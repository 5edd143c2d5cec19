//! The thread that makes finished transactions durable and publishes them: one fsync for all that wait.

use std::mem;
use std::sync::PoisonError;

use super::commit::Pending;
use super::snapshot::failed;
use super::{Core, locked};
use crate::storage::{Oid, Published};

/// Works until the storage is closed and nothing waits.
pub(super) fn run(core: &Core) {
    while let Some(batch) = next(core) {
        let disk = core.published().disk.clone();
        match disk.sync() {
            Ok(()) => publish_all(core, batch),
            Err(error) => core.give_up(&failed("sync", &core.path, error), batch),
        }
    }
}

/// All that wait, once some do.
fn next(core: &Core) -> Option<Vec<Pending>> {
    let mut commit = locked(&core.commit);
    while commit.queue.is_empty() {
        if commit.closing {
            return None;
        }
        commit = core.work.wait(commit).unwrap_or_else(PoisonError::into_inner);
    }
    Some(mem::take(&mut commit.queue))
}

fn publish_all(core: &Core, batch: Vec<Pending>) {
    for Pending { tid, end, records, finished } in batch {
        let oids: Vec<Oid> = records.iter().map(|(oid, _)| *oid).collect();
        let new = {
            // Nobody else changes the index.
            let published = core.published();
            let length = published.index.length();
            length + oids.iter().filter(|oid| published.index.get(**oid).is_none()).count() as u64
        };
        let mut visible = false;
        let mut make_visible = || {
            if !mem::replace(&mut visible, true) {
                core.publish(tid, end, &records);
            }
        };
        if let Some(audience) = core.audience.get() {
            let event = Published { tid, oids: &oids, length: new, size: end };
            audience.publish(&event, &mut make_visible);
        }
        // Where there is no audience, or one that forgot.
        make_visible();
        locked(&core.commit).done(end, &records);
        finished(Ok(()));
    }
}
