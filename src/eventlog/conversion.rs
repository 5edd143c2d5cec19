//! How a field is written: the flags, width, precision and letter of a `%` conversion, with Python's meaning.

use std::borrow::Cow;

use super::error::FormatError;
use super::record::{Kind, Value};
use crate::repr::{ascii, repr};

/// Limit of widths and precisions in characters, so that no format asks for huge lines.
pub(super) const MAX_WIDTH: usize = 9999;

/// A conversion such as `-8s` or `.3f`. The default is `s`.
#[derive(Debug, Clone)]
pub(super) struct Conversion {
    /// `-`: padding goes after the text.
    left: bool,
    /// `0`: numbers are padded with zeros.
    zero: bool,
    /// `#`: with a prefix for the base, or always with a point.
    alternate: bool,
    /// `+` or a blank: written before a number that is not negative.
    sign: Option<char>,
    /// At least so many characters.
    pub(super) width: usize,
    /// Of a text: at most so many characters; of an integer: at least so many digits; of a float: as in C.
    pub(super) precision: Option<usize>,
    pub(super) letter: char,
}

impl Default for Conversion {
    fn default() -> Self {
        Self {
            left: false,
            zero: false,
            alternate: false,
            sign: None,
            width: 0,
            precision: None,
            letter: 's',
        }
    }
}

impl Conversion {
    /// Sets one of the flags `-+ #0`.
    pub(super) fn set_flag(&mut self, flag: char) {
        match flag {
            '-' => self.left = true,
            '0' => self.zero = true,
            '#' => self.alternate = true,
            // The plus wins over the blank.
            _ => self.sign = if self.sign == Some('+') { self.sign } else { Some(flag) },
        }
    }

    /// Whether it can be applied to a field of this kind.
    ///
    /// # Errors
    /// The conversion is unknown, or it is for numbers and the field is not one.
    pub(super) fn check(&self, kind: Kind) -> Result<(), FormatError> {
        let fits = match self.letter {
            's' | 'r' | 'a' => true,
            'd' | 'i' | 'u' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                matches!(kind, Kind::Integer | Kind::Float)
            }
            'o' | 'x' | 'X' | 'c' => kind == Kind::Integer,
            other => return Err(FormatError::UnknownConversion(other)),
        };
        if fits { Ok(()) } else { Err(FormatError::NotANumber(self.letter)) }
    }

    /// Appends a value.
    pub(super) fn push(&self, value: &Value<'_>, out: &mut String) {
        match (self.letter, value) {
            ('s' | 'r' | 'a', _) => self.push_text(&self.text(value), out),
            ('c', Value::Integer(number)) => {
                let character = u32::try_from(*number).ok().and_then(char::from_u32);
                let mut buffer = [0; 4];
                let text = character.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut buffer);
                self.pad(text, out);
            }
            (_, Value::Integer(number)) => {
                #[expect(clippy::cast_precision_loss, reason = "Python converts in the same way")]
                self.push_number(*number as f64, *number, out);
            }
            (_, Value::Float(number)) => {
                #[expect(clippy::cast_possible_truncation, reason = "saturates")]
                self.push_number(*number, number.trunc() as i64, out);
            }
            // `check` refuses a number's conversion for these.
            (_, Value::Text(text)) => self.push_text(text, out),
            (_, Value::Constant(text)) => self.push_text(text, out),
        }
    }

    /// A value as Python's `str`, `repr` or `ascii` show it.
    fn text<'v>(&self, value: &'v Value<'_>) -> Cow<'v, str> {
        match value {
            Value::Text(text) if self.letter == 's' => Cow::Borrowed(text),
            Value::Text(text) if self.letter == 'a' => Cow::Owned(ascii(text)),
            Value::Text(text) => Cow::Owned(repr(text)),
            Value::Constant(text) => Cow::Borrowed(text),
            Value::Integer(number) => Cow::Owned(number.to_string()),
            Value::Float(number) => {
                let sign = if number.is_sign_negative() { "-" } else { "" };
                Cow::Owned(format!("{sign}{}", shortest(number.abs())))
            }
        }
    }

    fn push_text(&self, text: &str, out: &mut String) {
        let end = self.precision.and_then(|limit| text.char_indices().nth(limit));
        self.pad(end.map_or(text, |(index, _)| &text[..index]), out);
    }

    fn push_number(&self, float: f64, integer: i64, out: &mut String) {
        let (size, count) = (float.abs(), integer.unsigned_abs());
        let (least, decimals) = (self.precision.unwrap_or(0), self.precision.unwrap_or(6));
        let (prefix, digits) = match self.letter {
            'o' => ("0o", format!("{count:0least$o}")),
            'x' => ("0x", format!("{count:0least$x}")),
            'X' => ("0X", format!("{count:0least$X}")),
            'f' | 'F' => ("", fixed(size, decimals, self.alternate)),
            'e' | 'E' => ("", scientific(size, decimals, self.alternate, self.letter)),
            'g' => ("", general(size, decimals, self.alternate, 'e')),
            'G' => ("", general(size, decimals, self.alternate, 'E')),
            _ => ("", format!("{count:0least$}")),
        };
        let whole = matches!(self.letter, 'd' | 'i' | 'u' | 'o' | 'x' | 'X');
        let negative = if whole { integer < 0 } else { float.is_sign_negative() };
        let mut number = String::new();
        number.extend(if negative { Some('-') } else { self.sign });
        if self.alternate {
            number.push_str(prefix);
        }
        if self.zero && !self.left {
            let missing = self.width.saturating_sub(number.len() + digits.len());
            number.extend(std::iter::repeat_n('0', missing));
        }
        number.push_str(&digits);
        self.pad(&number, out);
    }

    /// Appends a text, padded with blanks to the width.
    fn pad(&self, text: &str, out: &mut String) {
        let missing = self.width.saturating_sub(text.chars().count());
        let (before, behind) = if self.left { (0, missing) } else { (missing, 0) };
        out.extend(std::iter::repeat_n(' ', before));
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', behind));
    }
}

