//! Datatypes of paths.

use std::ffi::OsString;
use std::path::Path;

use super::datatype::Wrong;
use super::value::Value;
use super::world::World;
use crate::sys::user;

/// The path with a leading `~` or `~user` replaced by the home directory; unchanged where that is not known.
#[must_use]
pub fn expand(text: &str, world: &World) -> String {
    let Some(after) = text.strip_prefix('~') else { return text.to_owned() };
    let (name, rest) = after.find('/').map_or((after, ""), |slash| after.split_at(slash));
    let home = if name.is_empty() {
        world.variable("HOME").or_else(|| home_of(&user::own_uid().to_string()))
    } else if user::is_number(name) {
        // A user by number is none here.
        None
    } else {
        home_of(name)
    };
    let Some(home) = home.and_then(|home| home.into_string().ok()) else { return text.to_owned() };
    let whole = format!("{}{rest}", home.trim_end_matches('/'));
    if whole.is_empty() { String::from("/") } else { whole }
}

fn home_of(name: &str) -> Option<OsString> {
    user::lookup(name).ok().flatten().map(|account| account.home.into())
}

/// What precedes the last slash, without slashes at its end unless it has only those; empty without a slash.
#[must_use]
pub fn directory_part(path: &str) -> &str {
    let Some(slash) = path.rfind('/') else { return "" };
    let head = path.get(..=slash).unwrap_or(path);
    let cut = head.trim_end_matches('/');
    if cut.is_empty() { head } else { cut }
}

/// Whether a directory is there; an empty path is none.
#[must_use]
pub fn is_directory(path: &str, world: &World) -> bool {
    !path.is_empty() && world.place(Path::new(path)).is_dir()
}

pub(super) fn existing_path(text: &str, world: &World) -> Result<Value, Wrong> {
    let path = expand(text, world);
    if !path.is_empty() && world.place(Path::new(&path)).exists() {
        return Ok(Value::Text(path));
    }
    Err(Wrong::text(
        text,
        format!("{text} is not an existing path"),
        "does not exist",
        "name an existing path",
    ))
}

/// Reads a path whose directory must be there (or not be named); the result has `~` expanded.
pub fn existing_dirpath(text: &str, world: &World) -> Result<String, Wrong> {
    let path = expand(text, world);
    let directory = directory_part(&path);
    if directory.is_empty() || is_directory(directory, world) {
        return Ok(path);
    }
    Err(Wrong::text(
        text,
        format!("The directory named as part of the path {text} does not exist."),
        "is in a directory that does not exist",
        format!("create the directory '{directory}' or name an existing one"),
    ))
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
            assert_eq!(directory_part(path), part, "{path}");
        }
    }

    #[test]
    fn a_tilde_is_home_and_an_unknown_user_stays() {
        let world = World::fixed("/".into(), HashMap::from([("HOME".into(), "/h/".into())]));
        assert_eq!(expand("~/x", &world), "/h/x");
        assert_eq!(expand("~", &world), "/h");
        assert_eq!(expand("a~", &world), "a~");
        assert_eq!(expand("~no-such-user-here/x", &world), "~no-such-user-here/x");
        let root = World::fixed("/".into(), HashMap::from([("HOME".into(), "/".into())]));
        assert_eq!(expand("~", &root), "/");
    }
}
