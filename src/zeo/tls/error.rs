//! Why there is no encryption.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::sys::system_error::os_error_text;

/// What is wrong with the files that `<ssl>` names. The words of its keys are `config`'s.
#[derive(Debug, Error)]
pub enum Error {
    /// A file or directory cannot be read.
    #[error("cannot read {}: {}", .path.display(), os_error_text(.source))]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is too long for what it is to hold.
    #[error("{} is longer than {most} bytes: no file of certificates", .path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
        /// How many bytes are read.
        most: u64,
    },
    /// A file is not what it is to be.
    #[error("{}: {why}", .path.display())]
    Contents {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
}

impl Error {
    /// A file is not what it is to be.
    pub(super) fn contents(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Contents { path: path.into(), why: why.into() }
    }
}
