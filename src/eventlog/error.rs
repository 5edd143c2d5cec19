//! Errors in a log's settings or destination.

use std::io;
use std::path::PathBuf;

use crate::sys::system_error::os_error_text;

/// Why a log could not be opened or reopened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A log file.
    #[error("cannot open log file '{}': {}", path.display(), os_error_text(source))]
    Open {
        /// The file, absolute.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An encoding that is not supported.
    #[error("cannot write log file '{}' in encoding '{encoding}': only utf-8, ascii and latin-1 are known", path.display())]
    Encoding {
        /// The file, as configured.
        path: PathBuf,
        /// The name of the encoding.
        encoding: String,
    },
    /// An unknown rotation unit.
    #[error("cannot rotate log file '{}' by '{when}': only S, M, H, D, midnight and W0 to W6 are known", path.display())]
    When {
        /// The file, as configured.
        path: PathBuf,
        /// The unit as written.
        when: String,
    },
    /// A facility that syslog does not have.
    #[error("unknown syslog facility '{0}'")]
    Facility(String),
    /// A syslog daemon's address.
    #[error("cannot reach syslog at '{address}': {}", os_error_text(source))]
    Syslog {
        /// The socket, or host and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A format that [`super::Layout::check`] refuses.
    #[error("invalid log format: {0}")]
    Format(#[from] FormatError),
    /// Log files, at least one, could not be reopened.
    #[error("{}", joined(.0))]
    Several(Vec<Error>),
    /// A format that would write the same line for every record.
    #[error("invalid log format '{format}': it holds no field")]
    NoField {
        /// The format, one line of it.
        format: String,
    },
}

fn joined(errors: &[Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What is wrong with a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It ends before the letter of a conversion.
    #[error("it ends within a placeholder")]
    Incomplete,
    /// `%(` without a `)`.
    #[error("a '%(' without its ')'")]
    UnclosedName,
    /// A letter that is not a conversion in Python.
    #[error("unknown conversion {0:?}")]
    UnknownConversion(char),
    /// A field that no record has.
    #[error("unknown field '{0}'")]
    UnknownField(String),
    /// A conversion for numbers on a field that is not such a number.
    #[error("'%{0}' cannot format this field, which is not a suitable number")]
    NotANumber(char),
    /// A placeholder without a field, after the first.
    #[error("a placeholder without a field")]
    FieldMissing,
    /// A width or precision that would fill memory.
    #[error("a width or precision above 9999")]
    TooWide,
    /// The date format holds a NUL character.
    #[error("a NUL character")]
    NulInDate,
}
