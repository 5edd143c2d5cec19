//! What is to be done to the disk, decided before any of it is done.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::template::{self, Rendered};
use super::{Error, Request};
use crate::sys::files::open_to_read;

/// The directories of an instance in the order in which they are made.
const DIRECTORIES: [&str; 4] = ["bin", "etc", "log", "var"];

/// The execute bits of a file's mode.
const EXECUTE: u32 = 0o111;

/// A longer file is not read: it is no file of ours, and nobody's empty one.
const LARGEST_COMPARED: u64 = 1 << 20;

/// Directories to make and files with one verb each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Those that are missing, parents first.
    pub directories: Vec<PathBuf>,
    /// All files of the instance.
    pub files: Vec<PlannedFile>,
}

impl Plan {
    /// Whether this file is a person's now, and may say anything.
    #[must_use]
    pub fn keeps(&self, path: &Path) -> bool {
        self.files.iter().any(|file| file.verb == Verb::Keep && file.path == path)
    }
}

/// A file of the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it should hold.
    pub contents: String,
    /// Whether it should be executable.
    pub executable: bool,
    /// What is to be done.
    pub verb: Verb,
}

/// What is to be done to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is missing: write it.
    Create,
    /// It is there and holds nothing but white space: write it, keeping owner and permissions.
    Fill,
    /// It is as it should be, white space at its ends apart: leave it.
    Same,
    /// Its contents are ours but it cannot be executed: set these permission bits.
    SetMode(u32),
    /// It holds something else: it is a person's now; leave it wholly alone, its permissions too.
    Keep,
}

/// Decides what has to be done to make the instance.
///
/// # Errors
/// What cannot be looked at, and what stands in the way: [`Error::System`], [`Error::InTheWay`].
pub fn draw(request: &Request) -> Result<Plan, Error> {
    let files = template::render(request)?;
    let mut directories = Vec::new();
    // The deepest comes last here, and missing ancestors are made first.
    for ancestor in request.home.path().ancestors().collect::<Vec<_>>().into_iter().rev() {
        push_if_missing(&mut directories, ancestor)?;
    }
    for name in DIRECTORIES {
        push_if_missing(&mut directories, &request.home.join(name))?;
    }
    let planned = |Rendered { name, contents, executable }| {
        let path = request.home.join(name);
        let verb = verb(&path, &contents, executable)?;
        Ok(PlannedFile { path, contents, executable, verb })
    };
    Ok(Plan { directories, files: files.into_iter().map(planned).collect::<Result<_, Error>>()? })
}

/// What is to be done to the file at `path`, by what stands there now.
///
/// A symbolic link is only ever read through: nobody can tell whose file a write through it would hit.
///
/// # Errors
/// What cannot be read, and anything there that is not a file.
pub(super) fn verb(path: &Path, contents: &str, executable: bool) -> Result<Verb, Error> {
    let in_the_way = |why| Err(Error::InTheWay { verb: "write", path: path.to_owned(), why });
    let is_link = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_symlink(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Verb::Create),
        Err(error) => return Err(Error::system("look at", path, error)),
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_link && error.kind() == io::ErrorKind::NotFound => {
            return in_the_way("it is a symbolic link to nothing");
        }
        Err(error) => return Err(Error::system("look at", path, error)),
    };
    if metadata.is_dir() {
        return in_the_way("it is a directory");
    }
    if !metadata.is_file() {
        return in_the_way("it is not a regular file");
    }
    if metadata.len() > LARGEST_COMPARED {
        return Ok(Verb::Keep);
    }
    let present = read(path).map_err(|error| Error::system("read", path, error))?;
    let mode = metadata.mode() & 0o7777;
    Ok(match stripped(&present) {
        [] if is_link => return in_the_way("it is a symbolic link to an empty file"),
        [] => Verb::Fill,
        text if text != stripped(contents.as_bytes()) => Verb::Keep,
        _ if executable && mode & EXECUTE == 0 && !is_link => Verb::SetMode(runnable(mode)),
        _ => Verb::Same,
    })
}

/// `mode` with execution allowed to everyone who may read.
pub(super) fn runnable(mode: u32) -> u32 {
    mode | (mode & 0o444) >> 2
}

/// Whether a file with these contents counts as empty.
pub(super) fn is_blank(contents: &[u8]) -> bool {
    stripped(contents).is_empty()
}

/// Contents without the white space of ASCII at both ends.
fn stripped(contents: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let Some(first) = contents.iter().position(|byte| !is_blank(byte)) else { return &[] };
    let end = contents.iter().rposition(|byte| !is_blank(byte)).map_or(first, |last| last + 1);
    contents.get(first..end).unwrap_or_default()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    open_to_read(path)?.take(LARGEST_COMPARED).read_to_end(&mut contents)?;
    Ok(contents)
}

