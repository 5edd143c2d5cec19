//! The templates that are part of the program, and how others are laid over them.

use std::collections::BTreeMap;
use std::path::Path;

use include_dir::{Dir, include_dir};

use super::manifest::{self, Manifest};
use super::{Error, older, site};

/// All of `templates/`.
pub(super) static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The text of an embedded template.
pub(super) fn embedded(name: &str) -> Result<&'static str, Error> {
    let text = TEMPLATES.get_file(name).and_then(include_dir::File::contents_utf8);
    text.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::Template { name: name.to_owned(), line: 0, column: 0, message: "there is no such file".to_owned() }
}

/// The built-in templates of earlier versions, as far as they are not today's.
pub(super) fn older() -> impl Iterator<Item = &'static Dir<'static>> {
    TEMPLATES.get_dir(older::DIRECTORY).into_iter().flat_map(Dir::dirs)
}

/// The built-in templates, over them those of an earlier version, over them those in a directory.
pub(super) fn layers(
    earlier: Option<&Dir<'_>>,
    directory: Option<&Path>,
) -> Result<(Manifest, BTreeMap<String, String>), Error> {
    let mut manifest = Manifest::read(manifest::NAME, embedded(manifest::NAME)?)?;
    let mut texts = BTreeMap::new();
    list(&TEMPLATES, &mut texts);
    texts.remove(manifest::NAME);
    if let Some(earlier) = earlier {
        overlay(earlier, earlier.path(), &mut manifest, &mut texts)?;
    }
    if let Some(directory) = directory {
        site::add(directory, &mut manifest, &mut texts)?;
    }
    Ok((manifest, texts))
}

/// Lists today's templates. (To look up each by its name would take the longer the more there are.)
fn list(directory: &Dir<'_>, texts: &mut BTreeMap<String, String>) {
    for file in directory.files() {
        if let (Some(name), Some(text)) = (file.path().to_str(), file.contents_utf8()) {
            texts.insert(name.to_owned(), text.to_owned());
        }
    }
    let today = directory.dirs().filter(|below| below.path() != Path::new(older::DIRECTORY));
    today.for_each(|below| list(below, texts));
}

/// Lays what is in an embedded directory over what there is.
fn overlay(
    directory: &Dir<'_>,
    top: &Path,
    manifest: &mut Manifest,
    texts: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    for file in directory.files() {
        let name = file.path().strip_prefix(top).unwrap_or(file.path()).display().to_string();
        let text = file.contents_utf8().ok_or_else(|| missing(&name))?;
        if name == manifest::NAME {
            manifest.extend(Manifest::read(&name, text)?);
        } else {
            texts.insert(name, text.to_owned());
        }
    }
    directory.dirs().try_for_each(|below| overlay(below, top, manifest, texts))
}
