//! The index file, as Python writes it: FILESTORAGE section 7.
//!
//! It is a row of small pickles: the end that the index is good for, for each group its prefix and its rows, and None. Read
//! and written group by group. (Versions before ZODB 3.3 wrote one pickle of everything: such a file is ignored.)

use std::io::{self, BufRead, BufReader, Read, Write};

use super::format::{LARGEST_POSITION, START};
use super::index::{GROUP, Group, Index, Position, to_number};
use crate::pickle::{self, Value};

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
    let mut stream = Stream { input: BufReader::with_capacity(1 << 18, file) };
    let Item::Integer(end) = stream.item()? else { return Err(wrong("no end")) };
    if !(START..=LARGEST_POSITION).contains(&end) {
        return Err(wrong("an impossible end"));
    }
    let mut index = Index::default();
    let mut last = None;
    while let Some((prefix, rows)) = stream.group()? {
        if last.is_some_and(|last| last >= prefix) {
            return Err(wrong("groups out of order"));
        }
        last = Some(prefix);
        index.insert_group(prefix, group(&rows, end)?);
    }
    Ok((index, end))
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

// The opcodes that are read.
const PROTO: u8 = 0x80;
const STOP: u8 = b'.';
const NONE: u8 = b'N';
const BININT: u8 = b'J';
const BININT1: u8 = b'K';
const BININT2: u8 = b'M';
const LONG1: u8 = 0x8a;
const SHORT_BINBYTES: u8 = b'C';
const BINBYTES: u8 = b'B';
// Python 2 has these for its byte strings.
const SHORT_BINSTRING: u8 = b'U';
const BINSTRING: u8 = b'T';
const TUPLE2: u8 = 0x86;
// Numbers of values for later use; nothing here is used again.
const BINPUT: u8 = b'q';
const LONG_BINPUT: u8 = b'r';

/// One value on the way.
enum Item {
    Integer(u64),
    Bytes(Vec<u8>),
    None,
}

/// The file as a row of values.
struct Stream<R> {
    input: BufReader<R>,
}

impl<R: Read> Stream<R> {
    /// A pickle of one value.
    fn item(&mut self) -> io::Result<Item> {
        let item = self.value()?;
        self.expect(STOP)?;
        Ok(item)
    }

    /// A pickle of a group's prefix and rows; `None` at the end.
    fn group(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let prefix = match self.value()? {
            Item::None => return self.expect(STOP).map(|()| None),
            Item::Bytes(prefix) => prefix,
            Item::Integer(_) => return Err(wrong("something else than a group")),
        };
        let prefix: [u8; 6] = prefix.try_into().map_err(|_| wrong("a prefix of a wrong length"))?;
        let Item::Bytes(rows) = self.value()? else { return Err(wrong("a group without rows")) };
        self.expect(TUPLE2)?;
        self.expect(STOP)?;
        Ok(Some((to_number(prefix), rows)))
    }

    /// The next value, and what says that it may be used later.
    fn value(&mut self) -> io::Result<Item> {
        let mut opcode = self.byte()?;
        if opcode == PROTO {
            self.byte()?;
            opcode = self.byte()?;
        }
        let item = match opcode {
            NONE => Item::None,
            BININT1 => self.integer(1)?,
            BININT2 => self.integer(2)?,
            BININT => self.integer(4)?,
            LONG1 => {
                let count = self.byte()?;
                self.integer(usize::from(count))?
            }
            SHORT_BINBYTES | SHORT_BINSTRING => {
                let length = self.byte()?;
                self.bytes(usize::from(length))?
            }
            BINBYTES | BINSTRING => {
                let length = u32::from_le_bytes(self.array()?);
                self.bytes(usize::try_from(length).unwrap_or(usize::MAX))?
            }
            // An older form, before ZODB 3.3: one pickle of everything.
            _ => return Err(wrong("an unknown form")),
        };
        self.skip_numbers()?;
        Ok(item)
    }

    fn skip_numbers(&mut self) -> io::Result<()> {
        loop {
            match self.input.fill_buf()?.first() {
                Some(&BINPUT) => drop(self.array::<2>()?),
                Some(&LONG_BINPUT) => drop(self.array::<5>()?),
                _ => return Ok(()),
            }
        }
    }

    /// A number of so many bytes, little-endian, not negative.
    fn integer(&mut self, count: usize) -> io::Result<Item> {
        let mut bytes = [0; 9];
        let part = bytes.get_mut(..count).ok_or_else(|| wrong("too long a number"))?;
        self.input.read_exact(part)?;
        let [low @ .., high] = bytes;
        // The form of 4 bytes and the long one have a sign; 9 bytes are those of a number with its highest bit set.
        let negative = count >= 4 && bytes[count - 1] >= 0x80;
        if negative || high != 0 {
            return Err(wrong("a number out of range"));
        }
        Ok(Item::Integer(u64::from_le_bytes(low)))
    }

    fn bytes(&mut self, length: usize) -> io::Result<Item> {
        if length > GROUP * 8 {
            return Err(wrong("too long a group"));
        }
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes)?;
        Ok(Item::Bytes(bytes))
    }

    fn expect(&mut self, opcode: u8) -> io::Result<()> {
        self.skip_numbers()?;
        if self.byte()? == opcode { Ok(()) } else { Err(wrong("an unexpected form")) }
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
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