fn push_if_missing(missing: &mut Vec<PathBuf>, path: &Path) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Error::InTheWay {
            verb: "create directory",
            path: path.to_owned(),
            why: "something else has that name",
        }),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::system("look at", path, error)),
        Err(_) if path.is_symlink() => Err(Error::InTheWay {
            verb: "create directory",
            path: path.to_owned(),
            why: "it is a symbolic link to nothing",
        }),
        Err(_) => {
            missing.push(path.to_owned());
            Ok(())
        }
    }
}

/// The permission bits that a new file asks for; the process's mask takes its part.
pub(super) fn new_mode(executable: bool) -> u32 {
    if executable { 0o777 } else { 0o666 }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::super::address::Address;
    use super::super::find::Programs;
    use super::super::home::Home;
    use super::*;

    const OURS: &str = "# ours\nkey value\n";

    fn write(path: &Path, contents: &str, mode: u32) {
        fs::write(path, contents).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn verb_of(path: &Path, executable: bool) -> Result<Verb, String> {
        verb(path, OURS, executable).map_err(|error| error.to_string())
    }

    #[test]
    fn verb_follows_from_what_the_file_holds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        assert_eq!(verb_of(&path, false), Ok(Verb::Create));
        let long = " ".repeat(1 << 21);
        for (contents, expected) in [
            ("", Verb::Fill),
            (" \t\r\n\x0b\x0c", Verb::Fill),
            (OURS, Verb::Same),
            ("\n\n# ours\nkey value", Verb::Same),
            ("# ours\nkey  value\n", Verb::Keep),
            ("#", Verb::Keep),
            ("\0", Verb::Keep),
            (&format!("{OURS}{long}x"), Verb::Keep),
            (&long, Verb::Keep),
        ] {
            write(&path, contents, 0o644);
            let start: String = contents.chars().take(20).collect();
            assert_eq!(verb_of(&path, false), Ok(expected), "{start:?}");
        }
    }

    #[test]
    fn script_of_ours_that_nobody_can_execute_gets_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        for (contents, mode, expected) in [
            (OURS, 0o644, Verb::SetMode(0o755)),
            (OURS, 0o600, Verb::SetMode(0o700)),
            (OURS, 0o640, Verb::SetMode(0o750)),
            (OURS, 0o755, Verb::Same),
            (OURS, 0o700, Verb::Same),
            ("other", 0o644, Verb::Keep),
        ] {
            write(&path, contents, mode);
            assert_eq!(verb_of(&path, true), Ok(expected), "{contents:?} {mode:o}");
        }
    }

    #[test]
    fn symbolic_link_is_read_through_but_never_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("f"), directory.path().join("l"));
        symlink("f", &link).unwrap();
        let refused = |why| Err(format!("cannot write '{}': {why}", link.display()));
        assert_eq!(verb_of(&link, false), refused("it is a symbolic link to nothing"));
        write(&file, " \n", 0o644);
        assert_eq!(verb_of(&link, false), refused("it is a symbolic link to an empty file"));
        write(&file, OURS, 0o644);
        assert_eq!(verb_of(&link, true), Ok(Verb::Same));
        write(&file, "other", 0o644);
        assert_eq!(verb_of(&link, true), Ok(Verb::Keep));
    }

    #[test]
    fn what_is_not_a_file_is_in_the_way() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |path: &Path, why| Err(format!("cannot write '{}': {why}", path.display()));
        assert_eq!(verb_of(directory.path(), false), refused(directory.path(), "it is a directory"));
        let socket = directory.path().join("s");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(verb_of(&socket, false), refused(&socket, "it is not a regular file"));
    }

    fn request(home: &Path) -> Request {
        let program = "/bin/true".to_owned();
        Request {
            home: Home::new(home, Path::new("/")).unwrap(),
            address: Address::default(),
            programs: Programs { server: program.clone(), zdctl: program.clone(), zdrun: program },
        }
    }

    #[test]
    fn missing_directories_are_listed_parents_first() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        fs::create_dir_all(top.join("a")).unwrap();
        let plan = draw(&request(&top.join("a/b/home"))).unwrap();
        let expected = ["a/b", "a/b/home", "a/b/home/bin", "a/b/home/etc", "a/b/home/log", "a/b/home/var"];
        assert_eq!(plan.directories, expected.map(|name| top.join(name)));
        assert!(plan.files.iter().all(|file| file.verb == Verb::Create));
        fs::create_dir_all(top.join("a/b/home/log")).unwrap();
        let plan = draw(&request(&top.join("a/b/home"))).unwrap();
        assert_eq!(plan.directories, ["bin", "etc", "var"].map(|name| top.join("a/b/home").join(name)));
    }

    #[test]
    fn what_is_not_a_directory_is_in_the_way_of_one() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        fs::write(top.join("file"), "").unwrap();
        symlink("nothing", top.join("link")).unwrap();
        for (home, path, why) in [
            ("file/home", "file", "something else has that name"),
            ("link", "link", "it is a symbolic link to nothing"),
        ] {
            let message = draw(&request(&top.join(home))).unwrap_err().to_string();
            assert_eq!(message, format!("cannot create directory '{}': {why}", top.join(path).display()));
        }
    }
}
