//! The event log: what the programs themselves have to say, written to log files, the standard streams or syslog.
//!
//! [`Settings`] are plain values that `config` fills from an `<eventlog>` section; [`EventLog::open`] makes a log of
//! them that any number of threads may write to. Formats, rotation and the names of levels are those of Python's
//! logging, so that what reads the peers' logs reads ours.
//!
//! What it promises:
//!
//! - **Logging never stops or blocks the program.** A record that cannot be written is counted and forgotten; the first
//!   one is told on stderr, every later record is a new try, and when one succeeds `lost N records: REASON` goes before
//!   it. What a local disk or a network file system makes write(2) wait for is the one wait left.
//! - **One record, one write**, to a file opened for appending, so several processes may share it. A record that was
//!   cut short by a full disk is ended with a newline before the next one.
//! - **A log is never lost to another program's tidying**: a deleted file is made anew, a rotated log that was moved
//!   away is begun anew, and [`EventLog::reopen`] opens the new file before it lets go of the old one.
//!
//! `<http-logger>` and `<email-notifier>` are not served: a log that waits for a web or mail server breaks the first
//! promise. `config` refuses them with a message that says so.
//!
//! It must not know the configuration language, nor which program writes.

mod clock;
mod conversion;
mod encoding;
mod error;
mod fatal;
mod file;
mod format;
mod level;
mod line;
mod log;
mod outlet;
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
