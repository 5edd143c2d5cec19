//! What an `<eventlog>` section says, as plain values.

use std::path::PathBuf;

use super::level::Level;

/// An `<eventlog>` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Records below this are dropped before any handler sees them; default info.
    pub level: Level,
    /// Where records go, in file order; empty: nowhere.
    pub handlers: Vec<Handler>,
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    /// Records below this are not for this handler; default 0.
    pub level: Level,
    /// The form of a line.
    pub layout: Layout,
    /// Where the line goes.
    pub target: Target,
}

/// The form of a record's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The pattern in Python's `%` style, escapes such as `\n` already replaced; blank: the bare message.
    pub format: String,
    /// strftime pattern of `asctime`; default `%Y-%m-%dT%H:%M:%S`.
    pub dateformat: String,
    /// Unknown fields in `format` are let through.
    pub arbitrary_fields: bool,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
    /// A file.
    File(LogFile),
    /// A syslog daemon.
    Syslog(Syslog),
}

/// A log file and its rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// The file, created when missing.
    pub path: PathBuf,
    /// When a new file is begun.
    pub rotation: Rotation,
    /// Open at the first record, not at start.
    pub delay: bool,
    /// Text encoding by its Python name; absent: UTF-8.
    pub encoding: Option<String>,
}

/// When a log file is moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// Never; the administrator's tools do it.
    None,
    /// Before it would pass `max_size` bytes, keeping `old_files` as `.1`, `.2` ...
    Size {
        /// Bytes.
        max_size: u64,
        /// Number of old files kept.
        old_files: u32,
    },
    /// Each `interval` units of `when` (S, M, H, D, midnight, W0-W6), keeping `old_files`.
    Time {
        /// The unit as written.
        when: String,
        /// Units; at least 1.
        interval: u32,
        /// Number of old files kept.
        old_files: u32,
    },
}

/// A syslog destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// Facility name, lower case.
    pub facility: String,
    /// Local socket, or host and port (UDP).
    pub address: SyslogAddress,
}

/// Where the syslog daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A local datagram socket such as `/dev/log`.
    Unix(PathBuf),
    /// UDP.
    Udp {
        /// Host name or address.
        host: String,
        /// Port; syslog's is 514.
        port: u16,
    },
}
