//! Destinations of records.

use std::io;
use std::os::fd::AsFd;

use super::clock::{Clock, Moment};
use super::encoding::Encoding;
use super::error::Error;
use super::file::FileSink;
use super::level::Level;
use super::line::{Line, Text, Torn};
use super::settings::Target;
use super::syslog::SyslogSink;
use crate::sys::nonblocking;

/// A destination. A standard stream is whatever descriptor 1 or 2 is when a record is written, so that a program that
/// detaches and redirects them redirects its log.
pub(super) enum Sink {
    Stdout(Torn),
    Stderr(Torn),
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
            Target::Stdout => Self::Stdout(Torn::default()),
            Target::Stderr => Self::stderr(),
            Target::File(file) => Self::File(FileSink::open(file, clock)?),
            Target::Syslog(syslog) => Self::Syslog(SyslogSink::open(syslog)?),
        })
    }

    /// The standard error.
    pub(super) fn stderr() -> Self {
        Self::Stderr(Torn::default())
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
            // Not by `println`: a thread that blocks in it would block the log too.
            Self::Stdout(torn) => {
                line.set(text, Encoding::Utf8);
                torn.write(line, |bytes| nonblocking::write(io::stdout().as_fd(), bytes))
            }
            Self::Stderr(torn) => {
                line.set(text, Encoding::Utf8);
                torn.write(line, |bytes| nonblocking::write(io::stderr().as_fd(), bytes))
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

    /// The log file, if it is one.
    pub(super) fn file(&mut self) -> Option<&mut FileSink> {
        match self {
            Self::File(file) => Some(file),
            _ => None,
        }
    }

    pub(super) fn is_stderr(&self) -> bool {
        matches!(self, Self::Stderr(_))
    }

    /// The name in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout(_) => "the log to the standard output".to_owned(),
            Self::Stderr(_) => "the log to the standard error".to_owned(),
            Self::File(file) => format!("log file '{}'", file.path().display()),
            Self::Syslog(syslog) => format!("to syslog at '{}'", syslog.name()),
        }
    }
}
