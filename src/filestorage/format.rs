//! The layout of a data file (docs/filestorage.md), and nothing else: bytes to values and back.
//!
//! All numbers are big-endian; positions are offsets from the start of the file.
//!
//! ```text
//! file         magic (4), transactions without gaps
//!
//! transaction  0  tid            8
//!              8  length         8   of all but the last 8 bytes
//!             16  status         1   ' ' 'p' 'c' 'u'
//!             17  user           2   lengths of what follows
//!             19  description    2
//!             21  extension      2
//!             23  user, description, extension, then data records
//!         length  length again   8
//!
//! data record  0  oid            8
//!              8  tid            8   that of the transaction
//!             16  previous       8   position of the object's previous record; 0: none
//!             24  transaction    8   position of the transaction
//!             32  0              2
//!             34  data length    8
//!             42  data, or if there are none
//!             42  back pointer   8   position of the record that has the data; 0: the object is gone
//! ```

use crate::storage::{Oid, Tid};

/// First bytes of a file whose pickles are those of Python 3.
pub const MAGIC: [u8; 4] = *b"FS30";
/// First bytes of a file whose pickles are those of Python 2; the same layout.
pub const MAGIC_PYTHON2: [u8; 4] = *b"FS21";
/// Where the first transaction begins.
pub const START: u64 = 4;

/// Length of a transaction's header without the texts after it.
pub const TRANSACTION_HEADER: usize = 23;
/// Length of the repetition of a transaction's length.
pub const TRAILER: u64 = 8;
/// Where in a transaction its status is.
pub const STATUS_AT: u64 = 16;
/// Length of a data record's header.
pub const DATA_HEADER: usize = 42;
/// Length of a back pointer.
pub const BACK_POINTER: usize = 8;

/// Positions have 6 bytes in an index.
pub const LARGEST_POSITION: u64 = (1 << 48) - 1;

/// The bytes of a transaction's header.
pub type TransactionBytes = [u8; TRANSACTION_HEADER];
/// The bytes of a data record's header.
pub type DataBytes = [u8; DATA_HEADER];

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// Finished.
    pub const NORMAL: Self = Self(b' ');
    /// Kept by a pack, or copied from such.
    pub const PACKED: Self = Self(b'p');
    /// Voted, not finished.
    pub const CHECKPOINT: Self = Self(b'c');
    /// Undone, by a version of long ago: readers skip it.
    pub const UNDONE: Self = Self(b'u');

    /// Those that a transaction has from its finish on.
    pub const FINISHED: [Self; 3] = [Self::NORMAL, Self::PACKED, Self::UNDONE];
}

/// The header of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionHeader {
    /// Its id.
    pub tid: Tid,
    /// Bytes from its start to the repetition of this length.
    pub length: u64,
    /// What became of it.
    pub status: Status,
    /// Length of the user's name.
    pub user: u16,
    /// Length of the description.
    pub description: u16,
    /// Length of the extension.
    pub extension: u16,
}

impl TransactionHeader {
    /// From its bytes; any are a header.
    #[must_use]
    pub fn decode(bytes: &TransactionBytes) -> Self {
        Self {
            tid: Tid(u64_at(bytes, 0)),
            length: u64_at(bytes, 8),
            status: Status(bytes[16]),
            user: u16_at(bytes, 17),
            description: u16_at(bytes, 19),
            extension: u16_at(bytes, 21),
        }
    }

    /// As its bytes.
    #[must_use]
    pub fn encode(&self) -> TransactionBytes {
        let mut bytes = [0; TRANSACTION_HEADER];
        bytes[0..8].copy_from_slice(&self.tid.to_bytes());
        bytes[8..16].copy_from_slice(&self.length.to_be_bytes());
        bytes[16] = self.status.0;
        bytes[17..19].copy_from_slice(&self.user.to_be_bytes());
        bytes[19..21].copy_from_slice(&self.description.to_be_bytes());
        bytes[21..23].copy_from_slice(&self.extension.to_be_bytes());
        bytes
    }

