//! The event log: messages of the programs themselves, written to log files, the standard streams or syslog.
//!
//! [`Settings`] are plain values that `config` fills from an `<eventlog>` section; [`EventLog::open`] opens the log that
//! they describe, which threads may share. Formats, rotation and level names are those of Python's logging, so that
//! tools for the logs of the Python programs work.
//!
//! Guarantees:
//!
//! - **Logging never stops or blocks the program.** A record that cannot be written is dropped and counted; the first
//!   failure is reported on stderr. Each later record is another attempt, and the first one that succeeds is preceded by
//!   `lost N records: REASON`. Only write(2) to a slow disk or network file system can still wait.
//! - **One record, one write**, in append mode, so several processes may share a file. After a record that a full disk
//!   cut short, the next one begins on a new line.
//! - **Log rotation by other programs loses nothing**: a deleted file is created again, a log with rotation settings
//!   that was moved away is started again, and [`EventLog::reopen`] opens the new file before it closes the old one.
//!
//! `<http-logger>` and `<email-notifier>` are not supported, because waiting for a web or mail server would break the
//! first guarantee; `config` refuses them.
//!
//! This module must not know the configuration language, nor which program writes.

mod clock;
mod conversion;
mod encoding;
mod error;
mod fatal;
mod file;
mod format;
mod handler;
mod level;
mod line;
mod log;
mod record;
mod rotation;
mod schedule;
mod settings;
mod sink;
mod syslog;

#[cfg(test)]
mod tests;

pub use error::{Error, FormatError};
pub use level::Level;
pub use log::EventLog;
pub use settings::{Handler, Layout, LogFile, Rotation, Settings, Syslog, SyslogAddress, Target};
