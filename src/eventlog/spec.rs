//! How one field is written: width, fill, sign, digits. Both of Python's languages for this (`%5.2f` and `{:5.2f}`)
//! become a [`Spec`].

use std::borrow::Cow;

use super::number;
use super::record::Value;

/// Wider fields are refused when a format is compiled: each record would carry that many blanks.
pub(super) const WIDEST: usize = 9999;

/// How a field is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) form: Form,
    pub(super) align: Align,
    pub(super) fill: char,
    /// At least so many characters, at most [`WIDEST`].
    pub(super) width: usize,
    /// Of a text: at most so many characters; of an integer: at least so many digits; of a float: its meaning in C.
    /// At most [`WIDEST`].
    pub(super) precision: Option<usize>,
    pub(super) sign: Sign,
    /// C's `#`.
    pub(super) alternate: bool,
    /// The separator between groups of digits, and their size.
    pub(super) grouping: Option<(char, usize)>,
}

/// Where the fill goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// After the text.
    Left,
    /// Before it.
    Right,
    /// On both sides, the odd one after.
    Centre,
    /// Between sign and digits.
    AfterSign,
}

/// What stands before a number that is not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Nothing,
    Plus,
    Blank,
}

/// What a field is turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text(Conversion),
    /// The character of a number.
    Character,
    Integer(Radix),
    /// `e` with its letter.
    Exponent(char),
    Fixed,
    /// `g` with the letter of its exponent; the flag is Python's form for a precision without a letter.
    General(char, bool),
    /// `repr` of a float.
    Shortest,
    Percentage,
}

/// How a text is made of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conversion {
    Str,
    Repr,
    /// `repr` with all but ASCII escaped.
    Ascii,
}

/// The base of an integer's digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Radix {
    Binary,
    Octal,
    Decimal,
    Hexadecimal { upper: bool },
}

impl Spec {
    /// Appends a value.
    pub(super) fn push(&self, value: &Value<'_>, out: &mut String) {
        match (self.form, value) {
            (_, Value::Absent) => self.pad("", "", ' ', out),
            (Form::Text(conversion), _) => self.push_text(&conversion.text(value), out),
            (form, Value::Float(float)) => self.push_number(form, *float, float_to_integer(*float), out),
            (form, Value::Integer(integer)) => {
                #[allow(clippy::cast_precision_loss)] // Python converts in the same way
                self.push_number(form, *integer as f64, *integer, out);
            }
            // Compiling refuses a number's form for a text.
            (_, Value::Text(text)) => self.push_text(text, out),
        }
    }

    fn push_text(&self, text: &str, out: &mut String) {
        let end = self.precision.and_then(|most| text.char_indices().nth(most));
        let text = end.map_or(text, |(index, _)| &text[..index]);
        self.pad("", text, self.fill, out);
    }

    fn push_number(&self, form: Form, float: f64, integer: i64, out: &mut String) {
        let magnitude = float.abs();
        let decimals = self.precision.unwrap_or(6);
        let digits = match form {
            Form::Character => {
                let character = u32::try_from(integer).ok().and_then(char::from_u32);
                let mut buffer = [0; 4];
                let text = character.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut buffer);
                return self.pad("", text, self.fill, out);
            }
            Form::Integer(radix) => radix.digits(integer, self.precision.unwrap_or(0)),
            Form::Exponent(letter) => number::exponent(magnitude, decimals, self.alternate, letter),
            Form::Fixed => number::fixed(magnitude, decimals, self.alternate),
            Form::General(letter, dot_zero) => {
                number::general(magnitude, decimals, self.alternate, dot_zero, letter)
            }
            Form::Percentage => number::fixed(magnitude * 100.0, decimals, self.alternate) + "%",
            Form::Shortest | Form::Text(_) => number::shortest(magnitude),
        };
        let negative = if let Form::Integer(_) = form { integer < 0 } else { float.is_sign_negative() };
        let mut before = String::new();
        match (negative, self.sign) {
            (true, _) => before.push('-'),
            (false, Sign::Plus) => before.push('+'),
            (false, Sign::Blank) => before.push(' '),
            (false, Sign::Nothing) => {}
        }
        if let (Form::Integer(radix), true) = (form, self.alternate) {
            before.push_str(radix.prefix());
        }
        let digits = match self.grouping {
            Some((separator, size)) => self.grouped(&digits, separator, size, before.len()),
            None => digits,
        };
        self.pad(&before, &digits, self.fill, out);
    }

    /// Puts separators into the whole part of `digits`. Zeros that fill the width take part, as Python has it.
    fn grouped(&self, digits: &str, separator: char, size: usize, before: usize) -> String {
        let whole = match self.form {
            Form::Integer(_) => digits.len(),
            _ => digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()),
        };
        let (whole, rest) = digits.split_at(whole);
        let mut count = whole.len();
        if self.fill == '0' && self.align == Align::AfterSign {
            let width = |count: usize| count + count.saturating_sub(1) / size;
            while width(count) + before + rest.len() < self.width {
                count += 1;
            }
        }
        let mut grouped = String::new();
        let zeros = std::iter::repeat_n('0', count - whole.len());
        for (index, digit) in zeros.chain(whole.chars()).enumerate() {
            if index > 0 && (count - index).is_multiple_of(size) {
                grouped.push(separator);
            }
            grouped.push(digit);
        }
        grouped + rest
    }

    /// Appends `before` and `text` with the fill where it belongs.
    fn pad(&self, before: &str, text: &str, fill: char, out: &mut String) {
        let missing = self.width.saturating_sub(before.len() + text.chars().count());
        let (left, inner, right) = match self.align {
            Align::Left => (0, 0, missing),
            Align::Right => (missing, 0, 0),
            Align::Centre => (missing / 2, 0, missing - missing / 2),
            Align::AfterSign => (0, missing, 0),
        };
        out.extend(std::iter::repeat_n(fill, left));
        out.push_str(before);
        out.extend(std::iter::repeat_n(fill, inner));
        out.push_str(text);
        out.extend(std::iter::repeat_n(fill, right));
    }
}

