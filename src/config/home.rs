//! Whether a configuration is that of the home it lies in.
//!
//! The files of an instance name absolute paths, so a copy of a home goes on meaning the original: who starts the copy
//! starts, stops and rotates the other one.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Settings;

/// Two homes where a person may think of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherHome {
    /// The configuration file, as the person named it.
    pub file: PathBuf,
    /// Where it lies.
    pub own: PathBuf,
    /// What it names.
    pub named: PathBuf,
}

/// The home that a file `HOME/etc/NAME` names, if it is another one than `HOME`: its `directory` is not `HOME`, and has an
/// `etc/NAME` of its own. `None` also where that cannot be seen.
#[must_use]
pub fn other_home(settings: &Settings) -> Option<OtherHome> {
    let file = settings.config_file.as_deref()?;
    let named = settings.runner.directory.as_deref()?;
    let within = file.parent()?;
    let name = file.file_name()?;
    let etc = if within.as_os_str().is_empty() { Path::new(".") } else { within };
    // By what they are, not by their names: a home may be reached in many ways.
    if same(&etc.join(".."), named)? {
        return None;
    }
    let theirs = named.join("etc").join(name);
    if same(file, &theirs)? {
        return None;
    }
    let own = fs::canonicalize(etc).ok()?;
    if own.file_name()? != "etc" {
        return None;
    }
    Some(OtherHome { file: file.to_owned(), own: own.parent()?.to_owned(), named: named.to_owned() })
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
    use crate::zconfig::World;

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
        let world = World::fixed(top.join(own), std::collections::HashMap::new());
        let mut settings = resolve_in(&flags, &world).unwrap();
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
    fn directory_that_is_no_home_is_nobodys() {
        assert_eq!(seen("one", "bare"), None);
        assert_eq!(seen("one", ""), None);
    }

    #[test]
    fn without_a_file_or_a_directory_there_is_nothing_to_compare() {
        let settings = resolve_in(
            &Flags { program: Some(vec!["p".into()]), ..Flags::default() },
            &World::fixed("/".into(), std::collections::HashMap::new()),
        );
        assert_eq!(other_home(&settings.unwrap()), None);
    }
}
