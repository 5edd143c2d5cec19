//! A record and its fields, as Python's `LogRecord` has them.

use std::borrow::Cow;
use std::panic::Location;
use std::path::Path;

use super::clock::Moment;
use super::level::Level;
use crate::sys::local_time::{DatePattern, LocalTime};
use crate::sys::process::thread_id;

/// What happened.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) level: Level,
    pub(super) logger: &'a str,
    pub(super) message: &'a str,
    /// When.
    pub(super) created: Moment,
    /// When the log was opened.
    pub(super) started: Moment,
    /// The source line that logged.
    pub(super) place: &'static Location<'static>,
}

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    LevelNumber,
    LevelName,
    PathName,
    FileName,
    Module,
    LineNumber,
    FunctionName,
    Created,
    Asctime,
    Milliseconds,
    RelativeCreated,
    Thread,
    ThreadName,
    Process,
    ProcessName,
    Message,
    Arguments,
    /// `exc_info`, `exc_text` and `stack_info`: our records carry no traceback.
    Traceback,
    /// One that no record has, let through because the configuration says so; an empty text.
    Arbitrary,
}

/// The fields by name (ZCONFIG section 15).
const FIELDS: &[(&str, Field)] = &[
    ("name", Field::Name),
    ("levelno", Field::LevelNumber),
    ("levelname", Field::LevelName),
    ("pathname", Field::PathName),
    ("filename", Field::FileName),
    ("module", Field::Module),
    ("lineno", Field::LineNumber),
    ("funcName", Field::FunctionName),
    ("created", Field::Created),
    ("asctime", Field::Asctime),
    ("msecs", Field::Milliseconds),
    ("relativeCreated", Field::RelativeCreated),
    ("thread", Field::Thread),
    ("threadName", Field::ThreadName),
    ("process", Field::Process),
    ("processName", Field::ProcessName),
    ("message", Field::Message),
    ("msg", Field::Message),
    ("args", Field::Arguments),
    ("exc_info", Field::Traceback),
    ("exc_text", Field::Traceback),
    ("stack_info", Field::Traceback),
];

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Float,
    /// Another object of Python's.
    Object,
}

impl Field {
    /// All names.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().map(|(name, _)| *name)
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            // An arbitrary field is checked as the peers check it: as the number 42.
            Self::LevelNumber | Self::LineNumber | Self::Thread | Self::Process | Self::Arbitrary => {
                Kind::Integer
            }
            Self::Created | Self::Milliseconds | Self::RelativeCreated => Kind::Float,
            Self::Arguments | Self::Traceback => Kind::Object,
            _ => Kind::Text,
        }
    }
}

/// What a field is in one record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
    /// What is the same in each record, and never in quotes.
    Constant(&'static str),
}

impl<'a> Record<'a> {
    /// A field's value, `asctime` by `dates`.
    pub(super) fn value(&self, field: Field, dates: &Dates) -> Value<'a> {
        let text = |text: &'a str| Value::Text(Cow::Borrowed(text));
        match field {
            Field::Name => text(self.logger),
            Field::LevelNumber => Value::Integer(self.level.0.into()),
            Field::LevelName => Value::Text(self.level.name()),
            Field::PathName => text(self.place.file()),
            Field::FileName => text(part(self.place.file(), Path::file_name)),
            Field::Module => text(part(self.place.file(), Path::file_stem)),
            Field::LineNumber => Value::Integer(self.place.line().into()),
            // What Python's logging writes where it cannot find the name out.
            Field::FunctionName => text("(unknown function)"),
            Field::Created => Value::Float(self.created.as_float()),
            Field::Asctime => {
                let mut made = String::new();
                dates.push(self.created, &mut made);
                Value::Text(Cow::Owned(made))
            }
            Field::Milliseconds => Value::Float(self.created.milliseconds().into()),
            Field::RelativeCreated => {
                Value::Float((self.created.as_float() - self.started.as_float()) * 1000.0)
            }
            Field::Thread => Value::Integer(thread_id().into()),
            Field::ThreadName => Value::Text(thread_name()),
            Field::Process => Value::Integer(std::process::id().into()),
            Field::ProcessName => text("MainProcess"),
            Field::Message => text(self.message),
            Field::Arguments => Value::Constant("()"),
            Field::Traceback => Value::Constant("None"),
            Field::Arbitrary => Value::Constant(""),
        }
    }
}

/// A part of a source file's path, which is UTF-8 as a whole.
fn part<'a>(file: &'a str, which: fn(&'a Path) -> Option<&'a std::ffi::OsStr>) -> &'a str {
    which(Path::new(file)).and_then(std::ffi::OsStr::to_str).unwrap_or(file)
}

/// The thread's name; the first one's is Python's name for it.
fn thread_name() -> Cow<'static, str> {
    let thread = std::thread::current();
    match thread.name() {
        Some("main") => Cow::Borrowed("MainThread"),
        Some(name) => Cow::Owned(name.to_owned()),
        None => Cow::Owned(format!("Thread-{}", thread_id())),
    }
}

/// How `asctime` is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Dates {
    pattern: DatePattern,
    /// Whether `,123` follows.
    milliseconds: bool,
}

impl Dates {
    /// By a strftime pattern; a blank one means the form of Python's logging, `2003-01-24 11:49:27,123`. `None` when
    /// it holds a NUL character.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let milliseconds = pattern.is_empty();
        let pattern = DatePattern::new(if milliseconds { "%Y-%m-%d %H:%M:%S" } else { pattern })?;
        Some(Self { pattern, milliseconds })
    }

    /// Appends a moment in local time. When the C library cannot (the year does not fit, the text is endless), the
    /// seconds since 1970 stand in.
    pub(super) fn push(&self, moment: Moment, out: &mut String) {
        use std::fmt::Write;
        let done = LocalTime::at(moment.seconds).is_some_and(|local| local.text(&self.pattern, out));
        if !done {
            let _ = write!(out, "{}", moment.seconds);
        }
        if self.milliseconds {
            let _ = write!(out, ",{:03}", moment.milliseconds());
        }
    }
}
