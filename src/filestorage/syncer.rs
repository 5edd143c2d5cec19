//! Making finished transactions durable and publishing them: one write and one fsync for all that wait.
//!
//! Somebody is at it, or nobody is. Whoever finishes a transaction while nobody is may do it ([`Errand`]): waking a thread
//! takes a quarter of the time of an fsync on a good disk. What comes meanwhile is for the storage's own thread, so that
//! nobody is kept by the transactions of others.
//!
//! [`Errand`]: crate::storage::Errand

use std::io;
use std::mem;
use std::sync::PoisonError;

use super::disk::Disk;
use super::snapshot::failed;
use super::under_way::Pending;
use super::{Core, LOGGER, locked};
use crate::storage::{Carrier, Oid, Published};

/// Works until the storage is closed and nothing waits.
pub(super) fn run(core: &Core) {
    or_end(core, || {
        let mut buffer = Vec::new();
        while let Some(batch) = next(core) {
            bring(core, batch, &mut buffer);
        }
    });
}

impl Carrier for Core {
    fn carry(&self) {
        or_end(self, || {
            let batch = locked(&self.commit).accept();
            bring(self, batch, &mut Vec::new());
        });
    }

    fn hand_over(&self) {
        locked(&self.commit).errand = false;
        self.work.notify_one();
    }
}

/// A panic here leaves some of the batch published, some answered, and clients not told: nobody could go on from there.
fn or_end(core: &Core, work: impl FnOnce()) {
    core.log.or_end(LOGGER, format_args!("bringing transactions to the disk"), work);
}

fn bring(core: &Core, batch: Vec<Pending>, buffer: &mut Vec<u8>) {
    let disk = core.published().disk.clone();
    if let Err(error) = write_all(disk.as_ref(), &batch, buffer) {
        core.give_up(&failed("write", &core.path, error), batch, false);
    } else if let Err(error) = disk.sync() {
        core.give_up(&failed("sync", &core.path, error), batch, true);
    } else {
        for pending in batch {
            publish(core, pending);
        }
        core.batch_done();
        if let Some(audience) = core.audience.get() {
            audience.send();
        }
    }
}

/// All that wait, once some do.
fn next(core: &Core) -> Option<Vec<Pending>> {
    let mut commit = locked(&core.commit);
    loop {
        if let Some(batch) = commit.next_batch() {
            return Some(batch);
        }
        if commit.closing && commit.is_idle() {
            return None;
        }
        commit = core.work.wait(commit).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Writes what is not in the file yet. It has no gaps: each transaction begins where the one before it ends, and one that is
/// in the file is the first of its batch.
fn write_all(disk: &dyn Disk, batch: &[Pending], buffer: &mut Vec<u8>) -> io::Result<()> {
    let Some(first) = batch.iter().find(|pending| !pending.bytes.is_empty()) else { return Ok(()) };
    if batch.len() == 1 {
        return disk.write(&first.bytes, first.placed.start);
    }
    buffer.clear();
    for pending in batch {
        buffer.extend_from_slice(&pending.bytes);
    }
    disk.write(buffer, first.placed.start)
}

fn publish(core: &Core, pending: Pending) {
    let (tid, end) = (pending.placed.tid, pending.placed.end());
    let oids: Vec<Oid> = pending.records.iter().map(|(oid, _)| *oid).collect();
    let length = {
        // Nobody else changes the index.
        let index = &core.published().index;
        index.length() + oids.iter().filter(|oid| index.get(**oid).is_none()).count() as u64
    };
    let mut visible = false;
    let mut make_visible = || {
        if !mem::replace(&mut visible, true) {
            core.publish(tid, end, &pending.records);
        }
    };
    if let Some(audience) = core.audience.get() {
        audience.publish(&Published { tid, oids: &oids, length, size: end }, &mut make_visible);
    }
    // Where there is no audience, or one that forgot.
    make_visible();
    locked(&core.commit).published(&pending);
    (pending.finished)(Ok(()));
}
