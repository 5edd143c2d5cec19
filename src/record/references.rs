//! The objects that a record refers to: what a pack keeps for its sake (docs/filestorage.md, "Packing").

use std::io::Read;

use flate2::read::ZlibDecoder;
use thiserror::Error;

use crate::pickle::{self, PersistentId, PersistentIds};

/// What begins a record that zc.zlibstorage has compressed. No pickle does: `.` is its end.
const COMPRESSED: &[u8] = b".z";
/// The longest record after its decompression.
const MAX_BYTES: u64 = 256 << 20;

/// Why the references of a record cannot be read.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// It is not two pickles.
    #[error(transparent)]
    Pickle(#[from] pickle::Error),
    /// A persistent id that ZODB does not write.
    #[error("a reference that is no object's id")]
    Reference,
    /// It cannot be decompressed.
    #[error("compressed data that cannot be decompressed")]
    Compressed,
    /// It is longer than 256 MiB.
    #[error("more than 256 MiB of decompressed data")]
    TooLong,
}

/// Reads references, of one record after the other.
#[derive(Debug, Default)]
pub struct ReferenceReader {
    ids: PersistentIds,
    decompressed: Vec<u8>,
}

impl ReferenceReader {
    /// Appends the ids of the objects that a record refers to; one may come several times. Weak references and those into other
    /// databases are none.
    ///
    /// # Errors
    /// They cannot be read; some may have been appended.
    pub fn read(&mut self, record: &[u8], found: &mut Vec<[u8; 8]>) -> Result<(), Unreadable> {
        let record = match record.strip_prefix(COMPRESSED) {
            Some(compressed) => {
                self.decompressed.clear();
                let mut decoder = ZlibDecoder::new(compressed).take(MAX_BYTES + 1);
                decoder.read_to_end(&mut self.decompressed).map_err(|_| Unreadable::Compressed)?;
                if self.decompressed.len() as u64 > MAX_BYTES {
                    return Err(Unreadable::TooLong);
                }
                &self.decompressed
            }
            None => record,
        };
        let mut wrong = false;
        let mut take = |id| match id {
            PersistentId::Id(id) => found.push(id),
            PersistentId::List => {}
            PersistentId::Other => wrong = true,
        };
        let class = self.ids.read(record, &mut take)?;
        self.ids.read(record.get(class..).unwrap_or_default(), &mut take)?;
        if wrong { Err(Unreadable::Reference) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    const RECORD: &[u8] = b"\x80\x03cm\nC\n.\x80\x03C\x08\0\0\0\0\0\0\0\x01cm\nD\n\x86Q.behind";

    fn references(record: &[u8]) -> Result<Vec<[u8; 8]>, String> {
        let mut found = Vec::new();
        let read = ReferenceReader::default().read(record, &mut found);
        read.map(|()| found).map_err(|error| error.to_string())
    }

    fn compressed(record: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(b".z".to_vec(), Compression::fast());
        encoder.write_all(record).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn references_are_those_of_class_and_state() {
        let one = [0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(references(RECORD), Ok(vec![one]));
        assert_eq!(references(&compressed(RECORD)), Ok(vec![one]));
        let in_class = b"C\x08\0\0\0\0\0\0\0\x01Q.C\x08\0\0\0\0\0\0\0\x01Q.";
        assert_eq!(references(in_class), Ok(vec![one, one]));
        assert_eq!(references(b"N.]Q."), Ok(vec![]));
    }

    #[test]
    fn record_that_cannot_be_read_is_refused() {
        for (record, why) in [
            (&b""[..], "the pickle ends too early"),
            (b"N.", "the pickle ends too early"),
            (b"N.NQ.", "a reference that is no object's id"),
            (b".zabc", "compressed data that cannot be decompressed"),
            (b".e???", "too little on the stack at byte 1 of the pickle"),
        ] {
            assert_eq!(references(record), Err(why.to_owned()), "{}", record.escape_ascii());
        }
    }
}
