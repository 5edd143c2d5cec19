//! Names and paths that the system could not open.

use std::path::{Component, Path};

use super::Error;
use super::home::Home;

/// Bytes of the longest path that the system opens: `PATH_MAX` of linux/limits.h, which counts the null byte.
const MAX_PATH_BYTES: usize = 4095;

/// Bytes of the longest name in a directory: `NAME_MAX` of linux/limits.h.
const MAX_NAME_BYTES: usize = 255;

/// What a file's name gets while it is written: `.`, and `.0123456789abcdef.tmp` (`sys::temporary`).
const TEMPORARY_BYTES: usize = 22;

/// What programs make below a directory has at most so many bytes. The longest is a blob below its directory: eight
/// directories `/0x00`, and `/0x` with 16 digits and `.blob`, or a temporary name of half the length.
const BELOW_BYTES: usize = 64;

/// The longest name of a file that each home has, below the home.
const LONGEST_OWN_FILE: &str = "etc/.mkzeoinst-pristine.toml";

/// Whether the system could open what lies in a home.
///
/// # Errors
/// [`Error::TooLong`].
pub fn check_home(home: &Home) -> Result<(), Error> {
    check_name(home, home.path())?;
    check_path(home, &home.join(LONGEST_OWN_FILE), TEMPORARY_BYTES)
}

/// Whether the system could open a file of the home, also while it is written.
pub(super) fn check_file(home: &Home, name: &str) -> Result<(), Error> {
    let path = home.join(name);
    let last = Path::new(name).file_name().map_or(0, std::ffi::OsStr::len);
    if last + TEMPORARY_BYTES > MAX_NAME_BYTES {
        return Err(name_too_long(home, &last.to_string(), MAX_NAME_BYTES - TEMPORARY_BYTES));
    }
    check_path(home, &path, TEMPORARY_BYTES)
}

/// Whether the system could open what programs make in a directory.
pub(super) fn check_directory(home: &Home, directory: &Path) -> Result<(), Error> {
    check_name(home, directory)?;
    check_path(home, directory, BELOW_BYTES)
}

fn check_name(home: &Home, path: &Path) -> Result<(), Error> {
    let mut lengths = path.components().map(|part| match part {
        Component::Normal(name) => name.len(),
        _ => 0,
    });
    match lengths.find(|length| *length > MAX_NAME_BYTES) {
        Some(length) => Err(name_too_long(home, &length.to_string(), MAX_NAME_BYTES)),
        None => Ok(()),
    }
}

fn name_too_long(home: &Home, length: &str, longest: usize) -> Error {
    let why = format!("a name in it would have {length} bytes, and the longest that will do has {longest}");
    Error::TooLong { path: home.path().to_owned(), why }
}

fn check_path(home: &Home, path: &Path, below: usize) -> Result<(), Error> {
    let length = path.as_os_str().len() + below;
    if length <= MAX_PATH_BYTES {
        return Ok(());
    }
    let why = format!(
        "paths in it would have up to {length} bytes, and the system opens none of more than {MAX_PATH_BYTES}; use \
         a shorter path"
    );
    Err(Error::TooLong { path: home.path().to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(length: usize) -> Home {
        let path = "/x".repeat(length / 2) + if length % 2 == 1 { "y" } else { "" };
        Home::new(Path::new(&path), Path::new("/")).unwrap()
    }

    #[test]
    fn home_is_refused_from_the_byte_on_that_is_too_many() {
        let longest = MAX_PATH_BYTES - TEMPORARY_BYTES - 1 - LONGEST_OWN_FILE.len();
        assert!(check_home(&home(longest)).is_ok());
        let message = check_home(&home(longest + 1)).unwrap_err().to_string();
        assert!(
            message.ends_with(
                "up to 4096 bytes, and the system opens none of more than 4095; use a shorter path"
            )
        );
        assert!(message.len() < 250, "{message}");
    }

    #[test]
    fn name_is_refused_from_the_byte_on_that_is_too_many() {
        let at = |length: usize| Home::new(Path::new(&"n".repeat(length)), Path::new("/")).unwrap();
        assert!(check_home(&at(MAX_NAME_BYTES)).is_ok() && check_home(&at(MAX_NAME_BYTES + 1)).is_err());
        let file = |length: usize| check_file(&at(1), &format!("etc/{}", "n".repeat(length)));
        assert!(file(233).is_ok() && file(234).is_err());
        assert!(check_directory(&at(1), Path::new(&"/d".repeat(2015))).is_ok());
        assert!(check_directory(&at(1), Path::new(&"/d".repeat(2016))).is_err());
    }
}
