//! Where the shell's lines come from: an editor on a terminal, or anything else that can be read.

use std::ffi::OsString;
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::os::unix::ffi::OsStringExt as _;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::sys::signal_names;

use super::{Failure, help, show};

/// A source of lines.
pub(super) enum Lines {
    /// A person at a terminal.
    Editor(Box<Editor<Completion, MemHistory>>),
    /// A pipe or a file.
    Plain,
}

/// What came from it.
pub(super) enum Line {
    Text(OsString),
    /// ^C: whatever was typed is dropped.
    Interrupted,
    End,
}

impl Lines {
    /// The editor where both ends are a terminal.
    pub(super) fn open() -> Result<Self, Failure> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Ok(Self::Plain);
        }
        let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
        let history = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, history).map_err(unreadable)?;
        editor.set_helper(Some(Completion { files: FilenameCompleter::new() }));
        Ok(Self::Editor(Box::new(editor)))
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Editor(_))
    }

    /// The next line, without its end. The prompt is shown in any case, as the peers do.
    pub(super) fn next(&mut self, prompt: &str, out: &mut dyn Write) -> Result<Line, Failure> {
        match self {
            Self::Editor(editor) => match editor.readline(prompt) {
                Ok(line) => Ok(Line::Text(line.into())),
                Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
                Err(ReadlineError::Eof) => Ok(Line::End),
                Err(error) => Err(unreadable(error)),
            },
            Self::Plain => {
                write!(out, "{prompt}").and_then(|()| out.flush()).map_err(Failure::Output)?;
                let mut line = Vec::new();
                let length = io::stdin().lock().read_until(b'\n', &mut line);
                let length =
                    length.map_err(|source| Failure::System { what: "cannot read commands", source })?;
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                Ok(if length == 0 { Line::End } else { Line::Text(OsString::from_vec(line)) })
            }
        }
    }
}

fn unreadable(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(source) => Failure::System { what: "cannot read commands", source },
        other => Failure::Commands(other.to_string()),
    }
}

/// TAB: the names of the actions, and what may follow some of them.
pub(super) struct Completion {
    files: FilenameCompleter,
}

impl Completion {
    fn words(before: &str) -> Vec<String> {
        let owned = |words: &mut dyn Iterator<Item = &'static str>| words.map(ToOwned::to_owned).collect();
        match before.trim() {
            "" | "help" | "?" => owned(&mut help::names()),
            "show" => owned(&mut show::TOPICS.iter().copied()),
            "status" => owned(&mut ["-l", "--json"].into_iter()),
            "kill" => signal_names::names().map(|name| name.trim_start_matches("SIG").to_owned()).collect(),
            _ => Vec::new(),
        }
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..at).unwrap_or(line);
        if ["logtail ", "shell ", "!"].iter().any(|name| typed.trim_start().starts_with(name)) {
            return self.files.complete_path(line, at);
        }
        let start = typed.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
        let (before, word) = typed.split_at(start);
        let fitting = Self::words(before).into_iter().filter(|candidate| candidate.starts_with(word));
        let pair = |candidate: String| Pair { display: candidate.clone(), replacement: candidate + " " };
        Ok((start, fitting.map(pair).collect()))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}

impl Validator for Completion {}

impl Helper for Completion {}
