//! Numbers as the language writes them: those of Python.

use super::datatype::Wrong;
use super::digits::digit;
use super::repr::{repr, repr_cut};
use super::text::strip;
use super::value::Value;

/// More digits than these are refused, as CPython does; reading them would take quadratic time.
const MOST_DIGITS: usize = 4300;

/// Reads a whole number: a sign perhaps, then decimal digits, with single underscores between them perhaps.
pub fn integer(text: &str) -> Result<Value, Wrong> {
    scaled(text, 1)
}

/// Reads a whole number in base 8, with `0o` in front perhaps.
pub fn octal(text: &str) -> Result<Value, Wrong> {
    let wrong = || {
        Wrong::text(
            text,
            format!("invalid literal for int() with base 8: {}", repr_cut(text, 200)),
            "is not an octal number",
            "digits 0 to 7 are, such as 022",
        )
    };
    let (negative, body) = sign(strip(text));
    let body = match body.strip_prefix("0o").or_else(|| body.strip_prefix("0O")) {
        Some(rest) => rest.strip_prefix('_').unwrap_or(rest),
        None => body,
    };
    let digits = digits_of(body, 8).ok_or_else(wrong)?;
    if digits.len() > MOST_DIGITS {
        return Err(wrong());
    }
    Ok(number(negative, &from_base_8(&digits)))
}

/// Reads a number: digits with a point and an exponent perhaps, or `inf`, `infinity`, `nan`.
pub(super) fn float(text: &str) -> Result<Value, Wrong> {
    let wrong = || {
        Wrong::text(
            text,
            format!("could not convert string to float: {}", repr(text)),
            "is not a number",
            "decimal digits with a point are, such as 1.5",
        )
    };
    let mut plain = String::new();
    let mut last = ' ';
    for c in strip(text).chars() {
        let next = digit(c).map_or(c, |value| char::from(b'0' + value));
        // An underscore stands between two digits.
        if next == '_' && !last.is_ascii_digit() || last == '_' && !next.is_ascii_digit() {
            return Err(wrong());
        }
        if next != '_' {
            plain.push(next);
        }
        last = next;
    }
    if last == '_' {
        return Err(wrong());
    }
    plain.parse().map(Value::Float).map_err(|_| wrong())
}

/// Reads a size: a whole number, of `kb`, `mb` or `gb` perhaps.
pub(super) fn byte_size(text: &str) -> Result<Value, Wrong> {
    let text = text.to_lowercase();
    for (suffix, factor) in [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)] {
        if let Some(rest) = text.strip_suffix(suffix) {
            return scaled(rest, factor)
                .map_err(|wrong| wrong.with_hint("a size is digits with kb, mb or gb or nothing behind"));
        }
    }
    scaled(&text, 1).map_err(|wrong| wrong.with_hint("a size is digits with kb, mb or gb or nothing behind"))
}

/// Reads a time in seconds: a whole number, of `s`, `m`, `h` or `d` perhaps.
pub(super) fn time_interval(text: &str) -> Result<Value, Wrong> {
    let text = text.to_lowercase();
    for (suffix, factor) in [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)] {
        if let Some(rest) = text.strip_suffix(suffix) {
            return scaled(rest, factor)
                .map_err(|wrong| wrong.with_hint("a time is digits with s, m, h or d or nothing behind"));
        }
    }
    scaled(&text, 1).map_err(|wrong| wrong.with_hint("a time is digits with s, m, h or d or nothing behind"))
}

/// Reads a port, 0 to 65535.
pub(super) fn port_number(text: &str) -> Result<Value, Wrong> {
    let value = integer(text)?;
    let hint = "a port is 0 to 65535";
    match &value {
        Value::Integer(0..=65535) => Ok(value),
        Value::Integer(number @ ..0) => {
            Err(Wrong::text(text, format!("{number} is below lower bound (0)"), "is not a port", hint))
        }
        Value::Huge(digits) if digits.starts_with('-') => {
            Err(Wrong::text(text, format!("{digits} is below lower bound (0)"), "is not a port", hint))
        }
        Value::Integer(number) => {
            Err(Wrong::text(text, format!("{number} is above upper bound (65535)"), "is not a port", hint))
        }
        Value::Huge(digits) => {
            Err(Wrong::text(text, format!("{digits} is above upper bound (65535)"), "is not a port", hint))
        }
        _ => Ok(value),
    }
}

fn scaled(text: &str, factor: u32) -> Result<Value, Wrong> {
    let (negative, body) = sign(strip(text));
    let Some(digits) = digits_of(body, 10) else {
        return Err(Wrong::text(
            text,
            format!("invalid literal for int() with base 10: {}", repr_cut(text, 200)),
            "is not a whole number",
            "decimal digits are, such as 10",
        ));
    };
    if digits.len() > MOST_DIGITS {
        let message = format!(
            "Exceeds the limit ({MOST_DIGITS} digits) for integer string conversion: value has {} digits; use \
             sys.set_int_max_str_digits() to increase the limit",
            digits.len()
        );
        return Err(Wrong::new(
            message,
            format!("a number of {} digits is too long", digits.len()),
            format!("at most {MOST_DIGITS} digits are read"),
        ));
    }
    Ok(number(negative, &times(&digits, factor)))
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// The digits below `base`, most significant first; `None` when that is not what the text holds.
fn digits_of(text: &str, base: u8) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(text.len());
    let mut after_digit = false;
    for c in text.chars() {
        if c == '_' && after_digit {
            after_digit = false;
        } else {
            digits.push(digit(c).filter(|value| *value < base)?);
            after_digit = true;
        }
    }
    after_digit.then_some(digits)
}

