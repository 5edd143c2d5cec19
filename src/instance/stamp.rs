//! The line by which a generated file is known again: the version that made it, and a checksum of all its other lines.
//!
//! It makes three things out of the question whether a file differs. The text without the line is what is compared, so
//! that another version alone is no difference. If the checksum is that of the text, the file has not been edited since it
//! was generated, whatever the version or the parameters were. And in an edited file it says which text the edits were
//! made to: whichever candidate has that checksum is the pristine one.
//!
//! The line is the second of the file, after `#!` or the title; what chkconfig(8) and insserv(8) look for has no fixed place of
//! its own. A text that does not begin with a comment has no line. By hand, for a file F, as the line shows its first half:
//! `grep -v '^# Made by mkzeoinst ' F | sha256sum`.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Begins the line, after the comment's own character.
const BEFORE: &str = " Made by mkzeoinst ";
const BETWEEN: &str = " (sha256: ";

/// The same as versions before 0.2 wrote it, which made the line too wide.
const BETWEEN_BEFORE: &str = " (sha256 of the other lines: ";
const AFTER: &str = "...)";

/// Bytes of the checksum that the line shows: enough that no two texts will ever share it by chance.
const SHOWN: usize = 16;

/// What the characters are that begin a comment in the languages that templates are written in.
const COMMENTS: [&str; 3] = ["#", ";", "//"];

/// A generated text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The text without the line.
    pub text: Vec<u8>,
    /// What the line says; `None` where there is no such line.
    pub stamp: Option<Stamp>,
}

/// What the line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The version of the program that made the file.
    pub version: String,
    /// The checksum of the pristine text.
    pub checksum: String,
}

impl Stamped {
    /// Takes a file's contents apart.
    #[must_use]
    pub fn read(contents: &[u8]) -> Self {
        let mut text = Vec::with_capacity(contents.len());
        let mut stamp = None;
        for line in contents.split_inclusive(|byte| *byte == b'\n') {
            match (&stamp, Stamp::read(line)) {
                (None, Some(found)) => stamp = Some(found),
                // A second one was put there by a person.
                _ => text.extend_from_slice(line),
            }
        }
        Self { text, stamp }
    }

    /// Whether the text is as it was generated, white space at its ends apart.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        self.stamp.as_ref().is_some_and(|stamp| stamp.checksum == checksum(&self.text))
    }
}

impl Stamp {
    /// That of our own version for a pristine text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), checksum: checksum(text) }
    }

    /// Puts the line into a text after its first one.
    #[must_use]
    pub fn put(&self, text: &str) -> String {
        let Some(comment) = COMMENTS.into_iter().find(|comment| text.starts_with(comment)) else {
            return text.to_owned();
        };
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let Self { version, checksum } = self;
        format!("{first}\n{comment}{BEFORE}{version}{BETWEEN}{checksum}{AFTER}\n{rest}")
    }

    /// Puts the line into any text: before its first line where that is no comment, after `#`.
    #[must_use]
    pub fn put_anywhere(&self, text: &str) -> String {
        let with_line = self.put(text);
        if with_line == text { self.put("#\n").replacen("#\n", "", 1) + text } else { with_line }
    }

    fn read(line: &[u8]) -> Option<Self> {
        let line = str::from_utf8(line).ok()?.trim_end();
        let line = COMMENTS.into_iter().find_map(|comment| line.strip_prefix(comment))?;
        let line = line.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
        let (version, checksum) = line.split_once(BETWEEN).or_else(|| line.split_once(BETWEEN_BEFORE))?;
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (checksum.len() == 2 * SHOWN && checksum.bytes().all(hexadecimal))
            .then(|| Self { version: version.to_owned(), checksum: checksum.to_owned() })
    }
}

/// A whole file: the text with its line.
#[must_use]
pub fn stamped(text: &str) -> String {
    Stamp::of(text.as_bytes()).put(text)
}

/// Of the text without the white space at its ends, which counts for nothing, and with one line feed.
fn checksum(text: &[u8]) -> String {
    let sum = Sha256::new().chain_update(trimmed(text)).chain_update(b"\n").finalize();
    sum.iter().take(SHOWN).fold(String::with_capacity(2 * SHOWN), |mut shown, byte| {
        // Writing to a string cannot fail.
        let _ = write!(shown, "{byte:02x}");
        shown
    })
}

/// Contents without the white space of ASCII at both ends.
pub(super) fn trimmed(contents: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let Some(first) = contents.iter().position(|byte| !is_blank(byte)) else { return &[] };
    let end = contents.iter().rposition(|byte| !is_blank(byte)).map_or(first, |last| last + 1);
    contents.get(first..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#!/bin/sh\n# title\nexec x\n";

    #[test]
    fn line_comes_second_and_is_taken_out_again() {
        let whole = stamped(TEXT);
        let lines: Vec<_> = whole.lines().collect();
        assert_eq!((lines[0], &lines[2..]), ("#!/bin/sh", &["# title", "exec x"][..]));
        // printf '#!/bin/sh\n# title\nexec x\n' | sha256sum
        let expected = format!(
            "# Made by mkzeoinst {} (sha256: 5015e97de0d6ca01ae32312ad392abd4...)",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(lines[1], expected);
        let read = Stamped::read(whole.as_bytes());
        assert_eq!(read.text, TEXT.as_bytes());
        assert!(read.is_pristine());
    }

    #[test]
    fn white_space_at_the_ends_is_no_edit_and_anything_else_is() {
        for (from, to, pristine) in [
            ("", "", true),
            ("exec x\n", "exec x", true),
            ("exec x\n", "exec x\n\n \n", true),
            ("exec x\n", "exec x \nexec y\n", false),
            ("# title\n", "#  title\n", false),
            ("mkzeoinst ", "mkzeoinst 9.", true),
            ("(sha256: ", "(sha256 of the other lines: ", true),
            ("sha256: 5", "sha256: 3", false),
            ("sha256: ", "sha256: 0", false),
        ] {
            let edited = stamped(TEXT).replacen(from, to, 1);
            assert_eq!(Stamped::read(edited.as_bytes()).is_pristine(), pristine, "{from:?} to {to:?}");
        }
        assert!(!Stamped::read(TEXT.as_bytes()).is_pristine());
    }

    #[test]
    fn every_kind_of_comment_is_known_and_a_text_without_one_stays() {
        for text in ["; a\nb\n", "// a\nb\n", "# a", "#\n"] {
            let whole = stamped(text);
            assert_ne!(whole, text);
            assert!(Stamped::read(whole.as_bytes()).is_pristine(), "{whole}");
        }
        for text in ["", "{\"a\": 1}\n", " # a\n", "<x/>\n"] {
            assert_eq!(stamped(text), text);
        }
    }

    #[test]
    fn second_line_of_the_kind_belongs_to_the_text() {
        let twice = stamped(&stamped(TEXT));
        let read = Stamped::read(twice.as_bytes());
        assert!(read.is_pristine());
        assert_eq!(read.text, stamped(TEXT).as_bytes());
        let copied = stamped(TEXT) + stamped(TEXT).lines().nth(1).unwrap() + "\n";
        assert!(!Stamped::read(copied.as_bytes()).is_pristine());
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let mut contents = stamped(TEXT).into_bytes();
        contents.extend(b"\xff\xfe");
        let read = Stamped::read(&contents);
        assert!(read.text.ends_with(b"exec x\n\xff\xfe") && read.stamp.is_some() && !read.is_pristine());
    }
}
