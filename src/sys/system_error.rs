//! The errors of system calls, as a person reads them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The plain text of an error: `No such file or directory`, without Rust's ` (os error 2)`.
#[must_use]
pub fn os_error_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

/// What was tried, on which path, and why it failed. Reads as `cannot open /srv/zeo: Permission denied`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {verb} {}: {}", path.display(), os_error_text(source))]
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
        os_error_text(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_the_system_without_a_number() {
        assert_eq!(os_error_text(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(os_error_text(&io::Error::other("odd")), "odd");
    }
}
