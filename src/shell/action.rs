//! The actions, and how they are written: as words of a command line, or as a line at the prompt.
//!
//! The grammar is that of Python's command loops (ZDPROTO 3.3): a name of letters, digits and underscores, and what
//! follows it; `?` stands for help and `!` for shell. The peers join a command line's words and split them again; here a
//! word stays a word.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use crate::config::split_words;
use crate::control::repr::{Escapes, quote};
use crate::sys::signal_names;
use crate::zconfig::did_you_mean;

use super::failure::Failure;
use super::help;

/// How many lines `logtail` shows of what is there.
const TAIL_LINES: usize = 10;

/// A request of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Start the program, with these more arguments.
    Start(Vec<OsString>),
    Stop,
    Restart,
    /// Restart what runs, and leave alone what does not.
    TryRestart,
    Status(Form),
    Kill(Signal),
    Wait,
    /// Run the program here, with these more arguments.
    Foreground(Vec<OsString>),
    Check,
    LogReopen,
    ReopenTranscript,
    /// Have the manager's binary on the disk take over.
    Reexec,
    LogTail {
        lines: usize,
        file: Option<PathBuf>,
    },
    /// Empty: options.
    Show(OsString),
    /// Empty: the list of actions.
    Help(OsString),
    /// A command line for the system's shell; empty: an interactive one.
    Shell(OsString),
    /// In the shell: options in place of those that were typed; empty: the same again.
    Reload(Vec<OsString>),
    Quit,
    EndOfFile,
}

/// What an action needs of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: a fault in it is none of its business.
    Nothing,
    /// The manager's socket: whom to ask.
    Socket,
    /// Every setting may matter.
    Everything,
}

/// The form of the answer of `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One line, which scripts cut apart.
    Line,
    /// `-l`: the line, the record, and an explanation of it.
    Long,
    /// `--json`: one object.
    Json,
}

/// The argument of `kill`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signal {
    Number(i32),
    /// Neither a name nor a number of a signal.
    Invalid(OsString),
}

/// The name of an action and what follows it.
struct Command {
    name: String,
    arguments: Arguments,
}

enum Arguments {
    /// Separate words, of a command line.
    Words(Vec<OsString>),
    /// The line after the name.
    Line(OsString),
}

impl Action {
    /// The action that the words of a command line name, of which there is at least one.
    pub(super) fn from_words(words: &[OsString]) -> Result<Self, Failure> {
        let (first, others) =
            words.split_first().map_or((OsStr::new(""), words), |(f, o)| (f.as_os_str(), o));
        let unknown = || unknown_action(first);
        let (name, tail) = split_name(first.as_bytes()).ok_or_else(unknown)?;
        // `kill-9` and `'kill 9'` are one word here, and two to the action.
        let words = (!tail.is_empty()).then(|| OsStr::from_bytes(tail).to_owned());
        let arguments = Arguments::Words(words.into_iter().chain(others.iter().cloned()).collect());
        Self::of(Command { name, arguments }).ok_or_else(unknown)?
    }

    /// The action that a line at the prompt names, which is not blank.
    pub(super) fn from_line(line: &OsStr) -> Result<Self, Failure> {
        let unknown = || unknown_action(OsStr::from_bytes(line.as_bytes().trim_ascii()));
        let (name, tail) = split_name(line.as_bytes()).ok_or_else(unknown)?;
        let arguments = Arguments::Line(OsStr::from_bytes(tail).to_owned());
        Self::of(Command { name, arguments }).ok_or_else(unknown)?
    }

