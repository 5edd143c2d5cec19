//! Whether directories can be entered and files be made or written; if not, why.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::sys::system_error::os_error_text;
use crate::sys::{access, files, socket, user};

/// The kernel follows as many (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

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
    if let Some(hint) = left_by_another(path) {
        return Err(format!("cannot use '{}': {hint}", path.display()));
    }
    // One that is to be made has been looked at before the change of the user.
    if is_missing(files::parent(path)) {
        return Ok(());
    }
    can_make(path).map_err(|error| cannot("cannot make", path, &error))
}

/// A file that is replaced by a rename.
pub(super) fn replaceable(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err(format!("'{}' is a directory", path.display()));
    }
    can_make(path).map_err(|error| cannot("cannot make", path, &error))
}

/// What to do about the transcript of a detached manager that is its own stdout, stderr or terminal: all of them are the
/// null device by then. Images of containers have links to them where programs write their logs. `None`: it is a file.
#[must_use]
pub fn lost_when_detached(transcript: &Path) -> Option<String> {
    let own = [
        "/dev/stdin",
        "/dev/stdout",
        "/dev/stderr",
        "/dev/fd",
        "/dev/tty",
        "/proc/self",
        "/proc/thread-self",
    ];
    let mut path = transcript.to_owned();
    for _ in 0..MAX_LINKS {
        if own.iter().any(|own| path.starts_with(own)) {
            let to_do = "without daemon mode, and with fg, the output goes to stdout by itself; in a container, /proc/1/fd/1 is that of the first process";
            return Some(format!("'{}' is the null device in daemon mode; {to_do}", transcript.display()));
        }
        path = path.parent().unwrap_or(Path::new("")).join(fs::read_link(&path).ok()?);
    }
    None
}

/// The directory of a control socket, which a start makes where it is missing.
pub(super) fn socket_directory(path: &Path) -> Result<(), String> {
    let directory = files::parent(path);
    if !is_missing(directory) {
        return Ok(());
    }
    can_make(directory).map_err(|error| cannot("cannot make directory", directory, &error))
}

fn is_missing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// What to do about a control socket, or its lock file, that another user has left and that this one may not use. `None`:
/// there is none.
#[must_use]
pub fn left_by_another(socket: &Path) -> Option<String> {
    let mut lock = socket.as_os_str().to_owned();
    lock.push(".lock");
    let files = [socket.to_owned(), PathBuf::from(lock)];
    let (file, uid) = files.iter().find_map(|file| {
        let uid = fs::symlink_metadata(file).ok()?.uid();
        let is_closed =
            access::may_append(file).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        (is_closed && uid != user::own_uid()).then_some((file, uid))
    })?;
    let owner = user::name(uid);
    let file = file.display();
    Some(format!(
        "'{file}' belongs to user '{owner}'; act as that user, or remove it if no manager of that user runs"
    ))
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
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}
