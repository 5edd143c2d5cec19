//! From a value to bytes: byte for byte as zodbpickle writes it with protocol 3, without a memo (`Pickler(fast=True)`) as in
//! messages, or with one (`dumps`).

use std::collections::HashMap;

use thiserror::Error;

use super::{Call, Value, number};

/// Lists and dicts are written in portions of so many items, as Python does.
const PORTION: usize = 1000;

/// Why a value cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// Protocol 3 has no lengths above 32 bits.
    #[error("{0} bytes are more than a pickle of protocol 3 can hold in one piece")]
    TooLong(usize),
    /// A name of a class that contains the end of a line, which ends it in a pickle.
    #[error("the name of a class contains the end of a line")]
    Name,
}

/// Appends the pickle of a value. Recurses by the depth of the value, which [`super::decode`] bounds.
///
/// # Errors
/// Protocol 3 cannot say it; `out` then has a part of it at its end.
pub fn encode(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    Encoder { out, memo: None }.pickle(value)
}

/// As [`encode`], but numbers each value for later use, as Python does by default. Values that were decoded from
/// a message are all different objects, but for those that Python has only once: the empty text, texts of one character below
/// U+0100, and bytes of at most one byte. What is called or names a class is as [`encode`] writes it, with all around it.
///
/// # Errors
/// As [`encode`].
pub fn encode_with_memo(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let memo = is_plain(value).then(Memo::default);
    Encoder { out, memo }.pickle(value)
}

/// Whether nothing is called, and no class named, in a value.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Tuple(items) | Value::List(items) => items.iter().all(is_plain),
        Value::Dict(pairs) => pairs.iter().all(|(key, value)| is_plain(key) && is_plain(value)),
        Value::Global { .. } | Value::Call(_) | Value::Persistent(_) => false,
        _ => true,
    }
}

/// The numbers of values.
#[derive(Default)]
struct Memo<'v> {
    length: u32,
    /// Texts and bytes that Python has only once, with the opcode before them.
    single: HashMap<(u8, &'v [u8]), u32>,
}

struct Encoder<'o, 'v> {
    out: &'o mut Vec<u8>,
    memo: Option<Memo<'v>>,
}

