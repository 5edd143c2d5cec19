//! Whether directories can be entered and files be made or written; if not, why.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::sys::system_error::os_error_text;
use crate::sys::{access, files, socket};

/// A working directory.
pub(super) fn directory(path: &Path) -> Result<(), String> {
    can_enter(path).map_err(|error| cannot("can't chdir into", path, &error))
}

/// A control socket, by its absolute path.
pub(super) fn socket(path: &Path) -> Result<(), String> {
    if !socket::name_fits(path) {
        let limit = "its name is too long; up to 81 characters are sure to fit";
        return Err(format!("cannot make socket '{}': {limit}", path.display()));
    }
    if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
        return Err(format!("'{}' exists and is not a socket", path.display()));
    }
    can_make(path).map_err(|error| cannot("cannot make", path, &error))
}

/// A file that is appended to, and made when it is not there.
///
/// # Errors
/// What could not be done, and why.
pub fn appendable(path: &Path) -> Result<(), String> {
    match fs::metadata(path).and_then(|_| access::may_append(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            can_make(&behind_links(path)).map_err(|error| cannot("cannot make", path, &error))
        }
        outcome => outcome.map_err(|error| cannot("cannot write", path, &error)),
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("{what} '{}': {}", path.display(), os_error_text(error))
}

/// Whether a name could be given to a new file.
fn can_make(path: &Path) -> io::Result<()> {
    // Only a blank path and the root have no parent.
    if path.parent().is_none() {
        return fs::metadata(path).map(drop);
    }
    let parent = files::parent(path);
    can_enter(parent).and_then(|()| access::may_create_in(parent))
}

/// The entry `.` can be looked up where chdir(2) would succeed: not in a file, nor without the right to search.
fn can_enter(path: &Path) -> io::Result<()> {
    fs::metadata(path.join(".")).map(drop)
}

/// The name that a new file gets: where a symbolic link points to nothing, what it points to.
fn behind_links(path: &Path) -> PathBuf {
    /// The kernel follows as many (`path_resolution(7)`); a loop of links has failed before.
    const MAX_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}
