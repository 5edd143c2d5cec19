//! A command line in one string, as the words that it stands for.
//!
//! Without quotes and backslashes the words are what white space separates, as the peers have it. With them they are what
//! a POSIX shell would make of the string, but for expansions: `$`, `*` and the like mean themselves.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use thiserror::Error;

/// Why a string is no command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WordsError {
    /// This quote opens and does not close.
    #[error("no closing {0}")]
    Unclosed(char),
    /// There is nothing after the last backslash.
    #[error("nothing after the last backslash")]
    TrailingBackslash,
}

/// The words of `text`.
pub fn split_words(text: &OsStr) -> Result<Vec<OsString>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = text.as_bytes().iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => words.extend(word.take().map(OsString::from_vec)),
            b'\'' => quoted(word.get_or_insert_default(), &mut bytes)?,
            b'"' => double_quoted(word.get_or_insert_default(), &mut bytes)?,
            b'\\' => match bytes.next().ok_or(WordsError::TrailingBackslash)? {
                // A line continued on the next.
                b'\n' => {}
                escaped => word.get_or_insert_default().push(escaped),
            },
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word.map(OsString::from_vec));
    Ok(words)
}

fn quoted(word: &mut Vec<u8>, bytes: &mut impl Iterator<Item = u8>) -> Result<(), WordsError> {
    loop {
        match bytes.next().ok_or(WordsError::Unclosed('\''))? {
            b'\'' => return Ok(()),
            byte => word.push(byte),
        }
    }
}

/// Within double quotes a backslash is one, unless what follows has a meaning there (POSIX.1-2017, XCU 2.2.3).
fn double_quoted(word: &mut Vec<u8>, bytes: &mut impl Iterator<Item = u8>) -> Result<(), WordsError> {
    loop {
        match bytes.next().ok_or(WordsError::Unclosed('"'))? {
            b'"' => return Ok(()),
            b'\\' => match bytes.next().ok_or(WordsError::Unclosed('"'))? {
                b'\n' => {}
                byte @ (b'$' | b'`' | b'"' | b'\\') => word.push(byte),
                byte => word.extend([b'\\', byte]),
            },
            byte => word.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        for (text, words) in [
            ("", &[] as &[&str]),
            (" \t\n ", &[]),
            ("runzeo.py -a 9999  -f\tData.fs ", &["runzeo.py", "-a", "9999", "-f", "Data.fs"]),
            ("a 'b c' d", &["a", "b c", "d"]),
            (r#""b c"d e"#, &["b cd", "e"]),
            (r"b\ c \\ \'", &["b c", r"\", "'"]),
            (r#"'' "" a"#, &["", "", "a"]),
            (r"'a\b'", &[r"a\b"]),
            (r#""a\b\"\$\\""#, &[r#"a\b"$\"#]),
            ("a\\\nb \"c\\\nd\"", &["ab", "cd"]),
            ("$HOME *.fs #x ~ a;b", &["$HOME", "*.fs", "#x", "~", "a;b"]),
        ] {
            assert_eq!(split_words(OsStr::new(text)).expect(text), *words, "{text}");
        }
        let bytes = OsStr::from_bytes(b"a \xff");
        assert_eq!(split_words(bytes).expect("words"), [OsStr::new("a"), OsStr::from_bytes(b"\xff")]);
    }

    #[test]
    fn half_a_quote_is_an_error() {
        for (text, error) in [
            ("a 'b", "no closing '"),
            ("a \"b", "no closing \""),
            ("\"b\\", "no closing \""),
            ("a\\", "nothing after the last backslash"),
        ] {
            assert_eq!(split_words(OsStr::new(text)).expect_err(text).to_string(), error);
        }
    }
}