/// `repr` of a float that is not negative: the shortest digits that name it, `1.0`, `1e+16`, `1e-05`.
fn shortest(number: f64) -> String {
    let (digits, exponent) = mantissa_and_exponent(&format!("{number:e}"));
    if !(-4..16).contains(&exponent) {
        return with_exponent(&digits, exponent, 'e');
    }
    let plain = number.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// `%f` of a number that is not negative, as in the two below.
fn fixed(number: f64, decimals: usize, alternate: bool) -> String {
    let digits = format!("{number:.decimals$}");
    if alternate { with_point(digits) } else { digits }
}

/// `%e`, with `letter` for the exponent.
fn scientific(number: f64, decimals: usize, alternate: bool, letter: char) -> String {
    let (digits, exponent) = mantissa_and_exponent(&format!("{number:.decimals$e}"));
    with_exponent(&if alternate { with_point(digits) } else { digits }, exponent, letter)
}

/// `%g`, with `letter` for the exponent.
fn general(number: f64, precision: usize, alternate: bool, letter: char) -> String {
    let decimals = precision.max(1) - 1;
    let (digits, exponent) = mantissa_and_exponent(&format!("{number:.decimals$e}"));
    let shaped = |digits| if alternate { with_point(digits) } else { without_zeros(digits) };
    let last = i64::try_from(decimals).unwrap_or(i64::MAX);
    match usize::try_from(last - exponent) {
        Ok(decimals) if exponent >= -4 => shaped(format!("{number:.decimals$}")),
        _ => with_exponent(&shaped(digits), exponent, letter),
    }
}

/// The two parts of Rust's `1.5e-7`.
fn mantissa_and_exponent(text: &str) -> (String, i64) {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (digits.to_owned(), exponent.parse().unwrap_or(0))
}

/// At least two digits of exponent, always signed.
fn with_exponent(digits: &str, exponent: i64, letter: char) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}{letter}{sign}{:02}", exponent.unsigned_abs())
}

fn with_point(digits: String) -> String {
    if digits.contains('.') { digits } else { digits + "." }
}

fn without_zeros(digits: String) -> String {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').to_owned() } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair was written by Python 3.11.
    #[test]
    fn floats_are_written_as_python_writes_them() {
        let repr = [(1.0, "1.0"), (1e15, "1000000000000000.0"), (1e16, "1e+16"), (0.0001, "0.0001")];
        for (number, text) in repr.into_iter().chain([(0.00001, "1e-05"), (123.456, "123.456"), (0.0, "0.0")])
        {
            assert_eq!(shortest(number), text);
        }
        assert_eq!(scientific(1234.5, 2, false, 'e'), "1.23e+03");
        assert_eq!(scientific(5.0, 0, true, 'E'), "5.E+00");
        assert_eq!(fixed(2.5, 0, false), "2");
        assert_eq!(fixed(2.5, 0, true), "2.");
        assert_eq!(general(1e-5, 6, false, 'e'), "1e-05");
        assert_eq!(general(123_456_789.0, 6, false, 'e'), "1.23457e+08");
        assert_eq!(general(100.0, 6, false, 'e'), "100");
        assert_eq!(general(1.0, 3, true, 'e'), "1.00");
        assert_eq!(general(1.0, 1, true, 'e'), "1.");
        assert_eq!(general(999_999.5, 6, false, 'e'), "1e+06");
    }
}
