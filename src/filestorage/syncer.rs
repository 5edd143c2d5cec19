//! Making finished transactions durable and publishing them: a thread that writes and fsyncs all that wait at once. While it
//! is at it the next group gathers.

use std::io;
use std::mem;
use std::sync::PoisonError;

use super::LOGGER;
use super::commit::Writer;
use super::disk::Disk;
use super::format::STATUS_AT;
use super::in_flight::Pending;
use super::snapshot::failed;
use crate::storage::{Oid, Published, lock};

/// Works until the storage is closed and nothing waits.
pub(super) fn run(writer: &Writer) {
    // A panic leaves some of the batch published, some answered, and clients without their invalidations: there is no going
    // on from there.
    writer.log.or_end(LOGGER, format_args!("bringing transactions to the disk"), || {
        let mut buffer = Vec::new();
        while let Some(batch) = next(writer) {
            commit(writer, batch, &mut buffer);
        }
    });
}

/// All that wait, once some do.
fn next(writer: &Writer) -> Option<Vec<Pending>> {
    let mut in_flight = lock(&writer.in_flight);
    loop {
        if let Some(batch) = in_flight.next_batch() {
            return Some(batch);
        }
        if in_flight.closing {
            return None;
        }
        in_flight = writer.work.wait(in_flight).unwrap_or_else(PoisonError::into_inner);
    }
}

fn commit(writer: &Writer, batch: Vec<Pending>, buffer: &mut Vec<u8>) {
    let (disk, path) = (writer.view.disk(), &writer.view.path);
    if let Err(error) = write_all(disk.as_ref(), &batch, buffer) {
        writer.give_up(&failed("write", path, error), batch, false);
    } else if let Err(error) = disk.sync() {
        writer.give_up(&failed("sync", path, error), batch, true);
    } else if let Err(error) = disk.check_name() {
        writer.give_up(&failed("commit to", path, error), batch, true);
    } else {
        publish(writer, batch);
    }
}

/// Writes what is not in the file yet. It has no gaps: each transaction begins where the one before it ends, and one that is
/// in the file but for its status is the first of its batch.
fn write_all(disk: &dyn Disk, batch: &[Pending], buffer: &mut Vec<u8>) -> io::Result<()> {
    let (written, waiting): (Vec<_>, Vec<_>) = batch.iter().partition(|pending| pending.bytes.is_empty());
    for pending in written {
        disk.write(&[pending.status.0], pending.placed.start + STATUS_AT)?;
    }
    match waiting[..] {
        [] => Ok(()),
        [only] => disk.write(&only.bytes, only.placed.start),
        [first, ..] => {
            buffer.clear();
            for pending in &waiting {
                buffer.extend_from_slice(&pending.bytes);
            }
            disk.write(buffer, first.placed.start)
        }
    }
}

fn publish(writer: &Writer, mut batch: Vec<Pending>) {
    let mut objects = writer.view.stats().objects;
    let mut group: Vec<Published> = Vec::with_capacity(batch.len());
    for pending in &mut batch {
        objects += pending.new_objects;
        group.push(Published {
            tid: pending.placed.tid,
            oids: pending.records.iter().map(|(oid, _)| *oid).collect::<Vec<Oid>>(),
            objects,
            bytes: pending.placed.end(),
            completion: pending.completion.take(),
        });
    }
    let mut visible = false;
    let mut make_visible = || {
        if !mem::replace(&mut visible, true) {
            writer.view.publish(&batch);
        }
    };
    if let Some(listener) = writer.listener.get() {
        listener.committed(&mut group, &mut make_visible);
    }
    // Where there is no listener, or one that forgot.
    make_visible();
    writer.published(&batch);
    for Published { tid, completion, .. } in group {
        if let Some(completion) = completion {
            completion.call(Ok(tid));
        }
    }
}
