//! Reading a data file up to a certain end: records, the data that they point at, transactions.
//!
//! Nothing before that end ever changes, so a snapshot needs no lock. Everything read is checked: a position is followed
//! only towards the start of the file, so that no chain is endless, and no length is believed that goes beyond the end.

use std::path::Path;
use std::sync::Arc;

use super::disk::Disk;
use super::format::{
    BACK_POINTER, DATA_HEADER, DataHeader, START, TRAILER, TRANSACTION_HEADER, TransactionHeader,
};
use crate::storage::{Error, Meta, Oid, Wait};
use crate::sys::system_error::SystemError;

/// Bytes of data that are read with a record's header: most records are shorter. What is read in vain costs its copying, what
/// is missing a second call.
const FIRST_READ_BYTES: usize = 1024;
/// What is wrong with a back pointer that leads away from the start of the file.
pub(super) const LATER_DATA: &str = "a record that takes its data from a later one";
/// Records of one chain that are read with [`Wait::Refused`], each a call of about a microsecond.
const MAX_CHAIN_WITHOUT_WAIT: usize = 64;
/// The same with [`Wait::Brief`]: about a millisecond, if the disk need not be waited for.
const MAX_BRIEF_CHAIN: usize = 1000;

/// A data file up to the end of some transaction.
#[derive(Clone)]
pub struct Snapshot {
    /// The file.
    pub disk: Arc<dyn Disk>,
    /// Its name, for messages.
    pub path: Arc<Path>,
    /// The end of the last transaction that is seen.
    pub end: u64,
    /// Whether reads may wait for the disk; they end with [`Error::WouldWait`] otherwise.
    pub wait: Wait,
}

/// Counts the records of a chain.
#[derive(Debug, Default)]
pub struct Chain(usize);

/// A data record, without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub at: u64,
    /// Its header.
    pub header: DataHeader,
    /// If it has no data: where they are; 0: the object is gone.
    pub back: u64,
}

impl Found {
    /// Whether it says that the object does not exist.
    #[must_use]
    pub fn is_end_of_object(&self) -> bool {
        self.header.length == 0 && self.back == 0
    }
}

