//! Whether a configuration belongs to the instance home that it lies in.
//!
//! The files of an instance name absolute paths, so those in a copy of a home still refer to the original: zeoctl in the
//! copy starts, stops and rotates the logs of the other one.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Settings, server};
use crate::eventlog::Target;
use crate::sys::files;

/// A configuration in one home that is about another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherHome {
    /// The configuration file, as the person named it.
    pub file: PathBuf,
    /// Where it lies.
    pub own: PathBuf,
    /// What it names.
    pub named: PathBuf,
}

impl fmt::Display for OtherHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, own, named) = (self.file.display(), self.own.display(), self.named.display());
        write!(f, "{file} lies in {own}, but is about the instance in {named}; ")?;
        write!(f, "to make it {own}'s own, run mkzeoinst --update {own}")
    }
}

/// The home that a file `HOME/etc/NAME` for `zdctl` and `zdrun` names, if it is another one than `HOME`: its `directory` is
/// not `HOME`, and has an `etc/NAME` of its own. `None` also where that cannot be seen.
#[must_use]
pub fn other_home(settings: &Settings) -> Option<OtherHome> {
    let (file, named) = (settings.config_file.as_deref()?, settings.runner.directory.as_deref()?);
    let place = Place::of(file)?;
    // Comparing names costs nothing, and nearly always suffices.
    if place.home_by_name() == Some(named) || place.is_home(named)? {
        return None;
    }
    place.has_namesake(named).then(|| place.other(named)).flatten()
}

/// The home that a file `HOME/etc/NAME` for the server names, if it is another one than `HOME`: files of the server lie below
/// it and none below `HOME`, and it has an `etc/NAME` of its own. `None` also where that cannot be seen.
#[must_use]
pub fn other_server_home(file: &Path, settings: &server::Settings) -> Option<OtherHome> {
    let place = Place::of(file)?;
    let data = settings.storages.iter().filter_map(|storage| match &storage.place {
        server::Place::File(file) => Some(file.path.as_path()),
        server::Place::Memory(_) => None,
    });
    let logs = settings.event_log.handlers.iter().filter_map(|handler| match &handler.target {
        Target::File(file) => Some(file.path.as_path()),
        _ => None,
    });
    let files: Vec<&Path> = data.chain(logs).collect();
    let own = place.home_by_name();
    if own.is_some_and(|own| files.iter().any(|file| file.starts_with(own))) {
        return None;
    }
    let above = || files.iter().flat_map(|file| file.ancestors().skip(1));
    if above().any(|directory| place.is_home(directory) == Some(true)) {
        return None;
    }
    // A file /etc/NAME makes no home of the root directory.
    let homes = above().filter(|directory| directory.parent().is_some());
    place.other(homes.into_iter().find(|home| place.has_namesake(home))?)
}

/// A file that may be one of a home.
struct Place<'a> {
    file: &'a Path,
    name: &'a OsStr,
    etc: &'a Path,
}

impl<'a> Place<'a> {
    fn of(file: &'a Path) -> Option<Self> {
        Some(Self { file, name: file.file_name()?, etc: files::parent(file) })
    }

    /// The home as far as names go.
    fn home_by_name(&self) -> Option<&'a Path> {
        self.etc.parent().filter(|_| self.etc.ends_with("etc"))
    }

    /// Whether a directory is the home. By what they are, not by their names: a home may be reached in many ways.
    fn is_home(&self, directory: &Path) -> Option<bool> {
        same(&self.etc.join(".."), directory)
    }

    /// Whether a directory has another file in the same place.
    fn has_namesake(&self, directory: &Path) -> bool {
        same(self.file, &directory.join("etc").join(self.name)) == Some(false)
    }

    fn other(&self, named: &Path) -> Option<OtherHome> {
        let own = fs::canonicalize(self.etc).ok()?;
        if own.file_name()? != "etc" {
            return None;
        }
        Some(OtherHome { file: self.file.to_owned(), own: own.parent()?.to_owned(), named: named.to_owned() })
    }
}

