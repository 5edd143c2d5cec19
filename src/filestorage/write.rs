//! The bytes of a planned transaction: collected in memory, or written at the end of the data file in large pieces.

use std::io;

use super::disk::Disk;
use super::format::{DataHeader, Status, TRAILER, TRANSACTION_HEADER, TransactionHeader};
use super::plan::{Content, CurrentRecord, Planned};
use crate::storage::{Draft, Error, Meta, Oid, Tid};

/// Bytes that are collected for one write.
const MAX_WRITE_BYTES: usize = 1 << 20;

/// Where a transaction is to be written, and under which id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) tid: Tid,
    pub(super) start: u64,
    /// Without its repetition at the end.
    pub(super) length: u64,
}

impl Placed {
    /// `None` when it does not fit in any file.
    pub(super) fn new(tid: Tid, start: u64, meta: &Meta, planned: &[Planned]) -> Option<Self> {
        let texts = meta.user.len() + meta.description.len() + meta.extension.len();
        let mut length = (TRANSACTION_HEADER + texts) as u64;
        for record in planned {
            length = length.checked_add(record.length())?;
        }
        Some(Self { tid, start, length })
    }

    /// Length of all of it.
    pub(super) fn full_length(&self) -> u64 {
        self.length + TRAILER
    }

    /// Where the next transaction begins.
    pub(super) fn end(&self) -> u64 {
        self.start + self.full_length()
    }

    /// The header of a transaction that says this of itself.
    pub(super) fn header(&self, meta: &Meta, status: Status) -> Result<TransactionHeader, Error> {
        let length = |text: &[u8], name: &str| {
            let error = |_| Error::Transaction(format!("{name} is longer than 65535 bytes"));
            u16::try_from(text.len()).map_err(error)
        };
        Ok(TransactionHeader {
            tid: self.tid,
            length: self.length,
            status,
            user: length(&meta.user, "the user name")?,
            description: length(&meta.description, "the description")?,
            extension: length(&meta.extension, "the extension")?,
        })
    }
}

/// What went wrong while a transaction was written.
pub(super) enum Failure {
    /// The data file.
    Disk(io::Error),
    /// The transaction's own records.
    Spool(Error),
}

/// What came of writing.
pub(super) struct Written {
    /// The records in their order.
    pub(super) records: Vec<(Oid, CurrentRecord)>,
    /// All of the transaction, if it is not on the disk.
    pub(super) bytes: Vec<u8>,
}

/// Writes a transaction to the disk; without one, all of it into memory.
pub(super) fn write(
    disk: Option<&dyn Disk>,
    placed: &Placed,
    header: &TransactionHeader,
    draft: &Draft,
    planned: &[Planned],
) -> Result<Written, Failure> {
    let whole = usize::try_from(placed.full_length()).unwrap_or(usize::MAX);
    let bytes = Vec::with_capacity(whole.min(MAX_WRITE_BYTES));
    let mut writer = Writer { disk, at: placed.start, bytes };
    let meta = &draft.meta;
    for part in [&header.encode()[..], &meta.user, &meta.description, &meta.extension] {
        writer.put(part)?;
    }
    let mut records = Vec::with_capacity(planned.len());
    for record in planned {
        let deleted = record.content == Content::BackPointer(0);
        records.push((record.oid, CurrentRecord { at: writer.position(), tid: placed.tid, deleted }));
        writer.record(placed, record, draft)?;
    }
    writer.put(&placed.length.to_be_bytes())?;
    writer.flush()?;
    Ok(Written { records, bytes: writer.bytes })
}

struct Writer<'a> {
    disk: Option<&'a dyn Disk>,
    /// Where the collected bytes belong.
    at: u64,
    bytes: Vec<u8>,
}

impl Writer<'_> {
    fn position(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    fn put(&mut self, part: &[u8]) -> Result<(), Failure> {
        self.make_room(part.len())?;
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    fn record(&mut self, placed: &Placed, record: &Planned, draft: &Draft) -> Result<(), Failure> {
        let length = match record.content {
            Content::Data(range) => range.length() as u64,
            Content::BackPointer(_) => 0,
        };
        let Planned { oid, previous, content } = *record;
        let header = DataHeader { oid, tid: placed.tid, previous, transaction: placed.start, length };
        self.put(&header.encode())?;
        match content {
            Content::BackPointer(at) => self.put(&at.to_be_bytes()),
            Content::Data(range) => {
                for chunk in range.chunks(MAX_WRITE_BYTES) {
                    self.make_room(chunk.length())?;
                    draft.read(chunk, &mut self.bytes).map_err(Failure::Spool)?;
                }
                Ok(())
            }
        }
    }

    fn make_room(&mut self, length: usize) -> Result<(), Failure> {
        if self.bytes.len() + length > MAX_WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if let Some(disk) = self.disk {
            disk.write(&self.bytes, self.at).map_err(Failure::Disk)?;
            self.at = self.position();
            self.bytes.clear();
        }
        Ok(())
    }
}
