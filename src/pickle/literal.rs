//! The strings of protocol 0, which are written as in a Python program.

use std::borrow::Cow;

/// What the quoted string of the opcode STRING stands for; `None`: it is not one.
pub(super) fn quoted(literal: &[u8]) -> Option<Cow<'_, [u8]>> {
    let ([b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"']) = literal else { return None };
    if !inner.contains(&b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [first, after @ ..] = rest {
        rest = if *first == b'\\' { escaped(after, &mut out)? } else { after };
        if *first != b'\\' {
            out.push(*first);
        }
    }
    Some(Cow::Owned(out))
}

/// Adds what the escape after a backslash stands for; what follows it.
fn escaped<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (first, after) = rest.split_first()?;
    let plain = match first {
        b'\n' => return Some(after),
        b'\\' | b'\'' | b'"' => *first,
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'x' => {
            out.push(u8::try_from(number(after.get(..2)?, 16)?).ok()?);
            return after.get(2..);
        }
        b'0'..=b'7' => {
            let length = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            // Python takes the low eight bits of \777.
            out.push((number(&rest[..length], 8)? & 0xff) as u8);
            return rest.get(length..);
        }
        // An unknown escape stays as it is written.
        other => {
            out.push(b'\\');
            *other
        }
    };
    out.push(plain);
    Some(after)
}

/// What the text of the opcode UNICODE stands for: Latin-1 with `\uXXXX` and `\UXXXXXXXX`; `None`: not text.
pub(super) fn raw_unicode(literal: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(literal.len());
    let mut rest = literal;
    // A backslash that an odd number of others precedes begins no escape.
    let mut escapes = true;
    while let [first, after @ ..] = rest {
        let digits = match after.first() {
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        if *first == b'\\' && escapes && digits > 0 {
            out.push(char::from_u32(number(after.get(1..=digits)?, 16)?)?);
            rest = after.get(digits + 1..)?;
            continue;
        }
        escapes = *first != b'\\' || !escapes;
        out.push(char::from(*first));
        rest = after;
    }
    Some(out)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, digit| {
        sum.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)
    })
}