impl Snapshot {
    /// The record at a position; of this object, if one is named.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn record(&self, at: u64, oid: Option<Oid>) -> Result<Found, Error> {
        let mut bytes = [0; DATA_HEADER + BACK_POINTER];
        let count = self.read(&mut bytes, DATA_HEADER, at)?;
        self.judge(at, oid, &bytes[..count])
    }

    /// As [`Snapshot::record`], and appends a first part of the record's data to `out`, for
    /// [`Snapshot::complete`].
    ///
    /// # Errors
    /// It cannot be read, or is none; `out` is then of any length, but not shorter.
    pub fn begin(&self, at: u64, oid: Option<Oid>, out: &mut Vec<u8>) -> Result<Found, Error> {
        let before = out.len();
        let body = before + DATA_HEADER;
        out.resize(body + FIRST_READ_BYTES, 0);
        let count = self.read(&mut out[before..], DATA_HEADER, at)?;
        out.truncate(before + count);
        let found = self.judge(at, oid, &out[before..])?;
        let length = usize::try_from(found.header.length).unwrap_or(usize::MAX);
        let end = out.len().min(body.saturating_add(length));
        // One call into one buffer and a copy within the processor's cache cost less than a call that scatters.
        out.copy_within(body..end, before);
        out.truncate(end - DATA_HEADER);
        Ok(found)
    }

    /// Completes the data of a record that [`Snapshot::begin`] began, when `out` had this length. A record without data
    /// of its own has those of the record that it points at. False: there are none, the object is gone.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn complete(&self, found: Found, before: usize, out: &mut Vec<u8>) -> Result<bool, Error> {
        let (mut found, mut chain) = (found, Chain::default());
        while found.header.length == 0 {
            if found.back == 0 {
                return Ok(false);
            }
            self.follow(&mut chain)?;
            if found.back >= found.at {
                return Err(self.damaged(found.at, LATER_DATA));
            }
            // The record pointed at is another one's only in a damaged file.
            out.truncate(before);
            found = self.begin(found.back, Some(found.header.oid), out)?;
        }
        let done = out.len() - before;
        // At most what the file has: `judge` saw to that.
        let length = usize::try_from(found.header.length).unwrap_or(usize::MAX);
        if done < length {
            out.reserve_exact(length - done);
            out.resize(before + length, 0);
            let from = found.at + (DATA_HEADER + done) as u64;
            self.exactly(&mut out[before + done..], from)?;
        }
        Ok(true)
    }

    /// Appends the data that a record has or points at. False: there are none.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn data(&self, found: Found, out: &mut Vec<u8>) -> Result<bool, Error> {
        self.complete(found, out.len(), out)
    }

    /// The record that has the data of this one: itself, or the one that it points at. `None`: there are none.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn with_data(&self, mut found: Found) -> Result<Option<Found>, Error> {
        while found.header.length == 0 {
            if found.back == 0 {
                return Ok(None);
            }
            if found.back >= found.at {
                return Err(self.damaged(found.at, LATER_DATA));
            }
            found = self.record(found.back, Some(found.header.oid))?;
        }
        Ok(Some(found))
    }

    /// One more record of a chain is to be read.
    ///
    /// # Errors
    /// [`Error::WouldWait`]: the chain is too long for a call that may not wait.
    pub fn follow(&self, chain: &mut Chain) -> Result<(), Error> {
        chain.0 += 1;
        let most = match self.wait {
            Wait::Allowed => return Ok(()),
            Wait::Brief => MAX_BRIEF_CHAIN,
            Wait::Refused => MAX_CHAIN_WITHOUT_WAIT,
        };
        if chain.0 > most { Err(Error::WouldWait) } else { Ok(()) }
    }

    /// The record that begins with these bytes, if it is one.
    fn judge(&self, at: u64, oid: Option<Oid>, bytes: &[u8]) -> Result<Found, Error> {
        let (head, body) = bytes.split_first_chunk().ok_or_else(|| self.damaged(at, "half a record"))?;
        let header = DataHeader::decode(head).ok_or_else(|| self.damaged(at, "a record of a version"))?;
        if oid.is_some_and(|oid| oid != header.oid) {
            return Err(self.damaged(at, "the record of another object"));
        }
        let back = if header.length == 0 {
            let bytes = body.first_chunk().ok_or_else(|| self.damaged(at, "half a record"))?;
            u64::from_be_bytes(*bytes)
        } else {
            0
        };
        let inside = header.full_length().and_then(|length| at.checked_add(length));
        if inside.is_none_or(|end| end > self.end) {
            return Err(self.damaged(at, "a record that goes beyond the end"));
        }
        if !(START..at).contains(&header.transaction) {
            return Err(self.damaged(at, "a record that is in no transaction"));
        }
        Ok(Found { at, header, back })
    }

    /// Where the record before this one of the same object is; 0: there is none. A wrong one hides earlier revisions,
    /// and nothing else.
    ///
    /// # Errors
    /// It would be behind this one.
    pub fn previous(&self, found: &Found) -> Result<u64, Error> {
        if found.header.previous >= found.at {
            return Err(self.damaged(found.at, "a record whose previous one would be a later one"));
        }
        Ok(found.header.previous)
    }

    /// The header of the transaction at a position, whatever its length.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn header(&self, at: u64) -> Result<TransactionHeader, Error> {
        let mut bytes = [0; TRANSACTION_HEADER];
        self.exactly(&mut bytes, at)?;
        Ok(TransactionHeader::decode(&bytes))
    }

    /// The header of the transaction at a position.
    ///
    /// # Errors
    /// It cannot be read, or its two lengths are none.
    pub fn transaction(&self, at: u64) -> Result<TransactionHeader, Error> {
        let header = self.header(at)?;
        let next = header.next(at);
        if next.is_none_or(|next| next > self.end) || header.length < header.full_length() {
            return Err(self.damaged(at, "a transaction of a wrong length"));
        }
        if self.closing(at + header.length)? != header.length {
            return Err(self.damaged(at, "a transaction with two lengths"));
        }
        Ok(header)
    }

    /// What the transaction with this header says of itself.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn meta(&self, at: u64, header: &TransactionHeader) -> Result<Meta, Error> {
        let mut user = vec![0; header.texts()];
        self.exactly(&mut user, at + TRANSACTION_HEADER as u64)?;
        let mut description = user.split_off(usize::from(header.user));
        let extension = description.split_off(usize::from(header.description));
        let packed = header.status == super::format::Status::PACKED;
        Ok(Meta { tid: Some(header.tid), packed, user, description, extension })
    }

    /// The position and header of the transaction that ends at `end`; `None`: that is the start of the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn transaction_before(&self, end: u64) -> Result<Option<(u64, TransactionHeader)>, Error> {
        if end <= START {
            return Ok(None);
        }
        let start = self.start_before(end)?;
        let header = self.transaction(start)?;
        if header.next(start) != Some(end) {
            return Err(self.damaged(start, "a transaction with two lengths"));
        }
        Ok(Some((start, header)))
    }

    /// Where the transaction begins that ends at `end`, by the length at its end.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn start_before(&self, end: u64) -> Result<u64, Error> {
        let closing = end.saturating_sub(TRAILER);
        let start = closing.checked_sub(self.closing(closing)?).filter(|start| *start >= START);
        start.ok_or_else(|| self.damaged(closing, "a wrong length of a transaction"))
    }

    /// The length behind the records of a transaction.
    fn closing(&self, at: u64) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        self.exactly(&mut bytes, at)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn read(&self, bytes: &mut [u8], needed: usize, at: u64) -> Result<usize, Error> {
        if at < START {
            return Err(self.damaged(at, "no record"));
        }
        match self.disk.read(bytes, at, self.wait) {
            Ok(count) if count >= needed => Ok(count),
            Ok(_) => Err(self.damaged(at, "the end of the file in a record")),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(Error::WouldWait),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    /// Reads all of it, or fails.
    ///
    /// # Errors
    /// It cannot be read, or the file ends before.
    pub fn exactly(&self, bytes: &mut [u8], at: u64) -> Result<(), Error> {
        self.read(bytes, bytes.len(), at).map(drop)
    }

    /// The error for what is wrong at a position.
    #[must_use]
    pub fn damaged(&self, at: u64, what: &str) -> Error {
        Error::Damaged { path: self.path.to_path_buf(), at, what: what.to_owned() }
    }

    /// The error for a call that failed.
    #[must_use]
    pub fn failed(&self, verb: &'static str, error: std::io::Error) -> Error {
        failed(verb, &self.path, error)
    }
}

/// The error for a call that failed.
pub(super) fn failed(verb: &'static str, path: &Path, error: std::io::Error) -> Error {
    SystemError::new(verb, path, error).into()
}
