//! Datatypes of paths.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::environment::Environment;
use super::value::Value;
use super::value_error::ValueError;
use crate::sys::user;

/// The path with a leading `~` or `~user` replaced by the home directory; unchanged where that is not known.
#[must_use]
pub fn expand(path: &OsStr, environment: &Environment) -> OsString {
    let Some(after) = path.as_bytes().strip_prefix(b"~") else { return path.to_owned() };
    let end = after.iter().position(|byte| *byte == b'/').unwrap_or(after.len());
    let (name, rest) = after.split_at(end);
    let home = match std::str::from_utf8(name) {
        Ok("") => environment.variable("HOME").or_else(|| home_of(&user::own_uid().to_string())),
        // A user by number is none here.
        Ok(name) if !user::is_number(name) => home_of(name),
        _ => None,
    };
    let Some(mut whole) = home.map(OsString::into_vec) else { return path.to_owned() };
    while whole.last() == Some(&b'/') {
        whole.pop();
    }
    whole.extend_from_slice(rest);
    if whole.is_empty() { OsString::from("/") } else { OsString::from_vec(whole) }
}

fn home_of(name: &str) -> Option<OsString> {
    user::lookup(name).ok().flatten().map(|account| account.home.into())
}

/// What precedes the last slash, without slashes at its end unless it has only those; empty without a slash.
#[must_use]
pub fn directory_part(path: &OsStr) -> &OsStr {
    let bytes = path.as_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/');
    let head = slash.and_then(|slash| bytes.get(..=slash)).unwrap_or_default();
    let end = head.iter().rposition(|byte| *byte != b'/').map_or(head.len(), |last| last + 1);
    OsStr::from_bytes(head.get(..end).unwrap_or(head))
}

/// Whether a directory is there; an empty path is none.
#[must_use]
pub fn is_directory(path: &OsStr, environment: &Environment) -> bool {
    !path.is_empty() && environment.has_directory(path.as_ref())
}

/// The value of a key that is a path. One that has become no text, by a home directory, stays as it was written.
#[must_use]
pub fn path_value(path: OsString, text: &str) -> Value {
    Value::Text(path.into_string().unwrap_or_else(|_| text.to_owned()))
}

pub(super) fn existing_path(text: &str, environment: &Environment) -> Result<Value, ValueError> {
    let path = expand(text.as_ref(), environment);
    if !path.is_empty() && (environment.is_trusting() || environment.place(path.as_ref()).exists()) {
        return Ok(path_value(path, text));
    }
    Err(ValueError::text(text, "does not exist", "name an existing path"))
}

/// Reads a path whose directory must be there (or not be named); the result has `~` expanded.
pub fn existing_dirpath(path: &OsStr, environment: &Environment) -> Result<OsString, ValueError> {
    let expanded = expand(path, environment);
    let directory = directory_part(&expanded);
    if directory.is_empty() || is_directory(directory, environment) {
        return Ok(expanded);
    }
    Err(ValueError::text(
        &path.to_string_lossy(),
        "is in a directory that does not exist",
        format!("create the directory '{}' or name an existing one", directory.display()),
    )
    .of_absence())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_directory_part_is_that_of_python() {
        for (path, part) in
            [("a", ""), ("a/b", "a"), ("/x", "/"), ("a//b", "a"), ("/a/b/", "/a/b"), ("//x", "//")]
        {
            assert_eq!(directory_part(path.as_ref()), part, "{path}");
        }
    }

    fn expanded(path: &str, environment: &Environment) -> String {
        expand(path.as_ref(), environment).into_string().unwrap()
    }

    #[test]
    fn a_tilde_is_home_and_an_unknown_user_stays() {
        let environment = Environment::fixed("/".into(), HashMap::from([("HOME".into(), "/h/".into())]));
        assert_eq!(expanded("~/x", &environment), "/h/x");
        assert_eq!(expanded("~", &environment), "/h");
        assert_eq!(expanded("a~", &environment), "a~");
        assert_eq!(expanded("~no-such-user-here/x", &environment), "~no-such-user-here/x");
        let root = Environment::fixed("/".into(), HashMap::from([("HOME".into(), "/".into())]));
        assert_eq!(expanded("~", &root), "/");
    }
}
