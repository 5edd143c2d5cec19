//! Where values come from: TOML files and the command line, one over the other.
//!
//! Three files have the same form: the site's defaults (`/etc/mkzeoinst.toml`), another file named in their place, and
//! the instance's own record (`etc/mkzeoinst.toml` below the home), which remembers what options have set, so that an
//! update does not take it back. Each key is a variable; `with` and `templates` are what the options of these names take,
//! and `address` may be a list.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Error;
use super::home::Home;
use super::quote::shown;
use super::stamp::stamped;
use super::variables::{self, Kind};
use crate::sys::tree::{FileKind, SafeTree};

/// The site's defaults.
pub const SITE: &str = "/etc/mkzeoinst.toml";

/// The instance's record, below its home.
pub const RECORD: &str = "etc/mkzeoinst.toml";

/// Records are shorter.
const MAX_BYTES: u64 = 1 << 20;

/// Values from one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Variables, as text.
    pub values: BTreeMap<String, String>,
    /// The extras to add.
    pub with: Vec<String>,
    /// A directory with a site's own templates.
    pub templates: Option<PathBuf>,
}

impl Settings {
    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::System`] where it cannot be read, [`Error::Settings`] with the line of what is wrong.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            // Anything else in its place is reported where the file is to be made.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::system("read", path, error)),
        };
        Self::parse(path, &text).map(Some)
    }

    /// Reads the instance's record; `None` where there is none.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn recorded(tree: &SafeTree, home: &Home) -> Result<Option<Self>, Error> {
        let path = home.join(RECORD);
        let failed = |error| Error::system("read", &path, error);
        let seen = match tree.look(&path) {
            // Here as there.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            seen => seen.map_err(failed)?,
        };
        match seen.what {
            FileKind::Nothing | FileKind::DanglingLink => Ok(None),
            FileKind::File => {
                let read = seen.read(MAX_BYTES).map_err(failed)?;
                let text = String::from_utf8(read.bytes)
                    .map_err(|_| failed(io::Error::other("it is not in UTF-8")))?;
                let settings = Self::parse(&path, &text)?;
                match settings.abuse(home).filter(|_| !read.is_closed) {
                    Some(why) => Err(Error::InTheWay { verb: "use", path, why }),
                    None => Ok(Some(settings)),
                }
            }
            FileKind::Directory | FileKind::Other => {
                Err(failed(io::Error::other("it is not a regular file")))
            }
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let fault = |message: String| Error::Settings { path: path.to_owned(), message };
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line =
                error.span().map_or(0, |span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
            fault(format!("line {line}: {}", error.message().replace('\n', ", ")))
        })?;
        let mut settings = Self::default();
        for (key, value) in table {
            let wrong = |wanted: &str| fault(format!("{key}: {wanted} is wanted"));
            match (key.as_str(), value) {
                ("with", Value::Array(names)) => {
                    let names = names.into_iter().map(|name| name.as_str().map(str::to_owned));
                    settings.with = names.collect::<Option<_>>().ok_or_else(|| wrong("a list of names"))?;
                }
                ("with", _) => return Err(wrong("a list of names")),
                ("templates", Value::String(directory)) => {
                    let beside = path.parent().unwrap_or(path);
                    settings.templates = Some(beside.join(directory));
                }
                ("address", Value::Array(several)) => {
                    let several =
                        several.into_iter().map(|one| plain("address", one)).collect::<Option<Vec<_>>>();
                    let several = several.ok_or_else(|| wrong("an address, or a list of them,"))?;
                    settings.values.insert(key, several.join("\n"));
                }
                ("templates", _) => return Err(wrong("a directory")),
                (_, value) => {
                    let text =
                        plain(&key, value).ok_or_else(|| wrong("text, a whole number, true or false"))?;
                    settings.values.insert(key, text);
                }
            }
        }
        Ok(settings)
    }

    /// These settings, and where they say nothing, those.
    #[must_use]
    pub fn over(&self, lower: &Self) -> Self {
        let mut values = lower.values.clone();
        values.extend(self.values.clone());
        let mut with = lower.with.clone();
        with.extend(self.with.iter().filter(|name| !lower.with.contains(name)).cloned());
        Self { values, with, templates: self.templates.clone().or_else(|| lower.templates.clone()) }
    }

    /// What a record must not say that others can write in: they could have a directory made for them anywhere, or any
    /// file, for which a symbolic link among templates stands, copied to where they can read it.
    fn abuse(&self, home: &Home) -> Option<&'static str> {
        if self.places().any(|place| !home.holds(place)) {
            return Some("it names a directory outside the home, and another user can write in it");
        }
        let templates = self.templates.as_ref();
        templates.map(|_| "it names a directory of templates, and another user can write in it")
    }

    /// The directories that are made where they say.
    fn places(&self) -> impl Iterator<Item = &str> {
        ["log", "var", "blobs"].into_iter().filter_map(|name| self.values.get(name).map(String::as_str))
    }

    /// Sets a variable from `NAME=VALUE`.
    ///
    /// # Errors
    /// [`Error::Variable`] where there is no `=`.
    pub fn set(&mut self, assignment: &str) -> Result<(), Error> {
        let Some((name, value)) = assignment.split_once('=') else {
            let why = "NAME=VALUE is wanted".to_owned();
            return Err(Error::Variable { name: shown(assignment), why });
        };
        self.values.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// The settings as the instance's record.
    #[must_use]
    pub fn record(&self) -> String {
        let mut table: Table =
            self.values.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        if !self.with.is_empty() {
            table.insert(
                "with".to_owned(),
                Value::Array(self.with.iter().cloned().map(Value::String).collect()),
            );
        }
        if let Some(directory) = &self.templates {
            table.insert("templates".to_owned(), Value::String(directory.display().to_string()));
        }
        stamped(&format!("{TITLE}\n{table}"))
    }
}

/// Begins a record.
const TITLE: &str = "# What options of mkzeoinst have set for this instance
#
# Read when mkzeoinst is run again; options that are given then come first and
# are added here.
";

/// A value as a command line would give it.
fn plain(name: &str, value: Value) -> Option<String> {
    let octal = || variables::all().iter().any(|known| known.name == name && known.kind == Kind::Octal);
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) if number >= 0 && octal() => Some(format!("{number:03o}")),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s.toml");
        fs::write(&path, text).unwrap();
        let shown = path.display().to_string();
        let top = place.path().display().to_string();
        let read = Settings::read(&path).map_err(|error| error.to_string().replace(&shown, "FILE"));
        read.map(|settings| {
            let mut settings = settings.unwrap();
            settings.templates =
                settings.templates.map(|t| t.display().to_string().replace(&top, "TOP").into());
            settings
        })
    }

    #[test]
    fn every_type_becomes_what_a_command_line_would_give() {
        let text = "umask = 0o027\nbackoff_limit = 20\nforever = true\nuser = 'zope'\nwith = ['a', 'b']\ntemplates = 't'\n";
        let settings = read(text).unwrap();
        let values: Vec<_> = settings.values.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            values,
            [("backoff_limit", "20"), ("forever", "true"), ("umask", "027"), ("user", "zope")]
        );
        assert_eq!(
            (settings.with, settings.templates),
            (vec!["a".to_owned(), "b".to_owned()], Some("TOP/t".into()))
        );
        assert_eq!(Settings::read(Path::new("/nonexistent/x.toml")).unwrap(), None);
    }

    #[test]
    fn fault_is_told_with_file_and_place() {
        assert!(read("a = 1\nb = \n").unwrap_err().starts_with("settings 'FILE': line 2: "));
        assert_eq!(
            read("a = 1.5").unwrap_err(),
            "settings 'FILE': a: text, a whole number, true or false is wanted"
        );
        assert_eq!(read("with = 'a'").unwrap_err(), "settings 'FILE': with: a list of names is wanted");
    }

    #[test]
    fn higher_settings_win_and_a_record_reads_back() {
        let mut high = read("user = 'a'\nwith = ['x']\n").unwrap();
        let low = read("user = 'b'\nlevel = 'debug'\nwith = ['y', 'x']\n").unwrap();
        high.set("name=q\"=\\").unwrap();
        let both = high.over(&low);
        assert_eq!(both.values["user"], "a");
        assert_eq!(both.values["level"], "debug");
        assert_eq!(both.with, ["y", "x"]);
        assert_eq!(read(&both.record()).unwrap(), both);
        assert!(high.set("name").is_err());
    }
}
