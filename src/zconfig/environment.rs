//! What a load depends on beside the files: environment variables and the working directory.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment of a load. A program uses [`Environment::process`]; tests use their own, so that they can run in
/// parallel.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    directory: PathBuf,
    variables: Option<HashMap<String, String>>,
    trusting: bool,
}

impl Environment {
    /// The working directory and the environment of this process.
    #[must_use]
    pub fn process() -> Self {
        Self::default()
    }

    /// A directory against which relative paths are judged, and the only variables that are set.
    #[must_use]
    pub fn fixed(directory: PathBuf, variables: HashMap<String, String>) -> Self {
        Self { directory, variables: Some(variables), trusting: false }
    }

    /// The same, but files and directories that values name are assumed to exist, without a look.
    #[must_use]
    pub fn trusting(self) -> Self {
        Self { trusting: true, ..self }
    }

    /// Whether files that values name are assumed to exist.
    #[must_use]
    pub fn is_trusting(&self) -> bool {
        self.trusting
    }

    /// Whether a directory exists.
    #[must_use]
    pub fn has_directory(&self, path: &Path) -> bool {
        self.trusting || self.place(path).is_dir()
    }

    /// An environment variable; `None` when it is not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<OsString> {
        match &self.variables {
            None => std::env::var_os(name),
            Some(variables) => variables.get(name).map(OsString::from),
        }
    }

    /// A path, relative to the directory of this environment; unchanged for that of the process.
    #[must_use]
    pub fn place(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    /// The absolute working directory; `None` where it is unknown, for example because it was removed.
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        if self.directory.as_os_str().is_empty() {
            std::env::current_dir().ok()
        } else {
            Some(self.directory.clone())
        }
    }
}
