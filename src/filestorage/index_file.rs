//! The index file, as Python writes it: FILESTORAGE section 7.
//!
//! It is a row of small pickles: the end that the index is good for, for each group its prefix and its rows, and None. Read
//! and written group by group. (Versions before ZODB 3.3 wrote one pickle of everything: such a file is ignored.)

use std::io::{self, Read, Write};

use super::format::{LARGEST_POSITION, START};
use super::index::{GROUP, Group, Index, Position, to_number};
use crate::pickle::{self, Limits, Policy, Value};

/// Writes the index of a data file that ends at `end`.
///
/// # Errors
/// What cannot be written.
pub fn write(index: &Index, end: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut pickled = Vec::new();
    let mut put = |value: &Value| {
        pickled.clear();
        pickle::encode(value, &mut pickled).map_err(io::Error::other)?;
        out.write_all(&pickled)
    };
    put(&Value::Int(i64::try_from(end).map_err(io::Error::other)?))?;
    for (prefix, group) in index.groups() {
        let mut rows: Vec<u8> = group.entries().flat_map(|(suffix, _)| suffix.to_be_bytes()).collect();
        rows.extend(group.entries().flat_map(|(_, position)| position));
        let prefix = prefix.to_be_bytes()[2..].to_vec();
        put(&Value::Tuple(vec![Value::Bytes(prefix), Value::Bytes(rows)]))?;
    }
    put(&Value::None)
}

/// Reads an index file: the index, and the end that it is good for.
///
/// # Errors
/// It is none, or damaged, or cannot be read.
pub fn read(file: impl Read) -> io::Result<(Index, u64)> {
    let mut pickles = Pickles { file, buffer: Vec::new(), used: 0 };
    let end = pickles.next()?.as_int().and_then(|end| u64::try_from(end).ok());
    let end = end.filter(|end| (START..=LARGEST_POSITION).contains(end));
    let end = end.ok_or_else(|| wrong("an impossible end"))?;
    let mut index = Index::default();
    let mut last = None;
    loop {
        let value = pickles.next()?;
        let (prefix, rows) = match (&value, value.items()) {
            (Value::None, _) => return Ok((index, end)),
            (_, Some([prefix, rows])) => (prefix.as_bytes(), rows.as_bytes()),
            _ => (None, None),
        };
        let prefix = prefix.and_then(|prefix| prefix.try_into().ok()).map(to_number);
        let (prefix, rows) = prefix.zip(rows).ok_or_else(|| wrong("something else than a group"))?;
        if last.is_some_and(|last| last >= prefix) {
            return Err(wrong("groups out of order"));
        }
        last = Some(prefix);
        index.insert_group(prefix, group(rows, end)?);
    }
}

/// A group from its rows as they are in the file.
fn group(rows: &[u8], end: u64) -> io::Result<Group> {
    let count = rows.len() / 8;
    if !rows.len().is_multiple_of(8) || count == 0 || count > GROUP {
        return Err(wrong("a group of a wrong length"));
    }
    let (suffixes, positions) = rows.split_at(count * 2);
    let suffixes: Vec<u16> = suffixes.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    let positions: Vec<Position> = positions.as_chunks().0.to_vec();
    if !suffixes.is_sorted_by(|one, next| one < next) {
        return Err(wrong("objects out of order"));
    }
    if positions.iter().any(|position| !(START..end).contains(&to_number(*position))) {
        return Err(wrong("an impossible position"));
    }
    Ok(Group::from_rows(suffixes, positions))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it has {what}"))
}

/// Bytes that are read at once.
const READ_BYTES: u64 = 1 << 20;
/// More than the pickle of a full group takes.
const MAX_PICKLE_BYTES: usize = GROUP * 8 + 64;
/// What each of the pickles may be: a number, or a tuple of two strings, each of which may be given a number for later use.
const POLICY: Policy =
    Policy { globals: |_, _| false, limits: Limits { depth: 2, steps: 16, record: false }, python2: true };

/// The file as a row of pickles.
struct Pickles<R> {
    file: R,
    /// What was read of it; so many bytes from its beginning are used up.
    buffer: Vec<u8>,
    used: usize,
}

impl<R: Read> Pickles<R> {
    fn next(&mut self) -> io::Result<Value> {
        loop {
            match pickle::decode_first(&self.buffer[self.used..], &POLICY) {
                Ok((value, length)) => {
                    self.used += length;
                    return Ok(value);
                }
                Err(pickle::Error::Short) => self.fill()?,
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
    }

    /// Reads more, for a pickle that is not there as a whole.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.used);
        self.used = 0;
        if self.buffer.len() > MAX_PICKLE_BYTES {
            return Err(wrong("too long a group"));
        }
        match self.file.by_ref().take(READ_BYTES).read_to_end(&mut self.buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Oid;

    fn written(index: &Index, end: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(index, end, &mut bytes).unwrap();
        bytes
    }

    fn loaded(bytes: &[u8]) -> (Index, u64) {
        read(bytes).unwrap()
    }

    #[test]
    fn one_object_is_written_as_python_does() {
        let mut index = Index::default();
        index.insert(Oid(1), 247);
        let expected =
            b"\x80\x03\x4d\x6b\x01\x2e\x80\x03\x43\x06\0\0\0\0\0\0\x43\x08\0\x01\0\0\0\0\0\xf7\x86\x2e\
            \x80\x03\x4e\x2e";
        assert_eq!(written(&index, 363), expected);
        let (index, end) = loaded(expected);
        assert_eq!((index.length(), index.get(Oid(1)), end), (1, Some(247), 363));
    }

    #[test]
    fn end_of_any_size_comes_back() {
        for end in [4, 255, 256, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, LARGEST_POSITION] {
            let bytes = written(&Index::default(), end);
            assert_eq!(loaded(&bytes).1, end);
        }
        let forms =
            [(0x8000_0000_u64, &b"\x80\x03\x8a\x05\0\0\0\x80\0."[..]), (0x1_0000, b"\x80\x03J\0\0\x01\0.")];
        for (end, form) in forms {
            assert!(written(&Index::default(), end).starts_with(form), "{end}");
        }
    }

    #[test]
    fn large_index_comes_back() {
        let mut index = Index::default();
        for n in 0..100_000 {
            index.insert(Oid(n * 3), 4 + n);
        }
        let bytes = written(&index, 1 << 40);
        let (found, _) = loaded(&bytes);
        assert_eq!(found.length(), 100_000);
        assert!((0..100_000).all(|n| found.get(Oid(n * 3)) == Some(4 + n)));
        assert_eq!(written(&found, 1 << 40), bytes);
    }

    #[test]
    fn damaged_index_is_refused() {
        let mut index = Index::default();
        (0..40).for_each(|n| index.insert(Oid(n * 5000), 100 + n));
        let bytes = written(&index, 500);
        (0..bytes.len()).for_each(|length| assert!(read(&bytes[..length]).is_err(), "{length}"));
        // A position not before the end.
        assert!(read(&written(&index, 139)[..]).is_err());
    }
}
