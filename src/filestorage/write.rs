//! Writing a planned transaction at the end of the data file, to be finished or taken back.

use std::io;

use super::disk::Disk;
use super::format::{DataHeader, Status, TRAILER, TRANSACTION_HEADER, TransactionHeader};
use super::vote::{Content, Planned};
use crate::storage::{Error, Meta, Oid, Tid, Transaction};

/// Bytes that are collected for one write.
const STEP: usize = 1 << 20;

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

    /// Where the next transaction begins.
    pub(super) fn end(&self) -> u64 {
        self.start + self.length + TRAILER
    }
}

/// The header of a transaction that says this of itself.
pub(super) fn header(placed: &Placed, meta: &Meta) -> Result<TransactionHeader, Error> {
    let length = |text: &[u8], name: &str| {
        u16::try_from(text.len())
            .map_err(|_| Error::Transaction(format!("{name} is longer than 65535 bytes")))
    };
    Ok(TransactionHeader {
        tid: placed.tid,
        length: placed.length,
        status: Status::CHECKPOINT,
        user: length(&meta.user, "the user name")?,
        description: length(&meta.description, "the description")?,
        extension: length(&meta.extension, "the extension")?,
    })
}

/// What went wrong while a transaction was written.
pub(super) enum Failure {
    /// The data file.
    Disk(io::Error),
    /// The transaction's own records.
    Spool(Error),
}

/// Writes a transaction; where its records are.
pub(super) fn write(
    disk: &dyn Disk,
    placed: &Placed,
    header: &TransactionHeader,
    transaction: &Transaction,
    planned: &[Planned],
) -> Result<Vec<(Oid, u64)>, Failure> {
    let whole = usize::try_from(placed.end() - placed.start).unwrap_or(usize::MAX);
    let bytes = Vec::with_capacity(whole.min(STEP));
    let mut writer = Writer { disk, at: placed.start, bytes };
    let meta = &transaction.meta;
    for part in [&header.encode()[..], &meta.user, &meta.description, &meta.extension] {
        writer.put(part)?;
    }
    let mut positions = Vec::with_capacity(planned.len());
    for record in planned {
        positions.push((record.oid, writer.position()));
        writer.record(placed, record, transaction)?;
    }
    writer.put(&placed.length.to_be_bytes())?;
    writer.flush()?;
    Ok(positions)
}

struct Writer<'a> {
    disk: &'a dyn Disk,
    /// Where the collected bytes belong.
    at: u64,
    bytes: Vec<u8>,
}

impl Writer<'_> {
    fn position(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    fn put(&mut self, part: &[u8]) -> Result<(), Failure> {
        if self.bytes.len() + part.len() > STEP {
            self.flush()?;
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    fn record(
        &mut self,
        placed: &Placed,
        record: &Planned,
        transaction: &Transaction,
    ) -> Result<(), Failure> {
        let length = match record.content {
            Content::Data(piece) => piece.length() as u64,
            Content::BackPointer(_) => 0,
        };
        let Planned { oid, previous, content } = *record;
        let header = DataHeader { oid, tid: placed.tid, previous, transaction: placed.start, length };
        self.put(&header.encode())?;
        match content {
            Content::BackPointer(at) => self.put(&at.to_be_bytes()),
            Content::Data(piece) => {
                for chunk in piece.chunks(STEP) {
                    if self.bytes.len() + chunk.length() > STEP {
                        self.flush()?;
                    }
                    transaction.read(chunk, &mut self.bytes).map_err(Failure::Spool)?;
                }
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.disk.write(&self.bytes, self.at).map_err(Failure::Disk)?;
        self.at = self.position();
        self.bytes.clear();
        Ok(())
    }
}
