//! Where the commands of a user's shells are kept: a file in the user's state directory (XDG Base Directory
//! Specification), which rustyline reads and writes.
//!
//! Each command is added when it is given, so that several shells at once keep theirs. The user is the one that this
//! process acts as: a root that came by sudo(8) with another user's HOME leaves nothing there, and has the home that the
//! system's user database gives.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::sys::user;

/// How many commands are kept.
pub(super) const MAX_COMMANDS: usize = 1000;

/// The file; `None`: this user has no place for it.
pub(super) fn file() -> Option<PathBuf> {
    let uid = user::own_uid();
    let home = user::lookup(&uid.to_string()).ok().flatten().map(|account| account.home);
    let is_own = |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == uid);
    state_directory(&|name| env::var_os(name), home, &is_own).map(|state| state.join("zdctl/history"))
}

/// The first place that is the user's own: of the two that the environment names, and its home.
fn state_directory(
    variable: &dyn Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
    is_own: &dyn Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .filter(|state| is_own(state) || !state.exists() && state.parent().is_some_and(is_own));
    let in_home = || absolute("HOME").into_iter().chain(home).find(|home| is_own(home));
    state.or_else(|| in_home().map(|home| home.join(".local/state")))
}

/// Whether the user has a home that cannot be written to, as that of many a server's user, which is no fault.
pub(super) fn is_unwritable(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem)
}

/// Makes the file's directory for this user alone, and checks that the two may be used.
///
/// # Errors
/// The directory cannot be made; it or the file is another user's, others may write in the directory, or the file is a
/// link or has another name.
pub(super) fn prepare(file: &Path) -> io::Result<()> {
    let directory = file.parent().unwrap_or(file);
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let uid = user::own_uid();
    let found = fs::metadata(directory)?;
    if found.uid() != uid || found.mode() & 0o022 != 0 {
        return Err(io::Error::other("other users may write in the directory"));
    }
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.is_file() => Err(io::Error::other("not a regular file")),
        Ok(found) if found.uid() != uid => Err(io::Error::other("the file belongs to another user")),
        Ok(found) if found.nlink() > 1 => Err(io::Error::other("the file has another name too")),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn place_is_one_of_the_users_own() {
        let own = ["/home/me", "/state", "/root"];
        for (state, home, expected) in [
            (None, Some("/home/me"), Some("/home/me/.local/state")),
            (Some("/state"), Some("/home/me"), Some("/state")),
            (Some("/state/new"), Some("/home/me"), Some("/state/new")),
            (Some("/state/no/such"), Some("/home/me"), Some("/home/me/.local/state")),
            (Some("state"), Some("/home/me"), Some("/home/me/.local/state")),
            (Some(""), Some(""), Some("/root/.local/state")),
            (Some("/home/you"), Some("/home/you"), Some("/root/.local/state")),
            (None, None, Some("/root/.local/state")),
        ] {
            let variable = |name: &str| match name {
                "XDG_STATE_HOME" => state.map(OsString::from),
                "HOME" => home.map(OsString::from),
                other => panic!("{other}"),
            };
            let is_own = |path: &Path| own.iter().any(|own| path == Path::new(own));
            let found = state_directory(&variable, Some("/root".into()), &is_own);
            assert_eq!(found, expected.map(PathBuf::from), "{state:?} {home:?}");
            assert_eq!(state_directory(&|_| None, Some("/nonexistent".into()), &is_own), None);
        }
    }

    #[test]
    fn only_a_private_directory_and_a_plain_file_are_used() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("a/b");
        let file = directory.join("history");
        prepare(&file).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o700);
        fs::write(&file, "").unwrap();
        prepare(&file).unwrap();
        fs::hard_link(&file, place.path().join("other")).unwrap();
        assert_eq!(prepare(&file).unwrap_err().to_string(), "the file has another name too");
        fs::remove_file(&file).unwrap();
        symlink(place.path().join("other"), &file).unwrap();
        assert_eq!(prepare(&file).unwrap_err().to_string(), "not a regular file");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o770)).unwrap();
        assert_eq!(prepare(&file).unwrap_err().to_string(), "other users may write in the directory");
    }
}
