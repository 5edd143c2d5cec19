//! The templates that instances were made of before: what a person edited then is merged with what is made today.
//!
//! Which text was edited is known by its checksum alone ([`super::stamp`]); what has to be kept is what it was rendered
//! from. A release that changes a built-in template keeps the text of the release before below `templates/old/VERSION`,
//! and a site does the same below `old/NAME` of its own directory. A set holds what has changed since, under the names
//! that it had; what it lacks is as today. Those who begin with templates of their own have made instances of ours.

use std::path::{Path, PathBuf};

use include_dir::Dir;

use super::template::Templates;
use super::{Error, built_in};

/// The directory with older sets, in one of templates.
pub const DIRECTORY: &str = "old";

/// Every set of templates but today's: each of ours with each of the site's, and without any.
///
/// # Errors
/// As [`Templates::with`].
pub fn sets(directory: Option<&Path>) -> Result<Vec<Templates>, Error> {
    let ours: Vec<Option<&Dir<'_>>> = [None].into_iter().chain(built_in::older().map(Some)).collect();
    let mut theirs = vec![None];
    if let Some(directory) = directory {
        theirs.push(Some(directory.to_owned()));
        theirs.extend(below(&directory.join(DIRECTORY))?.into_iter().map(Some));
    }
    let pairs = ours.iter().flat_map(|ours| theirs.iter().map(move |theirs| (*ours, theirs.as_deref())));
    let today = (true, directory);
    let others = pairs.filter(|(ours, theirs)| (ours.is_none(), *theirs) != today);
    let layered = |(ours, theirs)| Templates::layered(ours, theirs).map_err(|error| within(theirs, error));
    others.map(layered).collect()
}

/// The error, with the directory that the template is in: the name alone would be that of today's.
fn within(directory: Option<&Path>, error: Error) -> Error {
    match (directory, error) {
        (Some(directory), Error::Template { name, line, column, message }) => {
            Error::Template { name: directory.join(name).display().to_string(), line, column, message }
        }
        (_, error) => error,
    }
}

/// The directories in one that may not be there.
fn below(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::system("read", directory, error);
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut found = paths.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    found.retain(|path| path.is_dir());
    found.sort();
    Ok(found)
}
