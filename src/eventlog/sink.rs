//! Where lines go.

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
    /// Opens a destination. Records that it cannot take yet (a FIFO without a reader, a syslog daemon that is not up)
    /// are no reason to fail.
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
    /// It is lost, wholly or but for its beginning.
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

    /// Opens a file anew.
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

    /// What went wrong beside the writing, to be told once.
    pub(super) fn trouble(&mut self) -> Option<String> {
        match self {
            Self::File(file) => file.trouble(),
            Self::Stream(_) | Self::Syslog(_) => None,
        }
    }

    pub(super) fn is_stderr(&self) -> bool {
        matches!(self, Self::Stream(StreamSink { stream: Stream::Stderr, .. }))
    }

    /// What a person calls it.
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

/// A standard stream. Whatever descriptor 1 or 2 is when a record comes, so that a program that detaches takes its log
/// along.
pub(super) struct StreamSink {
    stream: Stream,
    torn: Torn,
}

enum Stream {
    Stdout,
    Stderr,
}

impl StreamSink {
    /// Without the locks of the standard library: a thread that waits in `println` would make us wait too.
    fn write(&mut self, line: &Line) -> io::Result<()> {
        self.torn.write(line, |bytes| match self.stream {
            Stream::Stdout => unblocked::write(io::stdout().as_fd(), bytes),
            Stream::Stderr => unblocked::write(io::stderr().as_fd(), bytes),
        })
    }
}
