//! The error for a system call on a path.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reason::reason;

/// What was tried, on which path, and why it failed. Reads as `cannot open /srv/zeo: Permission denied`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {verb} {}: {}", path.display(), reason(source))]
pub struct SystemError {
    /// What was tried, in words that follow "cannot".
    pub verb: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// Why it failed. Shared, since one failed fsync(2) fails several transactions.
    pub source: Arc<io::Error>,
}

impl SystemError {
    /// The error of `verb` on `path`.
    #[must_use]
    pub fn new(verb: &'static str, path: &Path, source: io::Error) -> Self {
        Self { verb, path: path.to_owned(), source: Arc::new(source) }
    }

    /// The plain text of the system's reason.
    #[must_use]
    pub fn reason(&self) -> String {
        reason(&self.source)
    }
}
