//! The values of options: from a word to what it stands for, or the reason why it stands for nothing.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::config::split_words;
use crate::control::repr::{Escapes, quote};

/// A command line.
pub(super) fn words(value: &OsStr) -> Result<Vec<OsString>, String> {
    split_words(value).map_err(|error| error.to_string())
}

/// A path, taken as it is.
#[expect(clippy::unnecessary_wraps, reason = "one of several conversions of one type")]
pub(super) fn path(value: &OsStr) -> Result<PathBuf, String> {
    Ok(PathBuf::from(value))
}

/// Text that must be UTF-8.
pub(super) fn text(value: &OsStr) -> Result<String, String> {
    value.to_str().map(ToOwned::to_owned).ok_or_else(|| "not UTF-8".to_owned())
}

/// A directory that exists.
pub(super) fn directory(value: &OsStr) -> Result<PathBuf, String> {
    let path = PathBuf::from(value);
    if path.is_dir() { Ok(path) } else { Err(format!("{} is not an existing directory", path.display())) }
}

/// A file, existing or not, in a directory that exists.
pub(super) fn file_in_directory(value: &OsStr) -> Result<PathBuf, String> {
    let path = PathBuf::from(value);
    match path.parent() {
        Some(parent) if !(parent == Path::new("") || parent.is_dir()) => {
            Err(format!("The directory named as part of the path {} does not exist.", path.display()))
        }
        _ => Ok(path),
    }
}

/// A number of seconds.
pub(super) fn seconds(value: &OsStr) -> Result<u32, String> {
    unsigned(integer(value, 10)?)
}

/// A file mode mask.
pub(super) fn mask(value: &OsStr) -> Result<u32, String> {
    let bits = unsigned(integer(value, 8)?)?;
    if bits <= 0o777 { Ok(bits) } else { Err("larger than 0777".to_owned()) }
}

fn unsigned(number: i64) -> Result<u32, String> {
    let reason = if number < 0 { "must not be negative" } else { "too large" };
    u32::try_from(number).map_err(|_| reason.to_owned())
}

/// Integers separated by commas; nothing at all: none.
pub(super) fn integers(value: &OsStr) -> Result<Vec<i32>, String> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let item = |item: &[u8]| {
        i32::try_from(integer(OsStr::from_bytes(item), 10)?).map_err(|_| "too large".to_owned())
    };
    value.as_bytes().split(|byte| *byte == b',').map(item).collect()
}

/// An integer as Python's `int()` takes it: blanks around it, a sign, `0o` before octal, single underscores.
fn integer(value: &OsStr, base: u32) -> Result<i64, String> {
    let bad = || {
        let literal = quote(value.as_bytes(), Escapes::Characters);
        format!("invalid literal for int() with base {base}: {literal}")
    };
    let trimmed = value.to_str().ok_or_else(bad)?.trim();
    let (negative, rest) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let octal = (base == 8).then(|| rest.strip_prefix("0o").or(rest.strip_prefix("0O"))).flatten();
    let digits = octal.unwrap_or(rest);
    let group = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_digit(base));
    if !digits.split('_').all(group) {
        return Err(bad());
    }
    let size = i64::from_str_radix(&digits.replace('_', ""), base).map_err(|_| "too large".to_owned())?;
    Ok(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_python_reads_them() {
        for (typed, base, expected) in [
            ("10", 10, Ok(10)),
            (" +10 ", 10, Ok(10)),
            ("-5", 10, Ok(-5)),
            ("1_0", 10, Ok(10)),
            ("022", 8, Ok(18)),
            ("0o22", 8, Ok(18)),
            ("0O22", 8, Ok(18)),
            ("x", 10, Err("invalid literal for int() with base 10: 'x'")),
            ("", 10, Err("invalid literal for int() with base 10: ''")),
            ("0o5", 10, Err("invalid literal for int() with base 10: '0o5'")),
            ("1__0", 10, Err("invalid literal for int() with base 10: '1__0'")),
            ("9", 8, Err("invalid literal for int() with base 8: '9'")),
            ("99999999999999999999", 10, Err("too large")),
        ] {
            assert_eq!(integer(OsStr::new(typed), base), expected.map_err(ToOwned::to_owned), "{typed}");
        }
    }

    #[test]
    fn numbers_have_their_limits() {
        let seconds = |typed| seconds(OsStr::new(typed));
        assert_eq!(seconds("0"), Ok(0));
        assert_eq!(seconds("-1"), Err("must not be negative".to_owned()));
        assert_eq!(seconds("4294967296"), Err("too large".to_owned()));
        assert_eq!(mask(OsStr::new("777")), Ok(0o777));
        assert_eq!(mask(OsStr::new("1000")), Err("larger than 0777".to_owned()));
    }

    #[test]
    fn exit_codes_are_a_list() {
        for (typed, expected) in [("", vec![]), ("0,2", vec![0, 2]), (" 1 , -1", vec![1, -1])] {
            assert_eq!(integers(OsStr::new(typed)), Ok(expected), "{typed}");
        }
        let reason = "invalid literal for int() with base 10: ''";
        assert_eq!(integers(OsStr::new("1,")), Err(reason.to_owned()));
    }
}