/// Without the fraction, as `int()` makes it; a number out of range becomes the nearest in range.
fn float_to_integer(float: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // saturates
    let integer = float.trunc() as i64;
    integer
}

impl Radix {
    fn digits(self, integer: i64, least: usize) -> String {
        let magnitude = integer.unsigned_abs();
        match self {
            Self::Binary => format!("{magnitude:0least$b}"),
            Self::Octal => format!("{magnitude:0least$o}"),
            Self::Decimal => format!("{magnitude:0least$}"),
            Self::Hexadecimal { upper: false } => format!("{magnitude:0least$x}"),
            Self::Hexadecimal { upper: true } => format!("{magnitude:0least$X}"),
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Binary => "0b",
            Self::Octal => "0o",
            Self::Decimal => "",
            Self::Hexadecimal { upper: false } => "0x",
            Self::Hexadecimal { upper: true } => "0X",
        }
    }
}

impl Conversion {
    /// A value as `str`, `repr` or `ascii` show it.
    pub(super) fn text<'v>(self, value: &'v Value<'_>) -> Cow<'v, str> {
        match (value, self) {
            (Value::Text(text), Self::Str) => Cow::Borrowed(text),
            (Value::Text(text), _) => Cow::Owned(quoted(text, self == Self::Ascii)),
            (Value::Integer(integer), _) => Cow::Owned(integer.to_string()),
            (Value::Float(float), _) => {
                let sign = if float.is_sign_negative() { "-" } else { "" };
                Cow::Owned(format!("{sign}{}", number::shortest(float.abs())))
            }
            (Value::Absent, _) => Cow::Borrowed(""),
        }
    }
}

/// A text as Python's `repr` shows it (`spec/ZCONFIG.md` section 12).
fn quoted(text: &str, only_ascii: bool) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => out.extend(['\\', quote]),
            _ if printable(character) && (character.is_ascii() || !only_ascii) => out.push(character),
            _ => push_escape(character, &mut out),
        }
    }
    out.push(quote);
    out
}

/// Appends `\xNN`, `\uNNNN` or `\UNNNNNNNN`, Python's escapes.
pub(super) fn push_escape(character: char, out: &mut String) {
    use std::fmt::Write;
    let number = u32::from(character);
    let _ = match number {
        0..=0xff => write!(out, "\\x{number:02x}"),
        0x100..=0xffff => write!(out, "\\u{number:04x}"),
        _ => write!(out, "\\U{number:08x}"),
    };
}

/// Python's rule, which is that of Rust's `Debug` for a string: not a control, format, private or unassigned character
/// and no separator but the blank. (Asked within a string, since a leading combining mark is escaped by Rust.)
fn printable(character: char) -> bool {
    if matches!(character, '\'' | '"' | '\\') {
        return true;
    }
    let mut buffer = [b'x', 0, 0, 0, 0];
    let length = 1 + character.encode_utf8(&mut buffer[1..]).len();
    let text = std::str::from_utf8(&buffer[..length]).unwrap_or("x");
    text.escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `form` and nothing else.
    fn plain(form: Form) -> Spec {
        let (fill, align, width, precision, sign) = (' ', Align::Right, 0, None, Sign::Nothing);
        Spec { form, align, fill, width, precision, sign, alternate: false, grouping: None }
    }

    fn written(spec: &Spec, value: &Value<'_>) -> String {
        let mut out = String::new();
        spec.push(value, &mut out);
        out
    }

    /// Written by Python 3.11: `format(n, '0W,')` for n = 42.
    #[test]
    fn zeros_that_fill_are_grouped() {
        let grouped = |width| {
            let decimal = plain(Form::Integer(Radix::Decimal));
            let spec =
                Spec { width, fill: '0', align: Align::AfterSign, grouping: Some((',', 3)), ..decimal };
            written(&spec, &Value::Integer(42))
        };
        assert_eq!(grouped(8), "0,000,042");
        assert_eq!(grouped(9), "0,000,042");
        assert_eq!(grouped(10), "00,000,042");
        assert_eq!(grouped(2), "42");
    }

    #[test]
    fn repr_quotes_as_python_does() {
        assert_eq!(quoted("it's", false), "\"it's\"");
        assert_eq!(quoted("'\"", false), "'\\'\"'");
        assert_eq!(quoted("é\u{a0}\u{301}\u{200b}😀\x07", false), "'é\\xa0\u{301}\\u200b😀\\x07'");
        assert_eq!(quoted("é😀", true), "'\\xe9\\U0001f600'");
    }

    #[test]
    fn absent_field_is_blank() {
        let spec = Spec { width: 3, fill: '0', ..plain(Form::Integer(Radix::Decimal)) };
        assert_eq!(written(&spec, &Value::Absent), "   ");
    }
}
