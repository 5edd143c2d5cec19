//! Which file a program's name means.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::control::repr;
use crate::sys::process::{DEFAULT_PATH, has_execute_bit, may_execute};

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
    /// looked for along PATH.
    ///
    /// # Errors
    /// No word; nothing there; nothing that may be executed.
    pub fn find(words: &[OsString]) -> Result<Self, Error> {
        let name = words.first().ok_or(Error::NoProgram)?;
        let file = if name.as_bytes().contains(&b'/') { by_path(Path::new(name))? } else { on_path(name)? };
        if file.is_dir() || !may_execute(&file) {
            return Err(Error::NotExecutable { file });
        }
        Ok(Self { file, words: words.to_vec() })
    }
}

fn by_path(file: &Path) -> Result<PathBuf, Error> {
    fs::metadata(file).map_err(|source| Error::Stat { file: file.to_owned(), source })?;
    // Made absolute: the program is started from another directory.
    std::path::absolute(file).map_err(|source| Error::Stat { file: file.to_owned(), source })
}

fn on_path(name: &OsString) -> Result<PathBuf, Error> {
    let search = env::var_os("PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| DEFAULT_PATH.into());
    let directories: Vec<PathBuf> = env::split_paths(&search).collect();
    let found = directories.iter().map(|directory| directory.join(name)).find(|file| has_execute_bit(file));
    match found {
        Some(file) => by_path(&file),
        None => Err(Error::NotOnPath {
            name: name.to_string_lossy().into_owned(),
            search: repr::quote_list(&directories),
        }),
    }
}