/// Decimal digits times a factor.
fn times(digits: &[u8], factor: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(digits.len() + 10);
    let mut carry = 0_u64;
    for digit in digits.iter().rev() {
        let sum = u64::from(*digit) * u64::from(factor) + carry;
        out.push(last_digit(sum));
        carry = sum / 10;
    }
    while carry > 0 {
        out.push(last_digit(carry));
        carry /= 10;
    }
    out.reverse();
    out
}

fn last_digit(number: u64) -> u8 {
    u8::try_from(number % 10).unwrap_or_default()
}

/// The decimal digits of octal ones.
fn from_base_8(octal: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for digit in octal {
        // Least significant first, so that growth is at the end.
        let mut carry = *digit;
        for place in &mut out {
            let sum = *place * 8 + carry;
            *place = sum % 10;
            carry = sum / 10;
        }
        if carry > 0 {
            out.push(carry);
        }
    }
    out.reverse();
    out
}

fn number(negative: bool, digits: &[u8]) -> Value {
    let mut text = String::from(if negative { "-" } else { "" });
    text.extend(digits.iter().skip_while(|digit| **digit == 0).map(|digit| char::from(b'0' + digit)));
    if text.len() == usize::from(negative) {
        return Value::Integer(0);
    }
    text.parse().map_or(Value::Huge(text), Value::Integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<Value, Wrong>) -> String {
        result.unwrap_err().message().to_owned()
    }

    #[test]
    fn integers_are_those_of_python() {
        for (text, value) in [("007", 7), (" +1_0 ", 10), ("-5", -5), ("١٢", 12), ("1٢", 12), ("-0", 0)] {
            assert_eq!(integer(text), Ok(Value::Integer(value)), "{text}");
        }
        for text in ["", "1__0", "_1", "1_", "- 1", "0x1", "1.0", "1e3", "²", "--1", "+"] {
            assert_eq!(message(integer(text)), format!("invalid literal for int() with base 10: '{text}'"));
        }
    }

    #[test]
    fn big_integers_keep_every_digit() {
        assert_eq!(integer("9223372036854775807"), Ok(Value::Integer(i64::MAX)));
        assert_eq!(integer("-9223372036854775808"), Ok(Value::Integer(i64::MIN)));
        assert_eq!(integer("-009223372036854775809"), Ok(Value::Huge("-9223372036854775809".into())));
        assert_eq!(octal("-2000000000000000000000"), Ok(Value::Huge("-18446744073709551616".into())));
        assert_eq!(byte_size("9223372036854775807kb"), Ok(Value::Huge("9444732965739290426368".into())));
        assert!(integer(&"1".repeat(4300)).is_ok());
        assert!(
            message(integer(&"1".repeat(4301)))
                .ends_with("value has 4301 digits; use sys.set_int_max_str_digits() to increase the limit")
        );
    }

    #[test]
    fn octals_may_have_the_prefix_of_python() {
        for (text, value) in [("022", 18), ("0o22", 18), ("0O_7", 7), ("+1_1", 9), ("-7", -7), ("0", 0)] {
            assert_eq!(octal(text), Ok(Value::Integer(value)), "{text}");
        }
        for text in ["9", "0o", "0x12", "", "0o__1", "8"] {
            assert_eq!(message(octal(text)), format!("invalid literal for int() with base 8: '{text}'"));
        }
    }

    #[test]
    fn floats_are_those_of_python() {
        for (text, value) in
            [(".5", 0.5), ("5.", 5.0), ("1_0e1_0", 10e10), ("-١", -1.0), ("1e999", f64::INFINITY)]
        {
            assert_eq!(float(text), Ok(Value::Float(value)), "{text}");
        }
        assert!(matches!(float("NaN"), Ok(Value::Float(value)) if value.is_nan()));
        for text in ["", ".", "1_", "1_.5", "0x1", "1,5", "e5"] {
            assert_eq!(message(float(text)), format!("could not convert string to float: '{text}'"));
        }
    }

    #[test]
    fn a_suffix_multiplies() {
        assert_eq!(byte_size("10MB"), Ok(Value::Integer(10 << 20)));
        assert_eq!(byte_size("1 kb"), Ok(Value::Integer(1024)));
        assert_eq!(time_interval("2h"), Ok(Value::Integer(7200)));
        assert_eq!(message(byte_size("10K")), "invalid literal for int() with base 10: '10k'");
        assert_eq!(message(byte_size("MB")), "invalid literal for int() with base 10: ''");
        assert_eq!(message(time_interval("5ms")), "invalid literal for int() with base 10: '5m'");
    }

    #[test]
    fn ports_have_bounds() {
        assert_eq!(port_number("65535"), Ok(Value::Integer(65535)));
        assert_eq!(message(port_number("65536")), "65536 is above upper bound (65535)");
        assert_eq!(message(port_number("-1")), "-1 is below lower bound (0)");
    }
}
