//! Files: their URLs, references between them, and their contents (ZCONFIG sections 1 and 5.2).

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use super::environment::Environment;
use super::error_kind::ErrorKind;
use crate::sys::system_error::os_error_text;

/// Limit in bytes of the buffer allocated in advance by a file's size.
const MAX_PREALLOCATED_BYTES: u64 = 64 << 10;

/// Reads included files, where not every file may be read.
pub trait Files: fmt::Debug {
    /// The first `most` bytes of a file that another includes.
    ///
    /// # Errors
    /// Those of the system, and that the file may not be read.
    fn read(&self, path: &Path, includer: &Path, most: u64) -> io::Result<Vec<u8>>;
}

/// A file: its name in messages, its URL and its path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    shown: String,
    url: String,
    path: PathBuf,
}

impl Source {
    /// The file that a command line names: a path, or a `file:` URL.
    pub fn named(name: &Path, environment: &Environment) -> Result<Self, ErrorKind> {
        let text = name.to_string_lossy();
        if scheme(&text).is_some_and(|scheme| scheme.len() > 1) {
            let path = path_of(&text)?;
            return Ok(Self { shown: text.clone().into_owned(), url: normal(&text), path });
        }
        let absolute = environment.directory().unwrap_or_default().join(name);
        let path = without_dots(&absolute);
        Ok(Self { shown: text.into_owned(), url: url_of(&path), path: environment.place(name) })
    }

    /// The file that this one includes by a reference.
    pub fn included(&self, reference: &str) -> Result<Self, ErrorKind> {
        let url = join(&self.url, reference);
        let path = path_of(&url)?;
        Ok(Self { shown: path.to_string_lossy().into_owned(), url: normal(&url), path })
    }

    /// How messages name the file.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes; `None` when they are more than `most`.
    pub fn read(&self, most: u64) -> Result<Option<Vec<u8>>, ErrorKind> {
        self.fitting(self.read_from_disk(most.saturating_add(1)), most)
    }

    /// As [`Source::read`], for a file that `includer` includes, by `files`.
    pub(super) fn read_by(
        &self,
        files: &dyn Files,
        includer: &Path,
        most: u64,
    ) -> Result<Option<Vec<u8>>, ErrorKind> {
        self.fitting(files.read(&self.path, includer, most.saturating_add(1)), most)
    }

    fn read_from_disk(&self, most: u64) -> io::Result<Vec<u8>> {
        let file = File::open(&self.path)?;
        // The size is a hint only: it may be wrong, or huge.
        let size = file.metadata().map_or(0, |found| found.len().min(most).min(MAX_PREALLOCATED_BYTES));
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn fitting(&self, read: io::Result<Vec<u8>>, most: u64) -> Result<Option<Vec<u8>>, ErrorKind> {
        let bytes = read.map_err(|error| ErrorKind::Unreadable {
            path: self.path.clone(),
            reason: os_error_text(&error),
        })?;
        let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= most);
        Ok(fits.then_some(bytes))
    }
}

/// The scheme of a URL: a letter, then letters, digits, `-`, `+`, `.`, up to a colon.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let legal = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b));
    legal.then_some(scheme)
}

/// The path that a `file:` URL means.
fn path_of(url: &str) -> Result<PathBuf, ErrorKind> {
    if url.contains('#') {
        return Err(ErrorKind::Fragment { url: url.to_owned() });
    }
    let rest = match scheme(url) {
        Some("file") => url.get(5..).unwrap_or_default(),
        _ => return Err(ErrorKind::Scheme { url: url.to_owned() }),
    };
    let path = match rest.strip_prefix("//") {
        None => rest,
        // Files on other hosts cannot be read.
        Some(rest) => match rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash)) {
            ("" | "localhost", path) => path,
            _ => return Err(ErrorKind::Scheme { url: url.to_owned() }),
        },
    };
    Ok(PathBuf::from(OsString::from_vec(decoded(path))))
}

/// `file:/x` as `file:///x`.
fn normal(url: &str) -> String {
    match url.strip_prefix("file:") {
        Some(rest) if rest.starts_with('/') && !rest.starts_with("//") => format!("file://{rest}"),
        _ => url.to_owned(),
    }
}

fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let byte = match (first, after) {
            (b'%', [a, b, ..]) => hex(*a).zip(hex(*b)).map(|(a, b)| a * 16 + b),
            _ => None,
        };
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The URL of an absolute path.
fn url_of(path: &Path) -> String {
    let mut url = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/_.-~".contains(byte) {
            url.push(char::from(*byte));
        } else {
            let digit =
                |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
            url.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    url
}

/// The path with `.` and `..` taken out by name; symbolic links are not looked at.
fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// What a reference means in the file at `base` (RFC 3986, as Python joins).
fn join(base: &str, reference: &str) -> String {
    let reference = match scheme(reference) {
        Some(scheme) if scheme.eq_ignore_ascii_case("file") => reference.get(5..).unwrap_or_default(),
        Some(_) => return reference.to_owned(),
        None => reference,
    };
    if reference.starts_with("//") {
        return format!("file:{reference}");
    }
    let base_path = base.strip_prefix("file://").unwrap_or(base);
    let folder = base_path.rfind('/').and_then(|slash| base_path.get(..=slash)).unwrap_or("/");
    // Dots behind a question mark or a number sign are not path steps.
    let end = reference.find(['?', '#']).unwrap_or(reference.len());
    let (path, tail) = reference.split_at(end);
    let whole = match path {
        "" => base_path.to_owned(),
        _ if path.starts_with('/') => path.to_owned(),
        _ => format!("{folder}{path}"),
    };
    format!("file://{}{tail}", resolved(&whole))
}

/// An absolute URL path without its `.` and `..` steps.
fn resolved(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for step in path.split('/').skip(1) {
        ends_open = false;
        match step {
            ".." => {
                out.pop();
                ends_open = true;
            }
            "." => ends_open = true,
            step => out.push(step),
        }
    }
    format!("/{}{}", out.join("/"), if ends_open && !out.is_empty() { "/" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_join_like_urls() {
        let base = "file:///etc/zd/a.conf";
        for (reference, url) in [
            ("b.conf", "file:///etc/zd/b.conf"),
            ("../b.conf", "file:///etc/b.conf"),
            ("./x/../b", "file:///etc/zd/b"),
            ("/b", "file:///b"),
            ("file:b", "file:///etc/zd/b"),
            ("file:///b", "file:///b"),
            ("~/b", "file:///etc/zd/~/b"),
            ("a b", "file:///etc/zd/a b"),
            ("b?x=1", "file:///etc/zd/b?x=1"),
            ("nosuch:foo", "nosuch:foo"),
            ("../../../../b", "file:///b"),
        ] {
            assert_eq!(join(base, reference), url, "{reference}");
        }
    }

    #[test]
    fn a_drive_letter_or_an_odd_name_is_a_path() {
        let environment = Environment::fixed("/w".into(), std::collections::HashMap::new());
        for (name, url) in [
            ("a:b.conf", "file:///w/a%3Ab.conf"),
            ("1x:y", "file:///w/1x%3Ay"),
            ("a b#é", "file:///w/a%20b%23%C3%A9"),
            ("../x/./y", "file:///x/y"),
            ("file:/x", "file:///x"),
        ] {
            assert_eq!(
                Source::named(Path::new(name), &environment).map(|s| s.url),
                Ok(url.to_owned()),
                "{name}"
            );
        }
        assert!(matches!(
            Source::named(Path::new("http://x/y"), &environment),
            Err(ErrorKind::Scheme { .. })
        ));
        assert!(matches!(
            Source::named(Path::new("file:///x#y"), &environment),
            Err(ErrorKind::Fragment { .. })
        ));
    }

    #[test]
    fn percent_signs_decode_and_stray_ones_stay() {
        assert_eq!(path_of("file:///a%20b%zz%C3%A9%"), Ok(PathBuf::from("/a b%zzé%")));
        assert!(matches!(path_of("file://host/x"), Err(ErrorKind::Scheme { .. })));
    }
}
