//! Destinations of records.

use std::io;
use std::os::fd::{AsFd, RawFd};

use super::clock::{Clock, Moment};
use super::encoding::Encoding;
use super::error::Error;
use super::file::FileSink;
use super::level::Level;
use super::line::{Line, Text, Torn};
use super::settings::Target;
use super::syslog::SyslogSink;
use crate::sys::unblocked;

/// A destination.
pub(super) enum Sink {
    Stream(StreamSink),
    File(FileSink),
    Syslog(SyslogSink),
}

impl Sink {
    /// Opens a destination. One that cannot take records yet (a FIFO without a reader, a syslog daemon that is down) is
    /// not an error.
    ///
    /// # Errors
    /// A file that cannot be opened, a host that is not known.
    pub(super) fn open(target: &Target, clock: &dyn Clock) -> Result<Self, Error> {
        Ok(match target {
            Target::Stdout => Self::Stream(StreamSink { stream: Stream::Stdout, torn: Torn::default() }),
            Target::Stderr => Self::stderr(),
            Target::File(file) => Self::File(FileSink::open(file, clock)?),
            Target::Syslog(syslog) => Self::Syslog(SyslogSink::open(syslog)?),
        })
    }

    /// The standard error.
    pub(super) fn stderr() -> Self {
        Self::Stream(StreamSink { stream: Stream::Stderr, torn: Torn::default() })
    }

    /// Writes a record, using `line` for its bytes.
    ///
    /// # Errors
    /// The record is lost, or truncated.
    pub(super) fn write(
        &mut self,
        text: &Text<'_>,
        line: &mut Line,
        now: Moment,
        clock: &dyn Clock,
    ) -> io::Result<()> {
        match self {
            Self::Stream(stream) => {
                line.set(text, Encoding::Utf8);
                stream.write(line)
            }
            Self::File(file) => {
                line.set(text, file.encoding());
                file.write(line, now, clock)
            }
            Self::Syslog(syslog) => {
                text.lost.map_or(Ok(()), |lost| syslog.write(Level::WARNING, lost))?;
                syslog.write(text.level, text.record)
            }
        }
    }

    /// Reopens a file.
    ///
    /// # Errors
    /// It cannot be opened; the old one stays in use.
    pub(super) fn reopen(&mut self) -> Result<(), Error> {
        match self {
            Self::File(file) => file.reopen(),
            Self::Stream(_) | Self::Syslog(_) => Ok(()),
        }
    }

    /// The descriptor of an open log file.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        match self {
            Self::File(file) => file.descriptor(),
            Self::Stream(_) | Self::Syslog(_) => None,
        }
    }

    /// Why rotation failed, reported once.
    pub(super) fn take_rotation_error(&mut self) -> Option<String> {
        match self {
            Self::File(file) => file.take_rotation_error(),
            Self::Stream(_) | Self::Syslog(_) => None,
        }
    }

    pub(super) fn is_stderr(&self) -> bool {
        matches!(self, Self::Stream(StreamSink { stream: Stream::Stderr, .. }))
    }

    /// The name in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stream(StreamSink { stream: Stream::Stdout, .. }) => {
                "the log to the standard output".to_owned()
            }
            Self::Stream(StreamSink { stream: Stream::Stderr, .. }) => {
                "the log to the standard error".to_owned()
            }
            Self::File(file) => format!("log file '{}'", file.path().display()),
            Self::Syslog(syslog) => format!("to syslog at '{}'", syslog.name()),
        }
    }
}

/// A standard stream: whatever descriptor 1 or 2 is when a record is written, so that a program that detaches and
/// redirects them redirects its log.
pub(super) struct StreamSink {
    stream: Stream,
    torn: Torn,
}

enum Stream {
    Stdout,
    Stderr,
}

impl StreamSink {
    /// Does not take the standard library's lock: a thread that blocks in `println` would block the log too.
    fn write(&mut self, line: &Line) -> io::Result<()> {
        self.torn.write(line, |bytes| match self.stream {
            Stream::Stdout => unblocked::write(io::stdout().as_fd(), bytes),
            Stream::Stderr => unblocked::write(io::stderr().as_fd(), bytes),
        })
    }
}