    /// What it needs of the configuration.
    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Help(_) | Self::LogTail { file: Some(_), .. } | Self::EndOfFile => Needs::Nothing,
            Self::Stop
            | Self::Status(_)
            | Self::Kill(_)
            | Self::Wait
            | Self::LogReopen
            | Self::ReopenTranscript
            | Self::Reexec
            | Self::Quit => Needs::Socket,
            Self::Start(_)
            | Self::Restart
            | Self::TryRestart
            | Self::Foreground(_)
            | Self::Check
            | Self::LogTail { file: None, .. }
            | Self::Show(_)
            | Self::Shell(_)
            | Self::Reload(_) => Needs::Everything,
        }
    }

    /// Whether it may start the program, as its user.
    pub(super) fn starts_program(&self) -> bool {
        matches!(self, Self::Start(_) | Self::Restart | Self::TryRestart | Self::Foreground(_))
    }

    /// Whether it is shown before a blank line repeats it.
    pub(super) fn changes_something(&self) -> bool {
        !matches!(
            self,
            Self::Status(_) | Self::Wait | Self::Check | Self::LogTail { .. } | Self::Show(_) | Self::Help(_)
        )
    }

    /// `None`: there is no such action.
    fn of(command: Command) -> Option<Result<Self, Failure>> {
        let Command { name, arguments } = command;
        Some(match name.as_str() {
            "start" => arguments.words().map(Self::Start),
            "stop" => arguments.none(&name).map(|()| Self::Stop),
            "restart" => arguments.none(&name).map(|()| Self::Restart),
            "try-restart" | "condrestart" | "force-reload" => {
                arguments.none(&name).map(|()| Self::TryRestart)
            }
            "status" => arguments.words().and_then(|words| status(&words)),
            "kill" => arguments.words().map(|words| Self::Kill(signal(&words))),
            "wait" => arguments.none(&name).map(|()| Self::Wait),
            "fg" | "foreground" => arguments.words().map(Self::Foreground),
            "check" => arguments.none(&name).map(|()| Self::Check),
            "logreopen" => arguments.none(&name).map(|()| Self::LogReopen),
            "reopen_transcript" => arguments.none(&name).map(|()| Self::ReopenTranscript),
            "reexec" => arguments.none(&name).map(|()| Self::Reexec),
            "logtail" => arguments.words().and_then(log_tail),
            "show" => Ok(Self::Show(arguments.line())),
            "help" => Ok(Self::Help(arguments.line())),
            "shell" => Ok(Self::Shell(arguments.line())),
            "reload" => arguments.words().map(Self::Reload),
            "quit" | "exit" => arguments.none(&name).map(|()| Self::Quit),
            "EOF" => arguments.none(&name).map(|()| Self::EndOfFile),
            _ => return None,
        })
    }
}

impl Arguments {
    /// For an action that takes none: an argument that is passed over could be one that was to change what is done.
    fn none(self, action: &str) -> Result<(), Failure> {
        let line = self.line();
        let typed = line.as_bytes().trim_ascii();
        if typed.is_empty() {
            return Ok(());
        }
        let hint = if typed.starts_with(b"-") { "; options stand before the action" } else { "" };
        let typed = quote(typed, Escapes::Characters);
        Err(Failure::Arguments(format!("{action} takes no argument: {typed}{hint}")))
    }

    fn words(self) -> Result<Vec<OsString>, Failure> {
        match self {
            Self::Words(words) => Ok(words),
            Self::Line(line) => split_words(&line).map_err(|error| Failure::Arguments(error.to_string())),
        }
    }

    fn line(self) -> OsString {
        match self {
            Self::Words(words) => words.join(OsStr::new(" ")),
            Self::Line(line) => line,
        }
    }
}

/// The failure for words that begin with no action.
fn unknown_action(typed: &OsStr) -> Failure {
    let text = typed.to_string_lossy();
    let first = text.split_whitespace().next().unwrap_or_default();
    Failure::UnknownAction { typed: typed.to_owned(), hint: did_you_mean(first, help::names()) }
}

/// The names that the peers' grammar would cut in two; they are those of init scripts.
const HYPHENATED: &[&str] = &["force-reload", "try-restart"];

