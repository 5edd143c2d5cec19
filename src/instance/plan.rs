//! What is to be done to the disk, decided before any of it is done.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::found::{self, Found, State};
use super::template::{Rendered, Templates};
use super::{Error, Request};

/// The directories of an instance in the order in which they are made.
const DIRECTORIES: [&str; 4] = ["bin", "etc", "log", "var"];

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
    /// The permission bits that it should ask for when it is made.
    pub mode: u32,
    /// What was there when the plan was drawn.
    pub found: Found,
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

/// Decides what has to be done to make the instance of these templates.
///
/// # Errors
/// What cannot be looked at, and what stands in the way: [`Error::System`], [`Error::InTheWay`].
pub fn draw(request: &Request, templates: &Templates) -> Result<Plan, Error> {
    let files = templates.render(request)?;
    let mut directories = Vec::new();
    // The deepest comes last here, and missing ancestors are made first.
    for ancestor in request.home.path().ancestors().collect::<Vec<_>>().into_iter().rev() {
        push_if_missing(&mut directories, ancestor)?;
    }
    for name in DIRECTORIES {
        push_if_missing(&mut directories, &request.home.join(name))?;
    }
    for file in &files {
        let parents: Vec<_> = Path::new(&file.name).ancestors().skip(1).collect();
        for parent in parents.into_iter().rev().filter(|parent| !parent.as_os_str().is_empty()) {
            let parent = request.home.path().join(parent);
            if !directories.contains(&parent) {
                push_if_missing(&mut directories, &parent)?;
            }
        }
    }
    let planned = |Rendered { name, contents, mode }| {
        let path = request.home.join(&name);
        let (found, verb) = decide(&path, &contents, mode)?;
        Ok(PlannedFile { path, contents, mode, found, verb })
    };
    Ok(Plan { directories, files: files.into_iter().map(planned).collect::<Result<_, Error>>()? })
}

/// What is to be done to the file at `path`, by what stands there now.
///
/// # Errors
/// Those of [`found::look`].
pub(super) fn decide(path: &Path, contents: &str, mode: u32) -> Result<(Found, Verb), Error> {
    let found = found::look(path, contents, is_executable(mode))?;
    let verb = match found.state {
        State::Missing => Verb::Create,
        State::Blank => Verb::Fill,
        State::Same => Verb::Same,
        State::NotExecutable(mode) => Verb::SetMode(mode),
        State::Unedited | State::Edited => Verb::Keep,
    };
    Ok((found, verb))
}

/// Whether a file that asks for these permission bits is a program.
pub(super) fn is_executable(mode: u32) -> bool {
    mode & 0o100 != 0
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use super::super::address::Address;
    use super::super::find::Programs;
    use super::super::home::Home;
    use super::*;

    fn draw(request: &Request) -> Result<Plan, Error> {
        super::draw(request, &Templates::embedded().unwrap())
    }

    fn request(home: &Path) -> Request {
        let program = "/bin/true".to_owned();
        Request {
            home: Home::new(home, Path::new("/")).unwrap(),
            address: Address::default(),
            programs: Programs { server: program.clone(), zdctl: program.clone(), zdrun: program },
            set: BTreeMap::new(),
            with: Vec::new(),
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
