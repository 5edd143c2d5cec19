//! Numbers (ZCONFIG section 9), of the digits 0 to 9 and at most 64 bits.

use std::num::IntErrorKind;

use super::text::strip;
use super::value_error::ValueError;

/// Reads a whole number: decimal digits with an optional sign.
///
/// # Errors
/// It is none, or not in the range of 64 bits.
pub fn integer(text: &str) -> Result<i64, ValueError> {
    parse(text, strip(text), 10, "is not a whole number", "decimal digits are, such as 10")
}

/// Reads a whole number in base 8, with an optional prefix `0o`.
///
/// # Errors
/// As [`integer`].
pub fn octal(text: &str) -> Result<i64, ValueError> {
    let stripped = strip(text);
    let digits = stripped.strip_prefix("0o").filter(|digits| !digits.starts_with(['+', '-']));
    let hint = "digits 0 to 7 are, such as 022";
    parse(text, digits.unwrap_or(stripped), 8, "is not an octal number", hint)
}

fn parse(text: &str, digits: &str, radix: u32, what: &str, hint: &str) -> Result<i64, ValueError> {
    i64::from_str_radix(digits, radix).map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow => ValueError::text(text, "is too large", ""),
        IntErrorKind::NegOverflow => ValueError::text(text, "is too small", ""),
        _ => ValueError::text(text, what, hint),
    })
}

/// Reads a number: digits with an optional point and exponent, or `inf`, `infinity`, `nan`.
pub(super) fn float(text: &str) -> Result<f64, ValueError> {
    let hint = "decimal digits with a point are, such as 1.5";
    strip(text).parse().map_err(|_| ValueError::text(text, "is not a number", hint))
}

/// Reads a size in bytes: a whole number, with an optional unit `kb`, `mb` or `gb`.
pub(super) fn byte_size(text: &str) -> Result<i64, ValueError> {
    let hint = "a size is digits with kb, mb or gb or nothing behind";
    scaled(text, &[("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)], "is not a size", hint)
}

/// Reads a time in seconds: a whole number, with an optional unit `s`, `m`, `h` or `d`.
pub(super) fn time_interval(text: &str) -> Result<i64, ValueError> {
    let hint = "a time is digits with s, m, h or d or nothing behind";
    scaled(text, &[("s", 1), ("m", 60), ("h", 3600), ("d", 86400)], "is not a time", hint)
}

fn scaled(text: &str, units: &[(&str, i64)], what: &str, hint: &str) -> Result<i64, ValueError> {
    let lower = text.to_lowercase();
    let unit = units.iter().find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, *factor)));
    let (digits, factor) = unit.unwrap_or((&lower, 1));
    let number = parse(text, strip(digits), 10, what, hint)?;
    number.checked_mul(factor).ok_or_else(|| ValueError::text(text, "is too large", ""))
}

/// Reads a port, 0 to 65535.
pub(super) fn port_number(text: &str) -> Result<u16, ValueError> {
    u16::try_from(integer(text)?).map_err(|_| ValueError::text(text, "is not a port", "a port is 0 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<T: std::fmt::Debug>(result: Result<T, ValueError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn integers_are_decimal_digits_of_64_bits() {
        for (text, value) in [
            ("007", 7),
            (" +10 ", 10),
            ("-5", -5),
            ("-0", 0),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(integer(text), Ok(value), "{text}");
        }
        for text in ["", "1_0", "١٢", "- 1", "0x1", "1.0", "1e3", "²", "--1", "+"] {
            let expected = format!("'{text}' is not a whole number; decimal digits are, such as 10");
            assert_eq!(shown(integer(text)), expected);
        }
        assert_eq!(shown(integer("9223372036854775808")), "'9223372036854775808' is too large");
        assert_eq!(shown(integer("-9223372036854775809")), "'-9223372036854775809' is too small");
    }

    #[test]
    fn octals_may_have_a_prefix() {
        for (text, value) in [("022", 18), ("0o22", 18), (" +11", 9), ("-7", -7), ("0", 0)] {
            assert_eq!(octal(text), Ok(value), "{text}");
        }
        for text in ["9", "0o", "0x12", "", "0o-1", "1_1", "8"] {
            let expected = format!("'{text}' is not an octal number; digits 0 to 7 are, such as 022");
            assert_eq!(shown(octal(text)), expected);
        }
    }

    #[test]
    fn floats_have_a_point_and_an_exponent() {
        for (text, value) in
            [(".5", 0.5), ("5.", 5.0), (" 10e10", 10e10), ("-1", -1.0), ("1e999", f64::INFINITY)]
        {
            assert_eq!(float(text), Ok(value), "{text}");
        }
        assert!(float("NaN").is_ok_and(f64::is_nan));
        for text in ["", ".", "1_0", "0x1", "1,5", "e5"] {
            let expected = format!("'{text}' is not a number; decimal digits with a point are, such as 1.5");
            assert_eq!(shown(float(text)), expected);
        }
    }

    #[test]
    fn a_suffix_multiplies() {
        assert_eq!(byte_size("10MB"), Ok(10 << 20));
        assert_eq!(byte_size("1 kb"), Ok(1024));
        assert_eq!(time_interval("2h"), Ok(7200));
        for text in ["10K", "MB", "1.5MB"] {
            let expected =
                format!("'{text}' is not a size; a size is digits with kb, mb or gb or nothing behind");
            assert_eq!(shown(byte_size(text)), expected);
        }
        assert!(time_interval("5ms").is_err());
        assert_eq!(shown(byte_size("9223372036854775807kb")), "'9223372036854775807kb' is too large");
    }

    #[test]
    fn ports_have_bounds() {
        assert_eq!(port_number("65535"), Ok(65535));
        for text in ["65536", "-1"] {
            assert_eq!(shown(port_number(text)), format!("'{text}' is not a port; a port is 0 to 65535"));
        }
    }
}
