//! Damage that is not at the end of a data file: what of it is whole nevertheless, and where the next whole transaction begins.
//!
//! There are no checksums, but a transaction says how long it is in three ways: in its header, behind its records, and by the
//! records, each of which has its own length and the position of its transaction. Where one of them is damaged the other
//! two agree, and all that the transaction has can be read.

use std::path::Path;

use super::disk::Disk;
use super::format::{DATA_HEADER, DataHeader, START, Status, TRAILER, TRANSACTION_HEADER, TransactionHeader};
use super::snapshot::failed;
use super::window::Window;
use crate::storage::{Error, Tid, Wait};

/// A data file that is looked into here and there.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) path: &'a Path,
    /// The length of the file.
    pub(super) size: u64,
    /// Transactions that end here or before were finished, whatever follows.
    pub(super) finished: u64,
}

impl Probe<'_> {
    /// The header of the transaction at a position, with its right length, if all of its records are there though it is not
    /// what its header says.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn mended(&self, at: u64) -> Result<Option<TransactionHeader>, Error> {
        let header = self.header(at)?.filter(|header| header.tid != Tid::ZERO);
        let Some(header) = header else { return Ok(None) };
        let end = self.end_of_records(at, &header)?;
        let Some(closing) = self.bytes(end)?.map(u64::from_be_bytes) else { return Ok(None) };
        let (length, next) = (end - at, end + TRAILER);
        let known = Status::FINISHED.contains(&header.status);
        // Nothing is ever written behind a transaction that is not finished.
        let right = closing == length && (known || next <= self.finished)
            || next == self.finished
            || self.is_whole(next)?;
        Ok(right.then_some(TransactionHeader { length, ..header }))
    }

    /// Where the first whole transaction begins that is not before a position.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn first_whole(&self, from: u64) -> Result<Option<u64>, Error> {
        let mut window = Window::new(self.disk, self.path, self.size);
        let mut at = from.max(START);
        loop {
            let bytes = window.from(at, TRANSACTION_HEADER)?;
            let Some(last) = bytes.len().checked_sub(TRANSACTION_HEADER) else { return Ok(None) };
            for (offset, bytes) in bytes.windows(TRANSACTION_HEADER).enumerate() {
                let at = at + offset as u64;
                let likely = bytes.first_chunk().map(TransactionHeader::decode);
                let likely = likely.filter(|header| self.may_be_whole(at, header));
                if likely.is_some() && self.is_whole(at)? {
                    return Ok(Some(at));
                }
            }
            at += last as u64 + 1;
        }
    }

    /// Whether a record without data has some: those of the record that it points at, or the end of its object.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn has_data(&self, header: &DataHeader, at: u64) -> Result<bool, Error> {
        let back = self.bytes(at + DATA_HEADER as u64)?.map_or(at, u64::from_be_bytes);
        if back == 0 || back >= at {
            return Ok(back == 0);
        }
        let target = self.bytes::<DATA_HEADER>(back)?;
        let target = target.as_ref().and_then(DataHeader::decode);
        Ok(back >= START
            && target.is_some_and(|target| {
                target.oid == header.oid && (START..back).contains(&target.transaction)
            }))
    }

    /// Whether the transaction at a position is whole beyond doubt: wherever the position comes from. One without records
    /// has another whole one behind it, or the end of the file.
    fn is_whole(&self, mut at: u64) -> Result<bool, Error> {
        loop {
            let Some(header) = self.header(at)?.filter(|header| self.may_be_whole(at, header)) else {
                return Ok(false);
            };
            let end = at + header.length;
            if self.bytes(end)?.map(u64::from_be_bytes) != Some(header.length) {
                return Ok(false);
            }
            if header.length > header.full_length() {
                return Ok(self.end_of_records(at, &header)? == end);
            }
            at = end + TRAILER;
            if at == self.size {
                return Ok(true);
            }
        }
    }

    /// Whether a header can be that of a whole transaction.
    fn may_be_whole(&self, at: u64, header: &TransactionHeader) -> bool {
        header.length >= header.full_length()
            && header.next(at).is_some_and(|next| next <= self.size)
            && Status::FINISHED.contains(&header.status)
            && header.tid != Tid::ZERO
    }

    /// Where the records end that say of themselves that they are of the transaction at a position.
    fn end_of_records(&self, start: u64, transaction: &TransactionHeader) -> Result<u64, Error> {
        let mut at = start + transaction.full_length();
        loop {
            let record = self.bytes::<DATA_HEADER>(at)?;
            let record = record.as_ref().and_then(DataHeader::decode);
            let record = record.filter(|record| record.transaction == start);
            let next = record.and_then(|record| at.checked_add(record.full_length()?));
            match next.filter(|next| *next <= self.size) {
                Some(next) => at = next,
                None => return Ok(at),
            }
        }
    }

    fn header(&self, at: u64) -> Result<Option<TransactionHeader>, Error> {
        Ok(self.bytes(at)?.as_ref().map(TransactionHeader::decode))
    }

    /// The bytes at a position, if the file has them all.
    fn bytes<const N: usize>(&self, at: u64) -> Result<Option<[u8; N]>, Error> {
        if at.checked_add(N as u64).is_none_or(|end| end > self.size) {
            return Ok(None);
        }
        let mut bytes = [0; N];
        let count = self.disk.read(&mut bytes, at, Wait::Allowed);
        let count = count.map_err(|error| failed("read", self.path, error))?;
        Ok((count == N).then_some(bytes))
    }
}
