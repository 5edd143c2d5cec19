//! The instance's home directory, as an absolute path that text files can hold.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::Error;
use crate::sys::tree::SafeTree;

/// The server's configuration, below the home.
pub const SERVER: &str = "etc/zeo.conf";

/// The manager's.
pub const MANAGER: &str = "etc/zeoctl.conf";

/// An absolute path without `.` and `..`, in UTF-8 and on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(String);

impl Home {
    /// The home that `typed` means to a process in the directory `current`.
    ///
    /// `..` is taken away without changing what the path means to the system: the parent of a symbolic link's target
    /// where a link precedes it. What does not exist yet will be made as a plain directory and counts as one.
    ///
    /// # Errors
    /// [`Error::Inexpressible`] for an empty path, and for what a configuration file cannot hold. [`Error::System`] and
    /// [`Error::InTheWay`] where `..` follows something that leads nowhere.
    pub fn new(typed: &Path, current: &Path) -> Result<Self, Error> {
        if typed.as_os_str().is_empty() {
            return Err(Error::Inexpressible { role: "home", path: typed.to_owned(), why: "it is empty" });
        }
        let mut path = PathBuf::new();
        for component in current.join(typed).components() {
            match component {
                Component::ParentDir => path = parent(&path)?,
                Component::CurDir => {}
                other => path.push(other),
            }
        }
        text("home", &path).map(Self)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Opens it, or the nearest directory above it that is there.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn open(&self) -> Result<SafeTree, Error> {
        SafeTree::open(self.path()).map_err(|error| Error::system("open", self.path(), error))
    }

    /// A path in it.
    #[must_use]
    pub fn join(&self, relative: &str) -> PathBuf {
        self.path().join(relative)
    }

    /// Whether a path, a relative one taken from the home, lies in it.
    #[must_use]
    pub fn holds(&self, path: impl AsRef<Path>) -> bool {
        let inside = self.path().join(path);
        inside.starts_with(self.path()) && inside.components().all(|part| part != Component::ParentDir)
    }

    /// The last part of the path, in characters that a name in an init script may have; `zeo` for the root directory.
    #[must_use]
    pub fn name(&self) -> String {
        let base = self.path().file_name().map_or_else(|| "zeo".into(), |name| name.to_string_lossy());
        base.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
    }
}

/// Whether a name in an init script may have this character: there is no quoting in the comments that it stands in.
pub(super) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// A path as text for the generated files.
///
/// # Errors
/// [`Error::Inexpressible`], where `role` says what the path is for.
pub fn text(role: &'static str, path: &Path) -> Result<String, Error> {
    let refused = |why| Err(Error::Inexpressible { role, path: path.to_owned(), why });
    match path.to_str() {
        None => refused("a configuration file cannot hold a name that is not UTF-8"),
        Some(text) if text.contains('\n') => {
            refused("a configuration file cannot hold a line break in a name")
        }
        Some(text) => Ok(text.to_owned()),
    }
}

/// What `path/..` means to the system.
fn parent(path: &Path) -> Result<PathBuf, Error> {
    let above = || path.parent().unwrap_or(path).to_owned();
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            let target = path.canonicalize().map_err(|e| Error::system("resolve", path, e))?;
            let directory = target.is_dir();
            let why = "it is a link to something that is not a directory";
            directory.then(|| target.parent().unwrap_or(&target).to_owned()).ok_or(in_the_way(path, why))
        }
        Ok(metadata) if !metadata.is_dir() => Err(in_the_way(path, "it is not a directory")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::system("resolve", path, error)),
        Ok(_) | Err(_) => Ok(above()),
    }
}

fn in_the_way(path: &Path, why: &'static str) -> Error {
    Error::InTheWay { verb: "resolve", path: path.join(".."), why }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn home(typed: &str, current: &str) -> Result<String, String> {
        Home::new(Path::new(typed), Path::new(current)).map(|h| h.0).map_err(|e| e.to_string())
    }

    #[test]
    fn relative_home_is_made_absolute_and_plain() {
        for (typed, absolute) in [
            ("zeo", "/nowhere/at/all/zeo"),
            ("./zeo/", "/nowhere/at/all/zeo"),
            ("-x", "/nowhere/at/all/-x"),
            ("../zeo", "/nowhere/at/zeo"),
            ("x/../zeo", "/nowhere/at/all/zeo"),
            ("../../../../../zeo", "/zeo"),
            ("/a//b/./c/", "/a/b/c"),
            ("/", "/"),
            (".", "/nowhere/at/all"),
            ("~", "/nowhere/at/all/~"),
        ] {
            assert_eq!(home(typed, "/nowhere/at/all").as_deref(), Ok(absolute), "{typed}");
        }
    }

    #[test]
    fn paths_in_the_home_are_told_from_others() {
        let home = Home::new(Path::new("/srv/zeo"), Path::new("/")).unwrap();
        for inside in ["var", "var/blobs", "/srv/zeo/var", "./x", ""] {
            assert!(home.holds(inside), "{inside}");
        }
        for outside in ["/srv/zeo2", "/", "../zeo", "var/../../x", "/srv/zeo/../x"] {
            assert!(!home.holds(outside), "{outside}");
        }
    }

    #[test]
    fn parent_of_a_link_is_the_parent_of_its_target() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("a/b")).unwrap();
        symlink("a/b", top.join("link")).unwrap();
        symlink("nothing", top.join("dangling")).unwrap();
        fs::write(top.join("file"), "").unwrap();
        let current = top.to_str().unwrap();
        assert_eq!(home("link/../zeo", current), Ok(format!("{current}/a/zeo")));
        assert_eq!(home("link/zeo", current), Ok(format!("{current}/link/zeo")));
        assert_eq!(home("a/b/../zeo", current), Ok(format!("{current}/a/zeo")));
        assert_eq!(
            home("dangling/../zeo", current),
            Err(format!("cannot resolve '{current}/dangling': No such file or directory"))
        );
        assert_eq!(
            home("file/../zeo", current),
            Err(format!("cannot resolve '{current}/file/..': it is not a directory"))
        );
    }

    #[test]
    fn home_that_a_configuration_file_cannot_hold_is_refused() {
        assert_eq!(home("", "/x"), Err("cannot use home '': it is empty".to_owned()));
        assert_eq!(
            home("a\nb", "/x"),
            Err(r"cannot use home '/x/a\nb': a configuration file cannot hold a line break in a name"
                .to_owned())
        );
        let latin1 = Path::new(OsStr::from_bytes(b"/h\xf6me"));
        let error = Home::new(latin1, Path::new("/")).unwrap_err();
        assert!(error.is_usage());
        let message =
            "cannot use home '/h\u{fffd}me': a configuration file cannot hold a name that is not UTF-8";
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn name_is_the_last_part_in_plain_characters() {
        let name = |path: &str| Home(path.to_owned()).name();
        assert_eq!(name("/srv/zeo-1.main"), "zeo-1.main");
        assert_eq!(name("/srv/my $home\u{e9}"), "my__home_");
        assert_eq!(name("/"), "zeo");
    }
}
