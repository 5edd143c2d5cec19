//! From a value to bytes: byte for byte as zodbpickle's `Pickler(protocol=3, fast=True)` writes it, without a memo.

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
    out.extend_from_slice(&[0x80, 3]);
    write(value, out)?;
    out.push(b'.');
    Ok(())
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match value {
        Value::None => out.push(b'N'),
        Value::Bool(truth) => out.push(if *truth { 0x88 } else { 0x89 }),
        Value::Int(number) => write_int(*number, out),
        Value::Long(bytes) => write_long(bytes, out)?,
        Value::Float(float) => {
            out.push(b'G');
            out.extend_from_slice(&float.to_be_bytes());
        }
        Value::Bytes(bytes) => match u8::try_from(bytes.len()) {
            Ok(length) => {
                out.extend_from_slice(&[b'C', length]);
                out.extend_from_slice(bytes);
            }
            Err(_) => write_counted(b'B', bytes, out)?,
        },
        Value::Text(text) => write_counted(b'X', text.as_bytes(), out)?,
        Value::Tuple(items) => write_tuple(items, out)?,
        Value::List(items) => write_list(items, out)?,
        Value::Dict(pairs) => write_dict(pairs, out)?,
        Value::Global { module, name } => write_global(module, name, out)?,
        Value::Call(call) => write_call(call, out)?,
    }
    Ok(())
}

fn write_int(number: i64, out: &mut Vec<u8>) {
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

fn write_long(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match u8::try_from(bytes.len()) {
        Ok(length) => {
            out.extend_from_slice(&[0x8a, length]);
            out.extend_from_slice(bytes);
            Ok(())
        }
        Err(_) => write_counted(0x8b, bytes, out),
    }
}

fn write_counted(opcode: u8, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let length = u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLong(bytes.len()))?;
    out.push(opcode);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn write_all(items: &[Value], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    items.iter().try_for_each(|item| write(item, out))
}

fn write_tuple(items: &[Value], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let end = match items.len() {
        0 => b')',
        1 => 0x85,
        2 => 0x86,
        3 => 0x87,
        _ => {
            out.push(b'(');
            b't'
        }
    };
    write_all(items, out)?;
    out.push(end);
    Ok(())
}

fn write_list(items: &[Value], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    out.push(b']');
    if let [item] = items {
        write(item, out)?;
        out.push(b'a');
        return Ok(());
    }
    for portion in items.chunks(PORTION) {
        out.push(b'(');
        write_all(portion, out)?;
        out.push(b'e');
    }
    Ok(())
}

fn write_dict(pairs: &[(Value, Value)], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    out.push(b'}');
    let write_pair = |(key, value): &(Value, Value), out: &mut Vec<u8>| {
        write(key, out)?;
        write(value, out)
    };
    if let [pair] = pairs {
        write_pair(pair, out)?;
        out.push(b's');
        return Ok(());
    }
    for portion in pairs.chunks(PORTION) {
        out.push(b'(');
        portion.iter().try_for_each(|pair| write_pair(pair, out))?;
        out.push(b'u');
    }
    // Python notices the end of a dict only in the portion after a full one. (Of a list it knows the length.)
    if !pairs.is_empty() && pairs.len().is_multiple_of(PORTION) {
        out.extend_from_slice(b"(u");
    }
    Ok(())
}

fn write_global(module: &str, name: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if module.contains('\n') || name.contains('\n') {
        return Err(EncodeError::Name);
    }
    out.push(b'c');
    for part in [module, name] {
        out.extend_from_slice(part.as_bytes());
        out.push(b'\n');
    }
    Ok(())
}

fn write_call(call: &Call, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    write(&call.callable, out)?;
    write(&call.arguments, out)?;
    out.push(if call.new { 0x81 } else { b'R' });
    if let Some(state) = &call.state {
        write(state, out)?;
        out.push(b'b');
    }
    Ok(())
}
