//! The report of a manager to the process that started it: one, then end of file.

use std::fmt;
use std::path::PathBuf;

/// How a start went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The program runs as this process.
    Started(u32),
    /// The program does not run, for this reason, which may have several lines.
    Failed(String),
    /// Another manager has the socket, so that its state is the outcome; the reason says which.
    Taken(String),
}

impl Report {
    /// Reads a report; `None`: it is none, or not whole.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.strip_suffix('\n')?.split_once(' ')?;
        match word {
            "started" => rest.parse().ok().filter(|pid| *pid != 0).map(Self::Started),
            "failed" => Some(Self::Failed(rest.to_owned())),
            "taken" => Some(Self::Taken(rest.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(pid) => writeln!(f, "started {pid}"),
            Self::Failed(reason) => writeln!(f, "failed {reason}"),
            Self::Taken(reason) => writeln!(f, "taken {reason}"),
        }
    }
}

/// A reason why a program did not come up, with what the program wrote last and where more may be, each on lines of
/// their own that are indented.
#[must_use]
pub fn with_last_words<'a>(
    mut why: String,
    output: Option<&str>,
    logs: impl IntoIterator<Item = &'a PathBuf>,
) -> String {
    for line in output.into_iter().flat_map(str::lines) {
        why.push_str("\n  ");
        why.push_str(line);
    }
    for path in logs {
        why.extend(["\n  (see ", &path.to_string_lossy(), ")"]);
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for report in [
            Report::Started(42),
            Report::Failed("no such file".to_owned()),
            Report::Failed("exit status 1\n  its last words".to_owned()),
            Report::Taken("its pid is 7".to_owned()),
        ] {
            assert_eq!(Report::parse(&report.to_string()), Some(report));
        }
    }

    #[test]
    fn last_words_and_logs_are_indented_below_the_reason() {
        let why = || "exit status 3".to_owned();
        assert_eq!(with_last_words(why(), None, []), "exit status 3");
        let text = with_last_words(why(), Some("one\ntwo"), [&PathBuf::from("/log")]);
        assert_eq!(text, "exit status 3\n  one\n  two\n  (see /log)");
    }

    #[test]
    fn what_makes_no_sense_is_no_report() {
        for text in
            ["", "\n", "started 42", "started 0\n", "started -1\n", "started x\n", "\u{1b}\n", "begun 1\n"]
        {
            assert_eq!(Report::parse(text), None, "{text:?}");
        }
    }
}