/// Whether both are the same file or directory; `None`: one is not there.
fn same(one: &Path, other: &Path) -> Option<bool> {
    let (one, other) = (fs::metadata(one).ok()?, fs::metadata(other).ok()?);
    Some((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, resolve_in};
    use crate::zconfig::Environment;

    /// What `etc/c.conf` of `own` means, read in `own`, when it names `named`.
    fn seen(own: &str, named: &str) -> Option<(PathBuf, PathBuf)> {
        let place = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(place.path()).unwrap();
        for home in ["one", "two"] {
            fs::create_dir_all(top.join(home).join("etc")).unwrap();
        }
        fs::create_dir(top.join("bare")).unwrap();
        std::os::unix::fs::symlink("one", top.join("link")).unwrap();
        let text = format!("<runner>\n program p\n directory {}\n</runner>\n", top.join(named).display());
        for home in ["one", "two"] {
            fs::write(top.join(home).join("etc/c.conf"), &text).unwrap();
        }
        let flags = Flags { configure: Some("etc/c.conf".into()), ..Flags::default() };
        let environment = Environment::fixed(top.join(own), std::collections::HashMap::new());
        let mut settings = resolve_in(&flags, &environment).unwrap();
        settings.config_file = Some(top.join(own).join("etc/c.conf"));
        let relative = |path: PathBuf| path.strip_prefix(&top).unwrap().to_owned();
        other_home(&settings).map(|other| (relative(other.own), relative(other.named)))
    }

    #[test]
    fn copy_of_a_home_names_the_original() {
        assert_eq!(seen("two", "one"), Some(("two".into(), "one".into())));
        assert_eq!(seen("two", "link"), Some(("two".into(), "link".into())));
    }

    #[test]
    fn own_home_is_known_by_any_name() {
        assert_eq!(seen("one", "one"), None);
        assert_eq!(seen("one", "link"), None);
        assert_eq!(seen("link", "one"), None);
    }

    #[test]
    fn directory_that_is_no_home_is_ignored() {
        assert_eq!(seen("one", "bare"), None);
        assert_eq!(seen("one", ""), None);
    }

    /// What `etc/zeo.conf` of `own` means for the server, with the data in one place and the log in another.
    fn served(own: &str, data: &str, log: &str) -> Option<(PathBuf, PathBuf)> {
        let place = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(place.path()).unwrap();
        for directory in ["one/etc", "one/var", "two/etc", "two/var", "bare/var"] {
            fs::create_dir_all(top.join(directory)).unwrap();
        }
        std::os::unix::fs::symlink("one", top.join("link")).unwrap();
        let (data, log) = (top.join(data).display().to_string(), top.join(log).display().to_string());
        let text = format!(
            "<zeo>\naddress 1\n</zeo>\n<filestorage>\npath {data}\n</filestorage>\n<eventlog>\n<logfile>\npath {log}\n\
             </logfile>\n</eventlog>\n"
        );
        for home in ["one", "two"] {
            fs::write(top.join(home).join("etc/zeo.conf"), &text).unwrap();
        }
        let file = top.join(own).join("etc/zeo.conf");
        let settings =
            server::resolve(&server::Flags { configure: Some(file.clone()), ..server::Flags::default() });
        let relative = |path: PathBuf| path.strip_prefix(&top).unwrap().to_owned();
        other_server_home(&file, &settings.unwrap()).map(|other| (relative(other.own), relative(other.named)))
    }

    #[test]
    fn server_of_a_copied_home_has_the_data_of_the_original() {
        let copied = |named: &str| Some(("two".into(), named.into()));
        assert_eq!(served("two", "one/var/Data.fs", "one/log"), copied("one"));
        assert_eq!(served("two", "bare/var/Data.fs", "link/log"), copied("link"));
        assert_eq!(served("one", "one/var/Data.fs", "one/log"), None);
        assert_eq!(served("one", "link/var/Data.fs", "bare/log"), None, "its own by another name");
        assert_eq!(
            served("two", "one/var/Data.fs", "two/log"),
            None,
            "a home with files in two places is no copy"
        );
        assert_eq!(served("two", "bare/var/Data.fs", "bare/log"), None);
    }

    #[test]
    fn without_a_file_or_a_directory_there_is_nothing_to_compare() {
        let settings = resolve_in(
            &Flags { program: Some(vec!["p".into()]), ..Flags::default() },
            &Environment::fixed("/".into(), std::collections::HashMap::new()),
        );
        assert_eq!(other_home(&settings.unwrap()), None);
    }
}
