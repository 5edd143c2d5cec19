//! What a plan would change in a file, or what a file that is left alone differs in: unified diffs.

use std::fmt::Write as _;
use std::path::Path;

use similar::{ChangeTag, TextDiff};

use super::plan::PlannedFile;
use super::policy::Verb;

/// Begins and ends of coloured lines: ECMA-48 8.3.117, SGR.
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// The diff from the file as it is to the file as it should be; `None` where they are the same.
#[must_use]
pub fn unified(file: &PlannedFile, coloured: bool) -> Option<String> {
    let wanted = match &file.verb {
        Verb::Same | Verb::SetMode(_) | Verb::Settled => return None,
        Verb::Merge(text) | Verb::Accept(text, _) => text,
        _ => &file.contents,
    };
    let present = file.found.contents.as_deref().map(String::from_utf8_lossy);
    let diff = TextDiff::from_lines(present.as_deref().unwrap_or_default(), wanted.as_str());
    let path = one_line(&file.path);
    let old = if present.is_some() { path.as_str() } else { "/dev/null" };
    let mut out = String::new();
    let mut line = |colour: &str, text: &str| {
        let text = text.trim_end_matches('\n');
        // Writing to a string cannot fail.
        let _ = if coloured { writeln!(out, "{colour}{text}{PLAIN}") } else { writeln!(out, "{text}") };
    };
    line(BOLD, &format!("--- {old}"));
    let new = if matches!(file.verb, Verb::Remove | Verb::Leave) { "/dev/null" } else { path.as_str() };
    line(BOLD, &format!("+++ {new}"));
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        line(CYAN, &hunk.header().to_string());
        for change in hunk.iter_changes() {
            let (sign, colour) = match change.tag() {
                ChangeTag::Equal => (' ', ""),
                ChangeTag::Delete => ('-', RED),
                ChangeTag::Insert => ('+', GREEN),
            };
            line(colour, &format!("{sign}{}", change.value()));
            if change.missing_newline() {
                line("", "\\ No newline at end of file");
            }
        }
    }
    Some(out)
}

/// A path as diff programs write it where it is not plain: in quotes, with escapes.
fn one_line(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().any(|c| c.is_control() || c == '"' || c == '\\') { format!("{text:?}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::file_state::{FileState, PresentFile};
    use super::super::policy::Reason;
    use super::*;

    fn file(present: Option<&str>, wanted: &str) -> PlannedFile {
        PlannedFile {
            path: "/h/a\"b".into(),
            contents: wanted.to_owned(),
            template_text: None,
            mode: 0o666,
            found: PresentFile {
                state: FileState::Edited,
                contents: present.map(|text| text.as_bytes().to_vec()),
                mode: 0o644,
                is_link: false,
            },
            verb: Verb::Keep(Reason::Edited),
        }
    }

    #[test]
    fn difference_is_told_as_diff_does() {
        let diff = unified(&file(Some("a\nb\nc"), "a\nB\nc\n"), false).unwrap();
        let header = "--- \"/h/a\\\"b\"\n+++ \"/h/a\\\"b\"\n@@ -1,3 +1,3 @@\n";
        assert_eq!(diff, format!("{header} a\n-b\n-c\n\\ No newline at end of file\n+B\n+c\n"));
        let diff = unified(&file(None, "a\n"), false).unwrap();
        assert_eq!(diff, "--- /dev/null\n+++ \"/h/a\\\"b\"\n@@ -0,0 +1 @@\n+a\n");
    }

    #[test]
    fn colours_are_for_a_terminal() {
        let diff = unified(&file(Some("a\n"), "b\n"), true).unwrap();
        assert!(diff.contains("\x1b[31m-a\x1b[0m\n\x1b[32m+b\x1b[0m\n"), "{diff:?}");
    }
}