impl<'v> Encoder<'_, 'v> {
    fn pickle(mut self, value: &'v Value) -> Result<(), EncodeError> {
        self.out.extend_from_slice(&[0x80, 3]);
        self.write(value)?;
        self.out.push(b'.');
        Ok(())
    }

    fn write(&mut self, value: &'v Value) -> Result<(), EncodeError> {
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(truth) => self.out.push(if *truth { 0x88 } else { 0x89 }),
            Value::Int(number) => self.int(*number),
            Value::Long(bytes) => self.long(bytes)?,
            Value::Float(float) => {
                self.out.push(b'G');
                self.out.extend_from_slice(&float.to_be_bytes());
            }
            Value::Bytes(bytes) => self.string(b'B', bytes, bytes.len() < 2)?,
            Value::Text(text) => {
                let mut characters = text.chars();
                let single =
                    characters.next().is_none_or(|one| one < '\u{100}') && characters.next().is_none();
                self.string(b'X', text.as_bytes(), single)?;
            }
            Value::Tuple(items) => self.tuple(items)?,
            Value::List(items) => self.list(items)?,
            Value::Dict(pairs) => self.dict(pairs)?,
            Value::Global { module, name } => self.global(module, name)?,
            Value::Call(call) => self.call(call)?,
            Value::Persistent(id) => {
                self.write(id)?;
                self.out.push(b'Q');
            }
        }
        Ok(())
    }

    /// Numbers the value that was just written.
    fn put(&mut self) -> u32 {
        let Some(memo) = &mut self.memo else { return 0 };
        let number = memo.length;
        memo.length += 1;
        self.numbered([b'q', b'r'], number);
        number
    }

    fn numbered(&mut self, [short, long]: [u8; 2], number: u32) {
        if let Ok(number) = u8::try_from(number) {
            self.out.extend_from_slice(&[short, number]);
        } else {
            self.out.push(long);
            self.out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Text or bytes; `single`: of which Python has one object only.
    fn string(&mut self, opcode: u8, bytes: &'v [u8], single: bool) -> Result<(), EncodeError> {
        let known = self.memo.as_ref().filter(|_| single).and_then(|memo| memo.single.get(&(opcode, bytes)));
        if let Some(number) = known {
            self.numbered([b'h', b'j'], *number);
            return Ok(());
        }
        match u8::try_from(bytes.len()) {
            Ok(length) if opcode == b'B' => {
                self.out.extend_from_slice(&[b'C', length]);
                self.out.extend_from_slice(bytes);
            }
            _ => self.counted(opcode, bytes)?,
        }
        let number = self.put();
        if let Some(memo) = self.memo.as_mut().filter(|_| single) {
            memo.single.insert((opcode, bytes), number);
        }
        Ok(())
    }

    fn int(&mut self, number: i64) {
        let out = &mut *self.out;
        if let Ok(byte) = u8::try_from(number) {
            out.extend_from_slice(&[b'K', byte]);
        } else if let Ok(short) = u16::try_from(number) {
            out.push(b'M');
            out.extend_from_slice(&short.to_le_bytes());
        } else if let Ok(int) = i32::try_from(number) {
            out.push(b'J');
            out.extend_from_slice(&int.to_le_bytes());
        } else {
            let bytes = number.to_le_bytes();
            let length = number::significant(number);
            out.extend_from_slice(&[0x8a, length]);
            out.extend_from_slice(&bytes[..usize::from(length)]);
        }
    }

    fn long(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        match u8::try_from(bytes.len()) {
            Ok(length) => {
                self.out.extend_from_slice(&[0x8a, length]);
                self.out.extend_from_slice(bytes);
                Ok(())
            }
            Err(_) => self.counted(0x8b, bytes),
        }
    }

    fn counted(&mut self, opcode: u8, bytes: &[u8]) -> Result<(), EncodeError> {
        let length = u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLong(bytes.len()))?;
        self.out.push(opcode);
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn all(&mut self, items: &'v [Value]) -> Result<(), EncodeError> {
        items.iter().try_for_each(|item| self.write(item))
    }

    fn tuple(&mut self, items: &'v [Value]) -> Result<(), EncodeError> {
        let end = match items.len() {
            0 => {
                // The empty tuple has no number.
                self.out.push(b')');
                return Ok(());
            }
            1 => 0x85,
            2 => 0x86,
            3 => 0x87,
            _ => {
                self.out.push(b'(');
                b't'
            }
        };
        self.all(items)?;
        self.out.push(end);
        self.put();
        Ok(())
    }

    fn list(&mut self, items: &'v [Value]) -> Result<(), EncodeError> {
        self.out.push(b']');
        self.put();
        if let [item] = items {
            self.write(item)?;
            self.out.push(b'a');
            return Ok(());
        }
        for portion in items.chunks(PORTION) {
            self.out.push(b'(');
            self.all(portion)?;
            self.out.push(b'e');
        }
        Ok(())
    }

    fn pairs(&mut self, pairs: &'v [(Value, Value)]) -> Result<(), EncodeError> {
        pairs.iter().try_for_each(|(key, value)| {
            self.write(key)?;
            self.write(value)
        })
    }

    fn dict(&mut self, pairs: &'v [(Value, Value)]) -> Result<(), EncodeError> {
        self.out.push(b'}');
        self.put();
        if pairs.len() == 1 {
            self.pairs(pairs)?;
            self.out.push(b's');
            return Ok(());
        }
        for portion in pairs.chunks(PORTION) {
            self.out.push(b'(');
            self.pairs(portion)?;
            self.out.push(b'u');
        }
        // Python notices the end of a dict only in the portion after a full one. (Of a list it knows the length.)
        if !pairs.is_empty() && pairs.len().is_multiple_of(PORTION) {
            self.out.extend_from_slice(b"(u");
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), EncodeError> {
        if module.contains('\n') || name.contains('\n') {
            return Err(EncodeError::Name);
        }
        self.out.push(b'c');
        for part in [module, name] {
            self.out.extend_from_slice(part.as_bytes());
            self.out.push(b'\n');
        }
        Ok(())
    }

    fn call(&mut self, call: &'v Call) -> Result<(), EncodeError> {
        self.write(&call.callable)?;
        self.write(&call.arguments)?;
        self.out.push(if call.new { 0x81 } else { b'R' });
        if let Some(state) = &call.state {
            self.write(state)?;
            self.out.push(b'b');
        }
        Ok(())
    }
}
