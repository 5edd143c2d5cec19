//! TAB, and what the editor shows behind the cursor: the names of the actions, and what may follow them.

use std::borrow::Cow;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use crate::sys::signal_names;

use super::{help, ui};

/// What the editor asks while a line is typed.
pub(super) struct Completion {
    files: FilenameCompleter,
    hints: bool,
    /// How many columns the prompt takes.
    pub(super) prompt: usize,
}

/// What may stand at some place of a line.
enum Expected {
    Words(Vec<String>),
    File,
    /// The first of these words, or a file.
    WordOrFile(Vec<String>),
}

impl Completion {
    /// Hints look like something typed unless they are painted.
    pub(super) fn new(hints: bool) -> Self {
        Self { files: FilenameCompleter::new(), hints, prompt: 0 }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What may follow this part of a line, which ends where a word begins.
fn expected(before: &str) -> Expected {
    let before = before.trim();
    if before.starts_with('!') {
        return Expected::File;
    }
    let (action, given) = match before.strip_prefix('?') {
        Some(topic) => ("help", topic.trim()),
        None => before.split_once(char::is_whitespace).unwrap_or((before, "")),
    };
    match (action, given.trim()) {
        ("", _) | ("help", "") => Expected::Words(help::names().map(ToOwned::to_owned).collect()),
        ("show", "") => Expected::Words(words(help::SHOW_TOPICS)),
        ("status", "") => Expected::Words(words(&["-l", "--json"])),
        ("kill", "") => Expected::Words(signal_names::names().map(short).collect()),
        ("logtail", "") => Expected::WordOrFile(words(&["-n"])),
        ("logtail", given) if given.starts_with("-n") && given != "-n" => Expected::File,
        ("reload", "") => Expected::WordOrFile(words(&["-C"])),
        ("shell" | "reload", _) => Expected::File,
        _ => Expected::Words(Vec::new()),
    }
}

fn short(signal: &str) -> String {
    signal.trim_start_matches("SIG").to_owned()
}

/// Where the word begins in which the line ends, and what may stand there.
fn place(typed: &str) -> (usize, Expected) {
    let blank = typed.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
    // `?` and `!` need no blank after them.
    let mark = typed.trim_start().starts_with(['?', '!']) && typed.trim_start().len() == typed.len() - blank;
    let start = if mark { blank + 1 } else { blank };
    let before = typed.get(..start).unwrap_or_default();
    (start, expected(before))
}

/// Those of the words that begin so. The names of signals are typed in any case, and with `SIG` or without.
fn fitting(candidates: Vec<String>, word: &str, any_case: bool) -> Vec<String> {
    let upper = word.to_ascii_uppercase();
    let wanted = if any_case { upper.strip_prefix("SIG").unwrap_or(&upper) } else { word };
    candidates.into_iter().filter(|candidate| candidate.starts_with(wanted)).collect()
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..at).unwrap_or(line);
        let (start, expected) = place(typed);
        let word = typed.get(start..).unwrap_or_default();
        let (words, is_file) = match expected {
            Expected::Words(words) => (words, false),
            Expected::WordOrFile(words) if word.starts_with('-') => (words, false),
            Expected::File | Expected::WordOrFile(_) => (Vec::new(), true),
        };
        if is_file {
            return self.files.complete_path(line, at);
        }
        let is_signal = typed.trim_start().starts_with("kill ");
        let pair = |word: String| Pair { display: word.clone(), replacement: word + " " };
        Ok((start, fitting(words, word, is_signal).into_iter().map(pair).collect()))
    }
}

/// The arguments of an action, where the line is its name and no more; or the end of the name, where only one begins so.
fn hint(line: &str) -> Option<String> {
    let name = line.trim();
    if let Some(usage) = help::arguments(name) {
        let gap = if line.ends_with(char::is_whitespace) { "" } else { " " };
        return Some(format!("{gap}{usage}"));
    }
    let mut begun = help::names().filter(|known| known.starts_with(name) && !name.is_empty());
    let only = begun.next().filter(|_| begun.next().is_none())?;
    line.ends_with(name).then(|| only.get(name.len()..).map(ToOwned::to_owned))?.filter(|end| !end.is_empty())
}

/// Something that is shown behind the cursor; the end of a word can be taken.
pub(super) struct Hint {
    text: String,
    is_word: bool,
}

impl rustyline::hint::Hint for Hint {
    fn display(&self) -> &str {
        &self.text
    }

    fn completion(&self) -> Option<&str> {
        self.is_word.then_some(&self.text)
    }
}

impl Hinter for Completion {
    type Hint = Hint;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<Hint> {
        let text = hint(line).filter(|_| self.hints && at == line.len())?;
        // One that does not fit would move what is above.
        let is_word = !text.starts_with([' ', '[']);
        let fits = self.prompt + line.chars().count() + text.len() < ui::columns();
        fits.then_some(Hint { text, is_word })
    }
}

impl Highlighter for Completion {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[2m{hint}\x1b[m"))
    }
}

impl Validator for Completion {}

impl Helper for Completion {}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str) -> Vec<String> {
        let history = rustyline::history::MemHistory::new();
        let completion = Completion::new(true);
        let (start, found) =
            completion.complete(line, line.len(), &Context::new(&history)).expect("an answer");
        found.into_iter().map(|pair| format!("{}{}", &line[..start], pair.replacement)).collect()
    }

    #[test]
    fn actions_and_what_follows_them_are_completed() {
        for (line, expected) in [
            ("sto", &["stop "][..]),
            ("  sta", &["  start ", "  status "]),
            ("help rel", &["help reload "]),
            ("?rel", &["?reload "]),
            ("? rel", &["? reload "]),
            ("kill us", &["kill USR1 ", "kill USR2 "]),
            ("kill SIGHU", &["kill HUP "]),
            ("kill HUP x", &[]),
            ("show o", &["show options "]),
            ("show options o", &[]),
            ("status -", &["status -l ", "status --json "]),
            ("logtail -", &["logtail -n "]),
            ("reload -", &["reload -C "]),
            ("start x", &[]),
            ("nothing", &[]),
        ] {
            assert_eq!(completed(line), expected, "{line}");
        }
    }

    #[test]
    fn files_are_completed_where_they_are_wanted() {
        for line in [
            "logtail /etc/hostnam",
            "logtail -n 3 /etc/hostnam",
            "shell cat /etc/hostnam",
            "!cat /etc/hostnam",
        ] {
            assert_eq!(completed(line), [format!("{line}e")], "{line}");
        }
        assert_eq!(completed("reload -C /etc/hostnam"), ["reload -C /etc/hostname"]);
        assert_eq!(completed("stop /etc/hostnam"), [""; 0]);
    }

    #[test]
    fn hint_is_the_rest_of_a_name_or_what_may_follow() {
        for (line, expected) in [
            ("k", Some("ill")),
            ("kill", Some(" [sig]")),
            ("kill ", Some("[sig]")),
            ("logtail", Some(" [-n lines] [logfile]")),
            ("sta", None),
            ("k ", None),
            ("stop", None),
            ("kill x", None),
            ("", None),
        ] {
            assert_eq!(hint(line).as_deref(), expected, "{line:?}");
        }
    }
}
