//! What a load sees of the process around it: its environment and its working directory.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The surroundings of a load. A program uses [`World::process`]; a test brings its own, so that loads can run side
/// by side.
#[derive(Debug, Clone, Default)]
pub struct World {
    directory: PathBuf,
    variables: Option<HashMap<String, String>>,
    trusting: bool,
}

impl World {
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

    /// The same, where everything that a value names is taken to be there and is not looked at.
    #[must_use]
    pub fn trusting(self) -> Self {
        Self { trusting: true, ..self }
    }

    /// Whether what a value names is taken to be there.
    #[must_use]
    pub fn is_trusting(&self) -> bool {
        self.trusting
    }

    /// Whether a directory is there.
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

    /// Where a path leads from here: unchanged for this process, which the system resolves itself.
    #[must_use]
    pub fn place(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    /// The absolute working directory; `None` where it cannot be told (it was removed, say).
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        if self.directory.as_os_str().is_empty() {
            std::env::current_dir().ok()
        } else {
            Some(self.directory.clone())
        }
    }
}
