//! Integers of any size: two's complement, little-endian (LONG1), and decimal (protocol 1).

use super::Value;

/// Limit of the digits of a decimal, which is Python's (`sys.int_info.default_max_str_digits`).
const MAX_DIGITS: usize = 4300;

/// The integer that these bytes are in two's complement, in its shortest form.
pub(super) fn from_two_complement(bytes: &[u8]) -> Value {
    let Some(last) = bytes.last() else { return Value::Int(0) };
    let negative = last & 0x80 != 0;
    let fill = if negative { 0xff } else { 0 };
    if bytes.len() <= 8 {
        let mut wide = [fill; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        return Value::Int(i64::from_le_bytes(wide));
    }
    // A last byte that only repeats the sign says nothing.
    let mut length = bytes.len();
    while length > 1 && bytes[length - 1] == fill && (bytes[length - 2] & 0x80 != 0) == negative {
        length -= 1;
    }
    if length <= 8 { from_two_complement(&bytes[..length]) } else { Value::Long(bytes[..length].to_vec()) }
}

/// How many of a number's little-endian bytes say something: none for 0, as Python's `encode_long` has it.
pub(super) fn significant(number: i64) -> u8 {
    let signs = if number < 0 { number.leading_ones() } else { number.leading_zeros() };
    // One bit of sign stays.
    if number == 0 { 0 } else { u8::try_from((64 - signs) / 8 + 1).unwrap_or(8) }
}

/// The integer that a decimal is; `None`: it is none, or longer than any that Python reads.
pub(super) fn from_decimal(decimal: &[u8]) -> Option<Value> {
    if let Ok(text) = std::str::from_utf8(decimal)
        && let Ok(number) = text.parse::<i64>()
    {
        return Some(Value::Int(number));
    }
    let (negative, digits) = match decimal {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut bytes: Vec<u8> = Vec::new();
    for digit in digits {
        let mut carry = u16::from(digit - b'0');
        for byte in &mut bytes {
            carry += u16::from(*byte) * 10;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push((carry & 0xff) as u8);
        }
    }
    bytes.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut bytes {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            *byte = sum;
            carry = over;
        }
    }
    Some(from_two_complement(&bytes))
}
