//! Bytes to a value.

use thiserror::Error;

use crate::pickle::Value;

/// How deep arrays and maps may lie in each other: everything that walks a value recurses.
const DEPTH: usize = 100;
/// How many values a message may have. A value takes tens of bytes where its encoding takes one.
const VALUES: usize = 1 << 20;

/// Why bytes are no message that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// It ends too early.
    #[error("the message ends too early")]
    Short,
    /// A type that is not used here.
    #[error("unknown type {kind:#04x} at byte {at} of the message")]
    Kind {
        /// Its first byte.
        kind: u8,
        /// Where.
        at: usize,
    },
    /// Text that is not UTF-8.
    #[error("text at byte {0} of the message is not UTF-8")]
    Text(usize),
    /// More than is allowed.
    #[error("the message has {0}")]
    Limit(&'static str),
    /// Bytes follow it.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
}

/// An array or map that is not complete.
struct Open {
    map: bool,
    /// Values that it still lacks.
    missing: usize,
    values: Vec<Value>,
}

impl Open {
    fn close(self) -> Value {
        if !self.map {
            return Value::Tuple(self.values);
        }
        let mut pairs = Vec::with_capacity(self.values.len() / 2);
        let mut values = self.values.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            pairs.push((key, value));
        }
        Value::Dict(pairs)
    }
}

/// The next item: a whole value, or the beginning of an array or map with so many values in it.
enum Item {
    Whole(Value),
    Begin { map: bool, count: usize },
}

/// The value of a message that takes up all the bytes.
///
/// # Errors
/// The bytes are no such message.
pub fn decode(bytes: &[u8]) -> Result<Value, Error> {
    let mut input = Input { bytes, at: 0 };
    let mut open: Vec<Open> = Vec::new();
    let mut count = 0;
    loop {
        count += 1;
        if count > VALUES {
            return Err(Error::Limit("too many values"));
        }
        let mut done = match input.item()? {
            Item::Whole(value) => value,
            Item::Begin { map, count: 0 } => Open { map, missing: 0, values: Vec::new() }.close(),
            Item::Begin { map, count } => {
                if open.len() == DEPTH {
                    return Err(Error::Limit("values too deep in each other"));
                }
                // Each takes a byte at least; an announcement alone takes no memory.
                if count > input.rest() {
                    return Err(Error::Short);
                }
                open.push(Open { map, missing: count, values: Vec::with_capacity(count.min(64)) });
                continue;
            }
        };
        loop {
            let Some(inner) = open.last_mut() else {
                return if input.rest() == 0 { Ok(done) } else { Err(Error::Trailing(input.rest())) };
            };
            inner.values.push(done);
            inner.missing -= 1;
            if inner.missing > 0 {
                break;
            }
            match open.pop() {
                Some(whole) => done = whole.close(),
                None => break,
            }
        }
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let taken = self.bytes[self.at..].get(..count).ok_or(Error::Short)?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| Error::Short)
    }

    /// A length of `width` bytes, big-endian.
    fn length(&mut self, width: usize) -> Result<usize, Error> {
        let length = self.take(width)?.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        usize::try_from(length).map_err(|_| Error::Short)
    }

    fn text(&mut self, length: usize) -> Result<Item, Error> {
        let at = self.at;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Error::Text(at))?;
        Ok(Item::Whole(Value::Text(text.to_owned())))
    }

    fn bin(&mut self, width: usize) -> Result<Item, Error> {
        let length = self.length(width)?;
        Ok(Item::Whole(Value::Bytes(self.take(length)?.to_owned())))
    }

    fn item(&mut self) -> Result<Item, Error> {
        let at = self.at;
        let [kind] = self.array()?;
        let value = match kind {
            0x00..=0x7f => Value::Int(i64::from(kind)),
            0x80..=0x8f => return begin(true, usize::from(kind & 0x0f)),
            0x90..=0x9f => return begin(false, usize::from(kind & 0x0f)),
            0xa0..=0xbf => return self.text(usize::from(kind & 0x1f)),
            0xc0 => Value::None,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xc4 => return self.bin(1),
            0xc5 => return self.bin(2),
            0xc6 => return self.bin(4),
            0xca => Value::Float(f64::from(f32::from_be_bytes(self.array()?))),
            0xcb => Value::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Value::Int(i64::from(u8::from_be_bytes(self.array()?))),
            0xcd => Value::Int(i64::from(u16::from_be_bytes(self.array()?))),
            0xce => Value::Int(i64::from(u32::from_be_bytes(self.array()?))),
            0xcf => unsigned(u64::from_be_bytes(self.array()?)),
            0xd0 => Value::Int(i64::from(i8::from_be_bytes(self.array()?))),
            0xd1 => Value::Int(i64::from(i16::from_be_bytes(self.array()?))),
            0xd2 => Value::Int(i64::from(i32::from_be_bytes(self.array()?))),
            0xd3 => Value::Int(i64::from_be_bytes(self.array()?)),
            0xd9..=0xdb => {
                let length = self.length(1 << (kind - 0xd9))?;
                return self.text(length);
            }
            0xdc | 0xdd => {
                let count = self.length(2 << (kind - 0xdc))?;
                return begin(false, count);
            }
            0xde | 0xdf => {
                let count = self.length(2 << (kind - 0xde))?;
                return begin(true, count);
            }
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(Error::Kind { kind, at }),
            0xe0..=0xff => Value::Int(i64::from(kind.cast_signed())),
        };
        Ok(Item::Whole(value))
    }
}

/// A map has twice as many values as its count says.
fn begin(map: bool, count: usize) -> Result<Item, Error> {
    let count = if map { count.checked_mul(2).ok_or(Error::Short)? } else { count };
    Ok(Item::Begin { map, count })
}

/// An integer that may be longer than [`Value::Int`] reaches: as LONG1 has it, with a sign.
fn unsigned(number: u64) -> Value {
    i64::try_from(number).map_or_else(
        |_| {
            let mut bytes = number.to_le_bytes().to_vec();
            bytes.push(0);
            Value::Long(bytes)
        },
        Value::Int,
    )
}
