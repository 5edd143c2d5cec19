//! Python's way to write a string, and a list of strings, as source text.
//!
//! The status record and some messages carry strings in this form (`'it'`, `"it's"`, `['sleep', '1000']`). A program's
//! words are bytes to the system and text to Python, which stands `\udcNN` for a byte that is not UTF-8; the peer of 2003
//! wrote such a byte as `\xNN`. Reading takes a list of string literals and nothing else: it evaluates nothing.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::repr::push_repr;

/// What an escape of a value above 127 means, and how a byte that is not UTF-8 is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// As Python 3: `\xNN` is a character, and `\udcNN` a byte that is not UTF-8.
    Characters,
    /// As Python 2: `\xNN` is a byte.
    Bytes,
}

/// `bytes` as a Python string literal.
#[must_use]
pub fn quote(bytes: &[u8], escapes: Escapes) -> String {
    let mark = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push(mark);
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_repr(&mut out, c, mark));
        for byte in chunk.invalid() {
            let prefix = if escapes == Escapes::Bytes { "\\x" } else { "\\udc" };
            // Writing to a String cannot fail.
            let _ = write!(out, "{prefix}{byte:02x}");
        }
    }
    out.push(mark);
    out
}

/// `words` as a Python list of string literals.
#[must_use]
pub fn quote_list<S: AsRef<OsStr>>(words: &[S]) -> String {
    let quoted: Vec<_> =
        words.iter().map(|word| quote(word.as_ref().as_bytes(), Escapes::Characters)).collect();
    format!("[{}]", quoted.join(", "))
}

/// The string that the literal `text` stands for; `None` if it is not exactly one string literal.
#[must_use]
pub fn parse(text: &str, escapes: Escapes) -> Option<OsString> {
    let mut reader = Reader { rest: text.trim(), escapes };
    let value = reader.string()?;
    reader.rest.is_empty().then_some(value)
}

/// The words that the literal `text` stands for; `None` if it is anything but a list of string literals.
#[must_use]
pub fn parse_list(text: &str, escapes: Escapes) -> Option<Vec<OsString>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut reader = Reader { rest: inner.trim(), escapes };
    let mut words = Vec::new();
    while !reader.rest.is_empty() {
        words.push(reader.string()?);
        reader.rest = reader.rest.trim_start();
        if reader.rest.is_empty() {
            break;
        }
        reader.rest = reader.rest.strip_prefix(',')?.trim_start();
    }
    Some(words)
}

