//! A site's own templates: a directory laid out like the built-in one.
//!
//! A file of the name of a built-in template takes its place. Any other is a template as well, for a file of the same
//! path below the home, executable if the template is, unless `manifest.toml` beside it says something else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use walkdir::WalkDir;

use super::manifest::{self, Entry, Manifest};
use super::{Error, home};

/// Adds the templates in a directory.
///
/// # Errors
/// [`Error::System`] for what cannot be read; [`Error::Template`] for a manifest that cannot be understood, and for one
/// that names a template that is not there.
pub fn add(
    directory: &Path,
    manifest: &mut Manifest,
    texts: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let mut plain = Vec::new();
    let mut own = Manifest::default();
    for entry in WalkDir::new(directory).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(directory).to_owned();
            Error::system("read", &path, error.into())
        })?;
        let path = entry.path();
        // What an editor or a person keeps beside a template is none.
        let is_hidden = entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
        if !entry.file_type().is_file() || is_hidden || path.as_os_str().as_encoded_bytes().ends_with(b"~") {
            continue;
        }
        let text = fs::read_to_string(path).map_err(|error| Error::system("read", path, error))?;
        let name = home::text("template", path.strip_prefix(directory).unwrap_or(path))?;
        if name == manifest::NAME {
            own = Manifest::read(&path.display().to_string(), &text)?;
            continue;
        }
        let mode = fs::metadata(path).map_err(|error| Error::system("look at", path, error))?.mode();
        plain.push((name.clone(), if mode & 0o100 == 0 { 0o666 } else { 0o777 }));
        texts.insert(name, text);
    }
    if let Some(entry) = own.files.iter().find(|entry| !texts.contains_key(entry.template())) {
        let message = format!("there is no such template in {}", directory.display());
        return Err(Error::Template { name: entry.template().to_owned(), line: 0, column: 0, message });
    }
    manifest.extend(own);
    let entries: Vec<_> = plain.into_iter().filter(|(name, _)| !manifest.uses(name)).collect();
    manifest.files.extend(entries.into_iter().map(|(name, mode)| Entry::plain(&name, mode)));
    Ok(())
}
