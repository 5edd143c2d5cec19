//! The generated texts of an instance's files as they were before a person edited them, kept beside the files: what
//! `--update` merges edits with.
//!
//! The record is a TOML table of texts by the files' names. Nothing depends on its being right: a text counts only for a
//! file whose stamp ([`super::stamp`]) has its checksum. A file without a text here is an edited one that cannot be merged.

use std::collections::BTreeMap;
use std::io;

use super::home::Home;
use super::stamp::{Stamp, Stamped, stamped};
use super::{Error, included};
use crate::sys::tree::{FileKind, SafeTree};

/// The record, below the home.
const RECORD: &str = "etc/.mkzeoinst-pristine.toml";

/// Begins the record.
const TITLE: &str =
    "# What mkzeoinst made the files of this instance from; `mkzeoinst --update` merges edits with it.\n";

/// The texts by the names of their files below the home.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PristineTexts(BTreeMap<String, String>);

impl PristineTexts {
    /// Reads the record; one that is missing or cannot be understood is an empty one.
    ///
    /// # Errors
    /// [`Error::System`] and [`Error::Link`].
    pub fn read(tree: &SafeTree, home: &Home) -> Result<Self, Error> {
        let read = included::text(tree, &home.join(RECORD))?;
        let text = read.and_then(|read| String::from_utf8(read.bytes).ok());
        Ok(Self(text.and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()))
    }

    /// The text that a file was made from.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Records what a file that will have these contents was made from, where that is known: the text whose checksum its
    /// stamp has, of the one that was recorded, the file's own and the new one.
    pub fn set(&mut self, name: &str, recorded: Option<&str>, contents: Option<&[u8]>, new: &str) {
        self.0.remove(name);
        let Some(Stamped { text, stamp: Some(stamp) }) = contents.map(Stamped::read) else { return };
        let text_of = |text| String::from_utf8(text).ok();
        let candidates =
            [recorded.map(str::to_owned), text_of(text), text_of(Stamped::read(new.as_bytes()).text)];
        let is_pristine = |text: &String| Stamp::of(text.as_bytes()).checksum == stamp.checksum;
        if let Some(text) = candidates.into_iter().flatten().find(is_pristine) {
            self.0.insert(name.to_owned(), text);
        }
    }

    /// Writes the record.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn write(&self, tree: &SafeTree, home: &Home) -> Result<(), Error> {
        let path = home.join(RECORD);
        let failed = |error| Error::system("write", &path, error);
        let table = toml::to_string_pretty(&self.0).map_err(|error| failed(io::Error::other(error)))?;
        let text = stamped(&format!("{TITLE}\n{table}"));
        if tree.look(&path).map_err(failed)?.what == FileKind::File {
            return tree.replace(&path, text.as_bytes(), |_| true).map(drop).map_err(failed);
        }
        tree.create(&path, text.as_bytes(), 0o666).map_err(failed)
    }
}
