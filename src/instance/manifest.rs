//! The list of an instance's files: which template makes which file, with what permission bits, and which extra asks for it.
//!
//! It lies beside the templates as `manifest.toml` and explains itself there.

use std::borrow::Cow;

use serde::Deserialize;

use super::Error;
use super::variables::{Fallback, Kind, Variable};

/// The manifest's name in a directory of templates.
pub const NAME: &str = "manifest.toml";

/// The files of an instance in the order in which they are written, and what only their templates name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The files.
    #[serde(default, rename = "file")]
    pub files: Vec<Entry>,
    /// Variables besides those that every template may name.
    #[serde(default, rename = "variable")]
    pub variables: Vec<Declared>,
}

/// A file of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its path below the home; it may name variables.
    pub path: String,
    /// The template that makes it.
    #[serde(default)]
    template: Option<String>,
    /// The permission bits that it asks for.
    #[serde(default = "plain_mode")]
    pub mode: u32,
    /// What asks for it; `None`: every instance has it.
    #[serde(default)]
    pub with: Option<String>,
}

/// A variable of these templates.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    name: String,
    #[serde(rename = "type", default)]
    kind: Kind,
    #[serde(default)]
    default: String,
    #[serde(default)]
    meaning: String,
}

/// What open(2) asks for where nothing else is said.
fn plain_mode() -> u32 {
    0o666
}

impl Manifest {
    /// Reads a manifest; `name` is what a message calls it.
    ///
    /// # Errors
    /// [`Error::Template`] with the line and column of the fault.
    pub fn read(name: &str, text: &str) -> Result<Self, Error> {
        let fault = |line, column, message| Error::Template { name: name.to_owned(), line, column, message };
        let manifest: Self = toml::from_str(text).map_err(|error| {
            let (line, column) = error.span().map_or((0, 0), |span| place(text, span.start));
            fault(line, column, error.message().replace('\n', ", "))
        })?;
        for entry in &manifest.files {
            if entry.mode & !0o777 != 0 {
                return Err(fault(0, 0, format!("mode of '{}' is not within 0o777", entry.path)));
            }
        }
        for Declared { name, .. } in &manifest.variables {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
                return Err(fault(0, 0, format!("'{name}' cannot be the name of a variable")));
            }
        }
        Ok(manifest)
    }

    /// The entries of an instance with these extras.
    pub fn of<'a>(&'a self, with: &'a [String]) -> impl Iterator<Item = &'a Entry> {
        self.files.iter().filter(|entry| entry.with.as_ref().is_none_or(|name| with.contains(name)))
    }

    /// Whether some file is made by this template.
    #[must_use]
    pub fn uses(&self, template: &str) -> bool {
        self.files.iter().any(|entry| entry.template() == template)
    }

    /// The permission bits of the file that a template makes; those of a plain one where it makes none.
    #[must_use]
    pub fn mode(&self, template: &str) -> u32 {
        let made = self.files.iter().find(|entry| entry.template() == template);
        made.map_or_else(plain_mode, |entry| entry.mode)
    }

    /// What may be asked for with `--with`, in order.
    #[must_use]
    pub fn extras(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.files.iter().filter_map(|entry| entry.with.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Lets another manifest's entries take the place of those for the same path, or come after the others.
    pub fn extend(&mut self, other: Self) {
        for entry in other.files {
            match self.files.iter_mut().find(|present| present.path == entry.path) {
                Some(present) => *present = entry,
                None => self.files.push(entry),
            }
        }
        self.variables.extend(other.variables);
    }
}

impl Entry {
    /// A file that every instance has, made by the template of the same name.
    #[must_use]
    pub fn plain(path: &str, mode: u32) -> Self {
        Self { path: path.to_owned(), template: None, mode, with: None }
    }

    /// The template that makes the file.
    #[must_use]
    pub fn template(&self) -> &str {
        self.template.as_deref().unwrap_or(&self.path)
    }
}

impl Declared {
    /// The variable in the form of the built-in ones.
    #[must_use]
    pub fn variable(&self) -> Variable {
        Variable {
            name: Cow::Owned(self.name.clone()),
            kind: self.kind,
            default: Fallback::Text(Cow::Owned(self.default.clone())),
            meaning: Cow::Owned(self.meaning.clone()),
        }
    }
}

/// Line and column, from 1, of a place in a text.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Manifest::read("m.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn entry_is_a_plain_file_unless_it_says_more() {
        let text = "[[file]]\npath = 'etc/a'\n[[file]]\npath = 'b-{{ name }}'\ntemplate = 'b'\nmode = 0o755\nwith = 'x'\n";
        let manifest = Manifest::read("m", text).unwrap();
        let [plain, full] = &manifest.files[..] else { panic!("{manifest:?}") };
        assert_eq!((plain.template(), plain.mode, &plain.with), ("etc/a", 0o666, &None));
        assert_eq!((full.template(), full.mode, full.with.as_deref()), ("b", 0o755, Some("x")));
        assert_eq!(manifest.extras(), ["x"]);
        assert_eq!(manifest.of(&[]).count(), 1);
        assert_eq!(manifest.of(&["x".to_owned()]).count(), 2);
    }

    #[test]
    fn fault_is_told_with_its_place() {
        assert_eq!(
            refused("[[file]]\npath = 'a'\nmod = 1\n"),
            "template m.toml:3:1: unknown field `mod`, expected one of `path`, `template`, `mode`, `with`"
        );
        assert!(
            refused("[[file]]\npath = 'a\n").starts_with("template m.toml:2:"),
            "{}",
            refused("[[file]]\npath = 'a\n")
        );
        assert_eq!(
            refused("[[file]]\npath='a'\nmode=0o4755"),
            "template m.toml: mode of 'a' is not within 0o777"
        );
        assert_eq!(
            refused("[[variable]]\nname='a-b'"),
            "template m.toml: 'a-b' cannot be the name of a variable"
        );
    }

    #[test]
    fn other_manifest_replaces_and_adds() {
        let mut manifest = Manifest::read("m", "[[file]]\npath='a'\n[[file]]\npath='b'\n").unwrap();
        manifest.extend(Manifest::read("m", "[[file]]\npath='c'\n[[file]]\npath='a'\nmode=0o600\n").unwrap());
        let seen: Vec<_> = manifest.files.iter().map(|entry| (entry.path.as_str(), entry.mode)).collect();
        assert_eq!(seen, [("a", 0o600), ("b", 0o666), ("c", 0o666)]);
    }
}
