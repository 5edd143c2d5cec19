//! Putting manual pages and completions where they are looked for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::instance::Error;
use crate::instance::apply::Step;
use crate::sys::files;

use super::{PROGRAMS, SHELLS};

/// The options that ask for it.
#[derive(Debug, Default, Args)]
#[allow(clippy::doc_markdown)] // it is a help text
pub struct Wanted {
    /// Write the manual pages of all programs below DIR, which is such as /usr/local/share
    ///
    /// They go to DIR/man/man1. No instance is made.
    #[arg(long, value_name = "DIR", conflicts_with = "home", value_hint = clap::ValueHint::DirPath)]
    install_man: Option<PathBuf>,

    /// Write completions for bash, zsh and fish below DIR, which is such as /usr/local/share
    ///
    /// They go to DIR/bash-completion/completions, DIR/zsh/site-functions and DIR/fish/vendor_completions.d. No instance
    /// is made.
    #[arg(long, value_name = "DIR", conflicts_with = "home", value_hint = clap::ValueHint::DirPath)]
    install_completions: Option<PathBuf>,
}

impl Wanted {
    /// Whether anything is asked for.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.install_man.is_some() || self.install_completions.is_some()
    }

    /// The files, with their contents.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let pages = self.install_man.iter().flat_map(|share| {
            PROGRAMS
                .iter()
                .map(move |program| (share.join(format!("man/man1/{}.1", program.name)), program.page()))
        });
        let named = || PROGRAMS.iter().flat_map(|program| program.names().map(move |name| (program, name)));
        let scripts = self.install_completions.iter().flat_map(|share| {
            named().flat_map(move |(program, name)| {
                let script = move |shell, place: fn(&str) -> String| {
                    (share.join(place(name)), program.completion(name, shell))
                };
                SHELLS.iter().map(move |(shell, place)| script(*shell, *place))
            })
        });
        pages.chain(scripts).collect()
    }
}

/// Writes what is asked for, telling each step after it is done. What is there and the same stays as it is; what differs
/// is from another version, and goes.
///
/// # Errors
/// [`Error::System`] names the path and the reason; what was written before stays.
pub fn run(wanted: &Wanted, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    for (path, contents) in wanted.files() {
        if let Some(directory) = path.parent() {
            make_directories(directory, tell)?;
        }
        let failed = |error| Error::system("write", &path, error);
        if fs::read(&path).is_ok_and(|present| present == contents.as_bytes()) {
            continue;
        }
        match files::create(&path, contents.as_bytes(), 0o644) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let replaced = files::replace(&path, contents.as_bytes(), |_| true).map_err(failed)?;
                if !replaced {
                    return Err(failed(io::Error::other("it is not a file")));
                }
            }
            result => result.map_err(failed)?,
        }
        tell(Step::Wrote(&path));
    }
    Ok(())
}

fn make_directories(path: &Path, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    let missing = path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.is_dir());
    let missing: Vec<_> = missing.collect();
    for directory in missing.into_iter().rev() {
        fs::create_dir(directory).map_err(|error| Error::system("create directory", directory, error))?;
        tell(Step::CreatedDirectory(directory));
    }
    Ok(())
}
