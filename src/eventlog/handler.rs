//! An open handler: threshold, format, destination, and the count of lost records.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use super::clock::Clock;
use super::error::Error;
use super::file::FileSink;
use super::format::Format;
use super::level::Level;
use super::line::{Line, MAX_KEPT_BYTES, Text};
use super::record::Record;
use super::settings::Handler;
use super::sink::Sink;
use crate::sys::nonblocking;
use crate::sys::system_error::os_error_text;

/// An open handler.
pub(super) struct OpenHandler {
    level: Level,
    layout: Format,
    sink: Sink,
    lost: Option<Lost>,
}

/// Records lost since the last one that was written.
#[derive(Debug)]
struct Lost {
    count: u64,
    /// Why the first one was lost.
    reason: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = if self.count == 1 { "record" } else { "records" };
        write!(formatter, "lost {} {records}: {}", self.count, self.reason)
    }
}

/// Buffers reused for every record.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    notice: String,
    text: String,
    line: Line,
}

impl OpenHandler {
    /// Opens a handler.
    ///
    /// # Errors
    /// A bad format, encoding or rotation; a destination that cannot be opened.
    pub(super) fn open(handler: &Handler, clock: &dyn Clock) -> Result<Self, Error> {
        let layout = Format::new(&handler.layout)?;
        let sink = Sink::open(&handler.target, clock)?;
        Ok(Self { level: handler.level, layout, sink, lost: None })
    }

    /// Warnings and above as `NAME: MESSAGE` on stderr.
    pub(super) fn stderr_warnings() -> Self {
        Self { level: Level::WARNING, layout: Format::name_and_message(), sink: Sink::stderr(), lost: None }
    }

    /// The threshold.
    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Writes a record, or counts it as lost. The first one written after a loss carries the count.
    pub(super) fn emit(&mut self, record: &Record<'_>, scratch: &mut Scratch, clock: &dyn Clock) {
        let Scratch { notice, text, line } = scratch;
        for text in [&mut *notice, &mut *text] {
            text.clear();
            text.shrink_to(MAX_KEPT_BYTES);
        }
        if let Some(lost) = &self.lost {
            let message = lost.to_string();
            self.layout.push(&Record { level: Level::WARNING, message: &message, ..*record }, notice);
        }
        self.layout.push(record, text);
        let lost = self.lost.is_some().then_some(&**notice);
        match self.sink.write(&Text { level: record.level, record: text, lost }, line, record.created, clock)
        {
            Ok(()) => self.lost = None,
            Err(error) => self.count_lost(&error),
        }
        if let Some(message) = self.file().and_then(FileSink::take_rotation_error) {
            self.emit(&Record { level: Level::WARNING, message: &message, ..*record }, scratch, clock);
        }
    }

    /// Counts a lost record, and reports the first on stderr.
    fn count_lost(&mut self, error: &io::Error) {
        if let Some(lost) = &mut self.lost {
            lost.count += 1;
            return;
        }
        let reason = match error.kind() {
            io::ErrorKind::WouldBlock => "its reader is too slow".to_owned(),
            _ => os_error_text(error),
        };
        if !self.sink.is_stderr() {
            report_on_stderr(&format!("cannot write {}: {reason}", self.sink.name()));
        }
        self.lost = Some(Lost { count: 1, reason });
    }

    /// The log file that it writes, if it is one.
    pub(super) fn file(&mut self) -> Option<&mut FileSink> {
        self.sink.file()
    }
}

/// Writes a message to stderr, after the name that the program was called by. A failure is ignored: there is nowhere left
/// to report it.
fn report_on_stderr(what: &str) {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    let _ = nonblocking::write(io::stderr().as_fd(), format!("{program}: {what}\n").as_bytes());
}
