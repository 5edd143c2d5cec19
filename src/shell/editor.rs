//! Where the shell's lines come from: an editor on a terminal, or anything else that can be read.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{ColorMode, CompletionType, Config, EditMode, Editor};

use crate::config::{EditingMode, Runner};
use crate::sys::interrupt;

use super::completion::Completion;
use super::failure::Failure;
use super::history;
use super::ui::Ui;

/// The lines of one shell.
pub(super) struct Lines {
    source: Source,
    /// What was pasted beyond a first line.
    pending: VecDeque<String>,
    /// Where commands are kept for the next shell; `None`: they are not.
    history: Option<PathBuf>,
}

enum Source {
    /// A terminal.
    Editor(Box<Editor<Completion, FileHistory>>),
    /// A pipe, a file, or a terminal that only prints. Nothing is read beyond a line: what follows may be for a command of
    /// `shell`.
    Plain(File),
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
    pub(super) fn open(runner: &Runner, ui: &mut Ui<'_>) -> Result<Self, Failure> {
        let mut lines = Self { source: source(runner, ui)?, pending: VecDeque::new(), history: None };
        if runner.history
            && let Source::Editor(editor) = &mut lines.source
            && let Some(path) = history::file()
        {
            match load_history(editor, &path) {
                Ok(()) => lines.history = Some(path),
                Err(error) => report_history(ui, path, error),
            }
        }
        Ok(lines)
    }

    /// The next line, without its end. The prompt is shown in any case, as the peers do.
    pub(super) fn next(&mut self, runner: &Runner, ui: &mut Ui<'_>) -> Result<Line, Failure> {
        let prompt = format!("{} ", runner.prompt);
        if let Some(line) = self.pending.pop_front() {
            ui.say(format_args!("{prompt}{line}"))?;
            return Ok(Line::Text(line.into()));
        }
        let editor = match &mut self.source {
            Source::Editor(editor) => editor,
            Source::Plain(input) => {
                write!(ui.out, "{prompt}").and_then(|()| ui.out.flush()).map_err(Failure::Output)?;
                return read_line(input);
            }
        };
        editor.set_edit_mode(edit_mode(runner));
        if let Some(completion) = editor.helper_mut() {
            completion.prompt = prompt.chars().count();
        }
        let text = match editor.readline(&prompt) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => return Ok(Line::Interrupted),
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Line::Interrupted);
            }
            Err(ReadlineError::Eof) => return Ok(Line::End),
            Err(error) => return Err(unreadable(error)),
        };
        Ok(Line::Text(self.take(&text, runner, ui).into()))
    }

    /// The first line of what was typed. A paste may have more; blank ones among them repeat nothing.
    fn take(&mut self, text: &str, runner: &Runner, ui: &mut Ui<'_>) -> String {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty()).map(ToOwned::to_owned);
        let first = lines.next().unwrap_or_default();
        self.pending.extend(lines);
        for line in std::iter::once(&first).chain(&self.pending.clone()) {
            self.keep(line, runner, ui);
        }
        first
    }

    /// Keeps a command for the next shell, unless it is the same again or begins with a blank.
    fn keep(&mut self, command: &str, runner: &Runner, ui: &mut Ui<'_>) {
        let Source::Editor(editor) = &mut self.source else { return };
        let is_new = matches!(editor.add_history_entry(command), Ok(true));
        if is_new
            && runner.history
            && let Some(path) = &self.history
            && let Err(error) = editor.append_history(path)
        {
            report_history(ui, path.clone(), error);
            self.history = None;
        }
    }
}

/// Takes in the commands of earlier shells.
fn load_history(editor: &mut Editor<Completion, FileHistory>, path: &Path) -> rustyline::Result<()> {
    history::prepare(path)?;
    if path.exists() { editor.load_history(path) } else { Ok(()) }
}

fn report_history(ui: &mut Ui<'_>, path: PathBuf, error: ReadlineError) {
    let source = match error {
        ReadlineError::Io(source) => source,
        other => io::Error::other(other),
    };
    if !history::is_unwritable(&source) {
        ui.host.report(&Failure::History { path, source });
    }
}

fn source(runner: &Runner, ui: &Ui<'_>) -> Result<Source, Failure> {
    if !io::stdin().is_terminal() || !ui.screen.is_terminal() {
        let input = io::stdin().as_fd().try_clone_to_owned();
        return Ok(Source::Plain(File::from(input.map_err(|error| unreadable(error.into()))?)));
    }
    let colours = ui.screen.has_colours();
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .max_history_size(history::MAX_COMMANDS)
        .map_err(unreadable)?
        .edit_mode(edit_mode(runner))
        .color_mode(if colours { ColorMode::Enabled } else { ColorMode::Disabled })
        .build();
    let history = FileHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history).map_err(unreadable)?;
    editor.set_helper(Some(Completion::new(colours)));
    Ok(Source::Editor(Box::new(editor)))
}

fn edit_mode(runner: &Runner) -> EditMode {
    match runner.editing_mode {
        EditingMode::Emacs => EditMode::Emacs,
        EditingMode::Vi => EditMode::Vi,
    }
}

fn read_line(input: &mut File) -> Result<Line, Failure> {
    let failed = |source| Failure::System { what: "cannot read commands", source };
    let mut line = Vec::new();
    loop {
        if !interrupt::readable_or_caught(Some(input.as_fd()), Duration::MAX).map_err(failed)? {
            if interrupt::take() {
                // From a pipe no other command would follow.
                return if input.is_terminal() { Ok(Line::Interrupted) } else { Err(Failure::Interrupted) };
            }
            continue;
        }
        let mut byte = [0];
        match input.read(&mut byte) {
            Ok(0) if line.is_empty() => return Ok(Line::End),
            Ok(0) => return Ok(Line::Text(OsString::from_vec(line))),
            Ok(_) if byte == *b"\n" => return Ok(Line::Text(OsString::from_vec(line))),
            Ok(_) => line.extend(byte),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

fn unreadable(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(source) => Failure::System { what: "cannot read commands", source },
        other => Failure::Commands(other.to_string()),
    }
}
