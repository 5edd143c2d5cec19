//! Brings what is new into a file that a person edited.
//!
//! The stamp of an edited file still has the checksum of the text that the edits were made to; without that text nothing is
//! merged. Lines that only one side changed are taken over; where both changed the same lines differently, nothing is
//! merged: no markers ever get into a live file. The merged text has the stamp of the new pristine text, so that the next
//! merge starts from there.

use similar::TextMerge;

use super::stamp::{Stamp, Stamped};

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Nothing is new.
    Nothing,
    /// This is the file with its edits and with what is new.
    Text(String),
    /// Both sides changed the same lines.
    Conflict,
    /// What the edits were made to is not known, or the file is no text.
    Unknown,
}

/// Merges a person's edits in `present` with the generated file `wanted`; `pristine` is what they were made to, unless its
/// checksum says otherwise.
pub fn edits(present: Option<&[u8]>, wanted: &str, pristine: Option<&str>) -> Merged {
    let Some(present) = present.map(Stamped::read) else { return Merged::Unknown };
    let Some(stamp) = &present.stamp else { return Merged::Unknown };
    let wanted = Stamped::read(wanted.as_bytes());
    let (Some(new), Ok(wanted)) = (wanted.stamp, String::from_utf8(wanted.text)) else {
        return Merged::Unknown;
    };
    if new.checksum == stamp.checksum {
        return Merged::Nothing;
    }
    let Ok(ours) = String::from_utf8(present.text) else { return Merged::Unknown };
    let is_base = |text: &&str| Stamp::of(text.as_bytes()).checksum == stamp.checksum;
    let Some(base) = pristine.filter(is_base) else { return Merged::Unknown };
    let merge = TextMerge::from_lines(base, &ours, &wanted);
    if merge.is_conflicted() { Merged::Conflict } else { Merged::Text(new.put(&merge.to_string())) }
}

/// A person's file, which has all that is new in `wanted`, with the stamp of that: the next merge starts from there. `None`:
/// it is no text.
pub fn accepted(present: &[u8], wanted: &str) -> Option<String> {
    let text = String::from_utf8(Stamped::read(present).text).ok()?;
    Some(Stamp::of(&Stamped::read(wanted.as_bytes()).text).put_anywhere(&text))
}

#[cfg(test)]
mod tests {
    use super::super::stamp::stamped;
    use super::*;

    const OLD: &str = "# t\na 1\nb 1\nc 1\nd 1\ne 1\n";
    const NEW: &str = "# t\na 2\nb 1\nc 1\nd 1\ne 1\nf 1\n";

    fn merged(edit: (&str, &str), pristine: &str) -> Merged {
        let present = stamped(OLD).replacen(edit.0, edit.1, 1);
        edits(Some(present.as_bytes()), &stamped(NEW), Some(pristine))
    }

    #[test]
    fn edits_and_news_of_different_lines_come_together() {
        let Merged::Text(text) = merged(("c 1", "c 9\nmine"), OLD) else { panic!() };
        let read = Stamped::read(text.as_bytes());
        assert_eq!(read.text, b"# t\na 2\nb 1\nc 9\nmine\nd 1\ne 1\nf 1\n");
        assert_eq!(read.stamp, Some(Stamp::of(NEW.as_bytes())));
        assert_eq!(edits(Some(text.as_bytes()), &stamped(NEW), None), Merged::Nothing);
    }

    #[test]
    fn same_line_changed_twice_is_a_conflict_unless_it_says_the_same() {
        assert_eq!(merged(("a 1", "a 9"), OLD), Merged::Conflict);
        assert!(matches!(merged(("a 1", "a 2"), OLD), Merged::Text(_)));
    }

    #[test]
    fn accepted_file_is_merged_with_what_is_new_from_then_on() {
        for (present, first) in [("# mine\nc 9\n", "# mine\n# Made"), ("c 9\n# mine\n", "# Made")] {
            let text = accepted(present.as_bytes(), &stamped(NEW)).unwrap();
            assert!(text.starts_with(first), "{text}");
            assert_eq!(Stamped::read(text.as_bytes()).text, present.as_bytes());
            assert_eq!(edits(Some(text.as_bytes()), &stamped(NEW), Some(NEW)), Merged::Nothing);
        }
        assert_eq!(accepted(b"\xff", &stamped(NEW)), None);
    }

    #[test]
    fn nothing_is_merged_without_the_text_that_was_edited() {
        assert_eq!(merged(("c 1", "c 9"), NEW), Merged::Unknown);
        assert_eq!(edits(Some(b"# t\nc 9\n"), &stamped(NEW), Some(OLD)), Merged::Unknown);
        let mut bytes = stamped(OLD).into_bytes();
        bytes.push(0xff);
        assert_eq!(edits(Some(&bytes), &stamped(NEW), Some(OLD)), Merged::Unknown);
        assert_eq!(edits(None, &stamped(NEW), Some(OLD)), Merged::Unknown);
    }
}
