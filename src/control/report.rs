//! The report of a manager to the process that started it: one, then end of file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::plain;

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

/// A program that did not come up, for a person: why, on lines of their own and indented what it wrote last, where more
/// may be, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStart<'a> {
    /// The reason.
    pub why: &'a str,
    /// The last lines that the program wrote.
    pub last_output: Option<&'a str>,
    /// Files that have more.
    pub logs: &'a [PathBuf],
    /// What the manager does about it; absent: nothing any more.
    pub next: Option<NextTry>,
}

/// What a manager does about a start that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextTry {
    /// It starts the program again after so long.
    After(Duration),
    /// It starts the program again when what that left behind has ended.
    WhenAllEnded,
    /// The program runs on, though it does not count as up.
    LeftRunning,
}

/// The reason of a start whose program ended too early, `how` in the words of the status record.
#[must_use]
pub fn ended_before_up(how: &str) -> String {
    // It is done, or it is one that leaves a child behind and ends, as daemons do by themselves.
    let hint = match how {
        "exit status 0" => "; if it puts itself in the background, have it stay in the foreground",
        _ => "",
    };
    format!("the program ended before it was up: {how}{hint}")
}

/// What is known of a start that takes too long, to follow on that: on lines of their own, how its start test failed, and what
/// becomes of it.
#[must_use]
pub fn slow_start(test_error: Option<&str>) -> String {
    let test = test_error.map(|how| format!("\n  start test: {}", plain(how))).unwrap_or_default();
    format!("{test}\n  ({})", NextTry::LeftRunning)
}

impl fmt::Display for FailedStart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)?;
        for line in self.last_output.into_iter().flat_map(str::lines) {
            write!(f, "\n  {}", plain(line))?;
        }
        for path in self.logs {
            write!(f, "\n  (see {})", plain(&path.to_string_lossy()))?;
        }
        self.next.map_or(Ok(()), |next| write!(f, "\n  ({next})"))
    }
}

impl fmt::Display for NextTry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self {
            Self::LeftRunning => return f.write_str("it is left running; stop ends it"),
            Self::After(time) if time.as_secs_f64() < 0.5 => "at once".to_owned(),
            Self::After(time) => format!("in {:.0} s", time.as_secs_f64()),
            Self::WhenAllEnded => "when all that it left behind has ended".to_owned(),
        };
        write!(f, "the daemon manager keeps trying, next {when}; stop ends it")
    }
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
    fn all_that_is_known_of_a_failed_start_is_indented_below_the_reason() {
        let bare = FailedStart { why: "exit status 3", last_output: None, logs: &[], next: None };
        assert_eq!(bare.to_string(), "exit status 3");
        let logs = [PathBuf::from("/log")];
        for (next, line) in [
            (NextTry::After(Duration::from_millis(990)), "keeps trying, next in 1 s; stop ends it"),
            (NextTry::After(Duration::from_millis(90)), "keeps trying, next at once; stop ends it"),
            (NextTry::WhenAllEnded, "next when all that it left behind has ended; stop ends it"),
            (NextTry::LeftRunning, "it is left running; stop ends it"),
        ] {
            let last_output = Some("one\n\u{1b}[1mtwo\u{1b}[m");
            let text = FailedStart { last_output, logs: &logs, next: Some(next), ..bare.clone() }.to_string();
            assert!(text.starts_with("exit status 3\n  one\n  two\n  (see /log)\n  ("), "{text}");
            assert!(text.ends_with(&format!("{line})")), "{text}");
        }
    }

    #[test]
    fn program_that_may_have_gone_into_the_background_is_named_as_such() {
        assert!(ended_before_up("exit status 0").ends_with("have it stay in the foreground"));
        assert!(ended_before_up("exit status 3").ends_with("up: exit status 3"));
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
