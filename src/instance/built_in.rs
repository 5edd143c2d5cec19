//! The templates that are part of the program.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};

use super::Error;

/// All of `templates/`.
pub(super) static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The text of an embedded file.
pub(super) fn embedded(name: &str) -> Result<&'static str, Error> {
    let text = TEMPLATES.get_file(name).and_then(include_dir::File::contents_utf8);
    let message = || "there is no such file".to_owned();
    text.ok_or_else(|| Error::Template { name: name.to_owned(), line: 0, column: 0, message: message() })
}

/// Adds the texts of all files in an embedded directory. (To look up each by its name would take the longer the more there
/// are.)
pub(super) fn list(directory: &Dir<'_>, texts: &mut BTreeMap<String, String>) {
    for file in directory.files() {
        if let (Some(name), Some(text)) = (file.path().to_str(), file.contents_utf8()) {
            texts.insert(name.to_owned(), text.to_owned());
        }
    }
    directory.dirs().for_each(|below| list(below, texts));
}