    /// Length of the texts after it.
    #[must_use]
    pub fn texts(&self) -> usize {
        usize::from(self.user) + usize::from(self.description) + usize::from(self.extension)
    }

    /// Bytes from the transaction's start to its first data record.
    #[must_use]
    pub fn full_length(&self) -> u64 {
        (TRANSACTION_HEADER + self.texts()) as u64
    }

    /// Where the next transaction begins, by this one's own word, if such a position can be.
    #[must_use]
    pub fn next(&self, position: u64) -> Option<u64> {
        position.checked_add(self.length)?.checked_add(TRAILER)
    }
}

/// The header of a data record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataHeader {
    /// The object.
    pub oid: Oid,
    /// The transaction.
    pub tid: Tid,
    /// Position of the object's previous record; 0: there is none.
    pub previous: u64,
    /// Position of the transaction.
    pub transaction: u64,
    /// Length of the data; 0: a back pointer follows.
    pub length: u64,
}

impl DataHeader {
    /// From its bytes; `None` for a record of a version, which are not written any more.
    #[must_use]
    pub fn decode(bytes: &DataBytes) -> Option<Self> {
        (u16_at(bytes, 32) == 0).then(|| Self {
            oid: Oid(u64_at(bytes, 0)),
            tid: Tid(u64_at(bytes, 8)),
            previous: u64_at(bytes, 16),
            transaction: u64_at(bytes, 24),
            length: u64_at(bytes, 34),
        })
    }

    /// As its bytes.
    #[must_use]
    pub fn encode(&self) -> DataBytes {
        let mut bytes = [0; DATA_HEADER];
        bytes[0..8].copy_from_slice(&self.oid.to_bytes());
        bytes[8..16].copy_from_slice(&self.tid.to_bytes());
        bytes[16..24].copy_from_slice(&self.previous.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.transaction.to_be_bytes());
        bytes[34..42].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    /// Length of the whole record, if such a length can be.
    #[must_use]
    pub fn full_length(&self) -> Option<u64> {
        let body = if self.length == 0 { BACK_POINTER as u64 } else { self.length };
        body.checked_add(DATA_HEADER as u64)
    }
}

/// The number at an offset of a header, which has it.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(number)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_header_is_laid_out_as_python_does() {
        // struct.pack(">8sQcHHH", p64(0x0102030405060708), 0x1122, b"c", 1, 2, 0x304)
        let bytes = *b"\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\x11\x22c\0\x01\0\x02\x03\x04";
        let header = TransactionHeader {
            tid: Tid(0x0102_0304_0506_0708),
            length: 0x1122,
            status: Status::CHECKPOINT,
            user: 1,
            description: 2,
            extension: 0x304,
        };
        assert_eq!(header.encode(), bytes);
        assert_eq!(TransactionHeader::decode(&bytes), header);
        assert_eq!(header.full_length(), 23 + 1 + 2 + 0x304);
    }

    #[test]
    fn data_header_is_laid_out_as_python_does() {
        // struct.pack(">8s8sQQHQ", p64(1), p64(2), 3, 4, 0, 5)
        let mut bytes = [0; 42];
        for (at, value) in [(7, 1), (15, 2), (23, 3), (31, 4), (41, 5)] {
            bytes[at] = value;
        }
        let header = DataHeader { oid: Oid(1), tid: Tid(2), previous: 3, transaction: 4, length: 5 };
        assert_eq!(header.encode(), bytes);
        assert_eq!(DataHeader::decode(&bytes), Some(header));
        assert_eq!(header.full_length(), Some(47));
        assert_eq!(DataHeader { length: 0, ..header }.full_length(), Some(50));
        assert_eq!(DataHeader { length: u64::MAX, ..header }.full_length(), None);
        bytes[33] = 1;
        assert_eq!(DataHeader::decode(&bytes), None);
    }
}
