//! Text encodings of log files.

use super::conversion::push_escape;

/// An encoding that is written natively. A character that it does not have is written as Python's escape for it
/// (`\xe9`, `\u20ac`, `\U0001f600`), so that a record is never lost for one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Ascii,
    Latin1,
}

/// Python's names and aliases, lower case, with `_` for each run of other characters.
const NAMES: &[(&str, Encoding)] = &[
    ("utf_8", Encoding::Utf8),
    ("utf8", Encoding::Utf8),
    ("u8", Encoding::Utf8),
    ("utf", Encoding::Utf8),
    ("utf8_ucs2", Encoding::Utf8),
    ("utf8_ucs4", Encoding::Utf8),
    ("cp65001", Encoding::Utf8),
    ("ascii", Encoding::Ascii),
    ("us_ascii", Encoding::Ascii),
    ("us", Encoding::Ascii),
    ("646", Encoding::Ascii),
    ("ansi_x3.4_1968", Encoding::Ascii),
    ("ansi_x3.4_1986", Encoding::Ascii),
    ("ansi_x3_4_1968", Encoding::Ascii),
    ("cp367", Encoding::Ascii),
    ("csascii", Encoding::Ascii),
    ("ibm367", Encoding::Ascii),
    ("iso646_us", Encoding::Ascii),
    ("iso_646.irv_1991", Encoding::Ascii),
    ("iso_ir_6", Encoding::Ascii),
    ("latin_1", Encoding::Latin1),
    ("latin1", Encoding::Latin1),
    ("latin", Encoding::Latin1),
    ("l1", Encoding::Latin1),
    ("8859", Encoding::Latin1),
    ("cp819", Encoding::Latin1),
    ("csisolatin1", Encoding::Latin1),
    ("ibm819", Encoding::Latin1),
    ("iso8859", Encoding::Latin1),
    ("iso8859_1", Encoding::Latin1),
    ("iso_8859_1", Encoding::Latin1),
    ("iso_8859_1_1987", Encoding::Latin1),
    ("iso_ir_100", Encoding::Latin1),
];

impl Encoding {
    /// By any of Python's names for it; a blank one is the default.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::Utf8);
        }
        let mut normal = String::new();
        for character in name.chars() {
            if character.is_ascii_alphanumeric() || character == '.' {
                normal.push(character.to_ascii_lowercase());
            } else if !normal.ends_with('_') {
                normal.push('_');
            }
        }
        NAMES.iter().find(|(known, _)| *known == normal.trim_matches('_')).map(|(_, encoding)| *encoding)
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
                    push_escape(character, &mut escape);
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
    fn names_are_those_of_python() {
        for name in ["utf8", "utf_8", "U8", "utf--8", ""] {
            assert_eq!(Encoding::from_name(name), Some(Encoding::Utf8), "{name}");
        }
        assert_eq!(Encoding::from_name("Latin-1"), Some(Encoding::Latin1));
        assert_eq!(Encoding::from_name("cp1252"), None);
        assert_eq!(Encoding::from_name("utf-8-sig"), None);
    }
}
