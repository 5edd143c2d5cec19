//! Text encodings of log files.

use crate::repr::push_escape;

/// An encoding that is written natively. A character that it does not have is written as Python's escape for it
/// (`\xe9`, `\u20ac`, `\U0001f600`), so that a record is never lost for one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Ascii,
    Latin1,
}

impl Encoding {
    /// By the names that people write, in any case and with `_` for `-`; a blank one is the default.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "" | "utf-8" | "utf8" => Some(Self::Utf8),
            "ascii" | "us-ascii" => Some(Self::Ascii),
            "latin-1" | "latin1" | "iso-8859-1" => Some(Self::Latin1),
            _ => None,
        }
    }

    /// Appends a text in this encoding.
    pub(super) fn encode(self, text: &str, out: &mut Vec<u8>) {
        let highest = match self {
            Self::Utf8 => return out.extend_from_slice(text.as_bytes()),
            Self::Ascii => 0x7f,
            Self::Latin1 => 0xff,
        };
        let mut escape = String::new();
        for character in text.chars() {
            match u8::try_from(u32::from(character)) {
                Ok(byte) if byte <= highest => out.push(byte),
                _ => {
                    escape.clear();
                    push_escape(&mut escape, character);
                    out.extend_from_slice(escape.as_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(name: &str, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Encoding::from_name(name).unwrap().encode(text, &mut out);
        out
    }

    #[test]
    fn character_that_an_encoding_lacks_is_escaped() {
        assert_eq!(encoded("UTF-8", "aé€😀"), "aé€😀".as_bytes());
        assert_eq!(encoded("US-ASCII", "aé€😀"), br"a\xe9\u20ac\U0001f600");
        assert_eq!(encoded("ISO-8859-1", "aé€"), b"a\xe9\\u20ac");
    }

    #[test]
    fn names_are_those_that_people_write() {
        for name in ["utf8", "utf_8", "UTF-8", ""] {
            assert_eq!(Encoding::from_name(name), Some(Encoding::Utf8), "{name}");
        }
        assert_eq!(Encoding::from_name("Latin-1"), Some(Encoding::Latin1));
        assert_eq!(Encoding::from_name("cp1252"), None);
        assert_eq!(Encoding::from_name("utf-8-sig"), None);
    }
}
