//! Which file a program's name means.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Error;
use crate::sys::program::{self, ProgramError};

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The file, absolute.
    pub file: PathBuf,
    /// The words, the first as given.
    pub words: Vec<OsString>,
}

impl Command {
    /// Finds the program that `words` begin with: a word with a `/` is a path from the working directory, others are
    /// looked for along the PATH that the program is to have, that of `environment` or else our own.
    ///
    /// # Errors
    /// No word; nothing there; nothing that may be executed.
    pub fn find(words: &[OsString], environment: &[(String, String)]) -> Result<Self, Error> {
        let name = words.first().ok_or(Error::NoProgram)?;
        let path = environment.iter().rfind(|(name, _)| name == "PATH").map(|(_, path)| path.into());
        let path = path.or_else(|| env::var_os("PATH")).unwrap_or_default();
        let found = program::find(name, &path, Path::new(""));
        let found = found.map_err(Error::Program)?;
        // Made absolute: the program is started from another directory.
        let file = std::path::absolute(&found)
            .map_err(|source| Error::Program(ProgramError::NotFound { file: found, source }))?;
        Ok(Self { file, words: words.to_vec() })
    }

    /// The same for a program that is not to be started, wherever it is.
    pub fn without_file(words: &[OsString]) -> Self {
        Self { file: words.first().map(PathBuf::from).unwrap_or_default(), words: words.to_vec() }
    }
}