/// The action's name and what follows it, both without blanks around them.
fn split_name(line: &[u8]) -> Option<(String, &[u8])> {
    let line = line.trim_ascii();
    for (mark, name) in [(b'?', "help"), (b'!', "shell")] {
        if line.first() == Some(&mark) {
            return Some((name.to_owned(), line.get(1..).unwrap_or_default().trim_ascii()));
        }
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_whole = |name: &str| {
        let tail = line.strip_prefix(name.as_bytes());
        tail.is_some_and(|tail| tail.first().is_none_or(u8::is_ascii_whitespace))
    };
    let length = HYPHENATED.iter().find(|name| is_whole(name)).map(|name| name.len());
    let length = length.or_else(|| line.iter().position(|byte| !is_name(byte))).unwrap_or(line.len());
    let (name, tail) = line.split_at_checked(length).filter(|(name, _)| !name.is_empty())?;
    Some((String::from_utf8_lossy(name).into_owned(), tail.trim_ascii()))
}

fn status(words: &[OsString]) -> Result<Action, Failure> {
    match words {
        [] => Ok(Action::Status(Form::Line)),
        [word] if word == "-l" => Ok(Action::Status(Form::Long)),
        [word] if word == "--json" => Ok(Action::Status(Form::Json)),
        _ => Err(Failure::Arguments("status argument must be absent, -l or --json".to_owned())),
    }
}

/// A name in any of the spellings that [`signal_names::number`] takes, or a number from 0, which sends nothing.
fn signal(words: &[OsString]) -> Signal {
    let typed = words.join(OsStr::new(" "));
    if typed.is_empty() {
        return signal_names::number("TERM").map_or(Signal::Invalid(typed), Signal::Number);
    }
    let named = typed.to_str().and_then(|text| match text.parse::<i32>() {
        Ok(0) => Some(0),
        Ok(number) => signal_names::name(number).map(|_| number),
        Err(_) => signal_names::number(text),
    });
    named.map_or(Signal::Invalid(typed), Signal::Number)
}

/// `[-n N] [FILE]`, the N also glued on.
fn log_tail(words: Vec<OsString>) -> Result<Action, Failure> {
    let wrong = || Failure::Arguments("logtail arguments must be [-n LINES] [FILE]".to_owned());
    let mut words = words.into_iter().peekable();
    let mut lines = TAIL_LINES;
    if let Some(option) = words.next_if(|word| word.as_bytes().starts_with(b"-n")) {
        let glued = option.as_bytes().get(2..).filter(|number| !number.is_empty()).map(<[u8]>::to_vec);
        let number = glued.map(OsString::from_vec).or_else(|| words.next()).ok_or_else(wrong)?;
        lines = number.to_str().and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    }
    let file = words.next().map(PathBuf::from);
    if words.next().is_some() { Err(wrong()) } else { Ok(Action::LogTail { lines, file }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Vec<OsString> {
        line.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_command_lines_words_stay_words() {
        for (line, action) in [
            (&["start"][..], Action::Start(vec![])),
            (&["start", "a b", "'c"], Action::Start(words(&["a b", "'c"]))),
            (&["fg", "-x"], Action::Foreground(words(&["-x"]))),
            (&["foreground"], Action::Foreground(vec![])),
            (&["status", "-l"], Action::Status(Form::Long)),
            (&["status", "--json"], Action::Status(Form::Json)),
            (&["kill", "9"], Action::Kill(Signal::Number(9))),
            (&["kill 9"], Action::Kill(Signal::Number(9))),
            (&["try-restart"], Action::TryRestart),
            (&["condrestart"], Action::TryRestart),
            (&["force-reload"], Action::TryRestart),
            (&["kill-9"], Action::Kill(Signal::Invalid("-9".into()))),
            (&["?", "start"], Action::Help("start".into())),
            (&["?start"], Action::Help("start".into())),
            (&["help"], Action::Help("".into())),
            (&["!ls", "-l"], Action::Shell("ls -l".into())),
            (&["stop", " "], Action::Stop),
            (&["exit"], Action::Quit),
            (&["logtail", "a b"], Action::LogTail { lines: 10, file: Some("a b".into()) }),
        ] {
            assert_eq!(Action::from_words(&words(line)).expect("an action"), action, "{line:?}");
        }
    }

    #[test]
    fn a_line_is_split_where_the_action_takes_words() {
        for (line, action) in [
            ("  stop  ", Action::Stop),
            (" try-restart ", Action::TryRestart),
            ("start a 'b c'", Action::Start(words(&["a", "b c"]))),
            ("shell echo 'a  b' ; ls", Action::Shell("echo 'a  b' ; ls".into())),
            ("!", Action::Shell("".into())),
            ("! ls", Action::Shell("ls".into())),
            ("?", Action::Help("".into())),
            ("EOF", Action::EndOfFile),
            ("quit", Action::Quit),
            (" exit ", Action::Quit),
            ("reload", Action::Reload(vec![])),
            ("reload -C 'a b'", Action::Reload(words(&["-C", "a b"]))),
            ("show all", Action::Show("all".into())),
            ("logtail", Action::LogTail { lines: 10, file: None }),
            ("logtail -n 3 x", Action::LogTail { lines: 3, file: Some("x".into()) }),
            ("logtail -n3", Action::LogTail { lines: 3, file: None }),
            ("reopen_transcript", Action::ReopenTranscript),
            ("check", Action::Check),
            ("logreopen", Action::LogReopen),
            ("restart", Action::Restart),
            ("wait", Action::Wait),
            ("status", Action::Status(Form::Line)),
            ("reexec", Action::Reexec),
        ] {
            assert_eq!(Action::from_line(OsStr::new(line)).expect("an action"), action, "{line}");
        }
    }

    #[test]
    fn signals_are_names_and_numbers() {
        for (typed, number) in [
            ("", Some(15)),
            ("hup", Some(1)),
            ("SIGUSR2", Some(12)),
            ("SigKill", Some(9)),
            ("-KILL", None),
            ("-9", None),
            ("+9", Some(9)),
            ("0", Some(0)),
            ("40", Some(40)),
            ("99", None),
            ("-1", None),
            ("32", None),
            ("foo", None),
            ("9 9", None),
        ] {
            let expected = number.map_or_else(|| Signal::Invalid(typed.into()), Signal::Number);
            assert_eq!(signal(&words(&typed.split(' ').collect::<Vec<_>>())), expected, "{typed}");
        }
    }

    #[test]
    fn what_is_no_action_is_refused() {
        for (line, text) in [
            (&["foo"][..], "unknown action 'foo'; for a list, use zdctl help"),
            (&["stop-it!", "x"], "stop takes no argument: '-it! x'; options stand before the action"),
            (
                &["try-restarted"],
                "unknown action 'try-restarted'; did you mean 'try-restart'; for a list, use zdctl help",
            ),
            (&["-x"], "unknown action '-x'; for a list, use zdctl help"),
            (&[""], "unknown action ''; for a list, use zdctl help"),
            (&["status", "x"], "status argument must be absent, -l or --json"),
            (&["logtail", "-n"], "logtail arguments must be [-n LINES] [FILE]"),
            (&["logtail", "-n", "x"], "logtail arguments must be [-n LINES] [FILE]"),
            (&["logtail", "a", "b"], "logtail arguments must be [-n LINES] [FILE]"),
        ] {
            let failure = Action::from_words(&words(line)).expect_err("it is no action");
            assert_eq!(failure.to_string(), text, "{line:?}");
        }
        let failure = Action::from_line(OsStr::new("start 'a")).expect_err("half a quote");
        assert_eq!(failure.to_string(), "no closing '");
    }

    #[test]
    fn argument_that_an_action_does_not_take_is_refused() {
        for action in [
            "stop",
            "restart",
            "try-restart",
            "condrestart",
            "force-reload",
            "wait",
            "check",
            "logreopen",
            "reopen_transcript",
            "reexec",
            "quit",
            "exit",
            "EOF",
        ] {
            let text = format!("{action} takes no argument: 'now'");
            let failure = Action::from_words(&words(&[action, "now"])).expect_err("one word too many");
            assert_eq!(failure.to_string(), text);
            let line = format!(" {action} now ");
            let failure = Action::from_line(OsStr::new(&line)).expect_err("one word too many");
            assert_eq!(failure.to_string(), text);
        }
    }

    #[test]
    fn most_likely_action_is_named() {
        for (typed, meant) in [
            ("sotp", "stop"),
            ("Stop", "stop"),
            ("statsu", "status"),
            ("strat", "start"),
            ("re-start", "restart"),
            ("reopen-transcript", "reopen_transcript"),
            ("try_restart", "try-restart"),
            ("logtial", "logtail"),
            ("exti", "exit"),
        ] {
            let text =
                format!("unknown action '{typed}'; did you mean '{meant}'; for a list, use zdctl help");
            let failure = Action::from_words(&words(&[typed])).expect_err("it is misspelt");
            assert_eq!(failure.to_string(), text);
        }
    }
}