struct Reader<'a> {
    rest: &'a str,
    escapes: Escapes,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    /// One literal, with or without the prefix of Python 2's and 3's other kinds of strings.
    fn string(&mut self) -> Option<OsString> {
        self.rest = self.rest.strip_prefix(['u', 'b']).unwrap_or(self.rest);
        let mark = self.next().filter(|c| matches!(c, '\'' | '"'))?;
        let mut bytes = Vec::new();
        loop {
            match self.next()? {
                c if c == mark => return Some(OsString::from_vec(bytes)),
                '\n' => return None,
                '\\' => self.escape(&mut bytes)?,
                c => push(&mut bytes, c),
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let c = match self.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            c @ ('\\' | '\'' | '"') => c,
            kind @ ('x' | 'u' | 'U') => {
                let value = self.hexadecimal(kind)?;
                let byte = u8::try_from(value & 0xff).ok()?;
                let is_byte = match kind {
                    'x' => self.escapes == Escapes::Bytes,
                    _ => (0xdc80..=0xdcff).contains(&value),
                };
                if is_byte {
                    bytes.push(byte);
                    return Some(());
                }
                char::from_u32(value)?
            }
            _ => return None,
        };
        push(bytes, c);
        Some(())
    }

    fn hexadecimal(&mut self, kind: char) -> Option<u32> {
        let length = match kind {
            'x' => 2,
            'u' => 4,
            _ => 8,
        };
        let (digits, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then(|| u32::from_str_radix(digits, 16).ok())?
    }
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes and what Python 3.11 prints for `repr(os.fsdecode(bytes))`.
    const PYTHON: &[(&[u8], &str)] = &[
        (b"", "''"),
        (b"foo", "'foo'"),
        (b"it's", r#""it's""#),
        (b"say \"hi\"", r#"'say "hi"'"#),
        (b"it's \"hi\"", r#"'it\'s "hi"'"#),
        (b"a\\b", r"'a\\b'"),
        (b"a\nb\rc\td", r"'a\nb\rc\td'"),
        (b"\x00\x1b\x7f", r"'\x00\x1b\x7f'"),
        ("é€😀".as_bytes(), "'é€😀'"),
        ("\u{a0}\u{85}\u{ad}".as_bytes(), r"'\xa0\x85\xad'"),
        ("\u{2028}\u{200b}".as_bytes(), r"'\u2028\u200b'"),
        ("\u{e0001}".as_bytes(), r"'\U000e0001'"),
        ("e\u{301}".as_bytes(), "'e\u{301}'"),
        ("\u{301}".as_bytes(), "'\u{301}'"),
        (b"\xff\x80a", r"'\udcff\udc80a'"),
        (b"\xe2\x82", r"'\udce2\udc82'"),
    ];

    #[test]
    fn strings_are_written_as_python_writes_them() {
        for (bytes, literal) in PYTHON {
            assert_eq!(quote(bytes, Escapes::Characters), *literal);
        }
    }

    #[test]
    fn what_python_wrote_is_read() {
        for (bytes, literal) in PYTHON {
            let read = parse(literal, Escapes::Characters).expect(literal);
            assert_eq!(read.as_bytes(), *bytes, "{literal}");
        }
    }

    #[test]
    fn bytes_of_2003_are_hexadecimal_both_ways() {
        assert_eq!(quote(b"a\xff", Escapes::Bytes), r"'a\xff'");
        assert_eq!(parse(r"'a\xff'", Escapes::Bytes).expect("read").as_bytes(), b"a\xff");
    }

    #[test]
    fn lists_are_written_as_python_writes_them() {
        assert_eq!(quote_list::<&str>(&[]), "[]");
        assert_eq!(quote_list(&["sleep", "1000"]), "['sleep', '1000']");
        assert_eq!(quote_list(&["sh", "-c", "it's"]), r#"['sh', '-c', "it's"]"#);
    }

    #[test]
    fn lists_of_every_generation_are_read() {
        for (text, words) in [
            ("[]", &[] as &[&str]),
            ("['sleep', '1000']", &["sleep", "1000"]),
            (" [ 'a' ,'b', ] ", &["a", "b"]),
            (r#"[u'a', b'b', "c'd"]"#, &["a", "b", "c'd"]),
            (r"['a, b', '[x]']", &["a, b", "[x]"]),
        ] {
            assert_eq!(parse_list(text, Escapes::Characters).expect(text), *words);
        }
    }

    #[test]
    fn anything_but_a_list_of_strings_is_not_read() {
        for text in [
            "",
            "[",
            "]",
            "['a'",
            "'a']",
            "['a' 'b']",
            "[1]",
            "[,]",
            "['a',,]",
            "['a\nb']",
            "None",
            "('a',)",
            "[__import__('os').system('id')]",
            "['a'] + ['b']",
            r"['\x4']",
            r"['\x+4']",
            r"['\q']",
            r"['\ud800']",
            r"['\U99999999']",
            r"['\']",
            "['\\xé']",
        ] {
            assert_eq!(parse_list(text, Escapes::Characters), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_word_survives(words: Vec<Vec<u8>>) {
            let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
            let text = quote_list(&words);
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(parse_list(&text, Escapes::Characters), Some(words));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = parse_list(&text, Escapes::Characters);
            let _ = parse_list(&format!("['{text}']"), Escapes::Bytes);
        }
    }
}
