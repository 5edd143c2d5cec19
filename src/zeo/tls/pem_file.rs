//! Files of certificates, keys and revocation lists in PEM form, and the directories of them that `openssl rehash` makes.

use std::fmt::Display;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use pem::Pem;

use super::error::Error;
use crate::sys::files::open_to_read;

/// Limit of what is read of a file: the certificates of all public authorities take a quarter of a megabyte.
const MAX_BYTES: u64 = 16 << 20;
/// What each part begins with.
const BEGIN: &[u8] = b"-----BEGIN ";

/// The parts of a file in PEM form; other text between them, as OpenSSL writes it, is passed over.
pub fn parts(path: &Path) -> Result<Vec<Pem>, Error> {
    let wrong = |why: &dyn Display| Error::contents(path, format!("it is not in PEM form: {why}"));
    let text = bytes(path)?;
    let parts = pem::parse_many(&text).map_err(|error| wrong(&error))?;
    // A file that is being written has a last part that is passed over.
    let begun = text.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    if begun != parts.len() {
        return Err(wrong(&"a part has no end"));
    }
    Ok(parts)
}

/// The parts of a file, or of all files of a directory with names by which OpenSSL finds certificates (`HASH.N`) and
/// revocation lists (`HASH.rN`), each with its file.
pub fn parts_below(path: &Path) -> Result<Vec<(PathBuf, Pem)>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let files = if fs::metadata(path).map_err(failed)?.is_dir() {
        hashed(path).map_err(failed)?
    } else {
        vec![path.to_owned()]
    };
    let mut found = Vec::new();
    for file in files {
        found.extend(parts(&file)?.into_iter().map(|part| (file.clone(), part)));
    }
    Ok(found)
}

/// The contents of a file.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = open_to_read(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLong { path: path.to_owned(), most: MAX_BYTES });
    }
    Ok(bytes)
}

fn hashed(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_hashed) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn is_hashed(name: &str) -> bool {
    let Some((hash, number)) = name.split_once('.') else { return false };
    let number = number.strip_prefix('r').unwrap_or(number);
    hash.len() == 8
        && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rehashed_files_are_told_from_others() {
        for name in ["5ed36f99.0", "00000000.12", "5ed36f99.r0"] {
            assert!(is_hashed(name), "{name}");
        }
        for name in
            ["ca.pem", "5ed36f99", "5ed36f99.", "5ed36f99.r", "5ED36F99.0", "5ed36f9.0", "5ed36f99.0~"]
        {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
