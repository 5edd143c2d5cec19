//! The programs that an instance's files refer to.

use std::env;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::quote::shown;
use super::{Error, home};
use crate::sys::files::open_to_read;
use crate::sys::program::{can_execute, find_in};

/// The programs by their absolute paths, as text for the generated files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The ZEO server.
    pub server: String,
    /// The controller.
    pub zdctl: String,
    /// The daemon manager.
    pub zdrun: String,
}

/// Where programs are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPaths {
    /// The directory of our own executable.
    pub beside: Option<PathBuf>,
    /// The directories of `PATH`, in order; relative ones already made absolute.
    pub path: Vec<PathBuf>,
}

impl SearchPaths {
    /// The places of a process in `current` whose executable is `own` and whose `PATH` is `path`. An empty entry of
    /// `PATH` is the working directory (XBD 8.3).
    #[must_use]
    pub fn new(own: Option<&Path>, path: Option<&OsStr>, current: &Path) -> Self {
        Self {
            beside: own.and_then(Path::parent).map(Path::to_owned),
            path: path
                .map(|path| env::split_paths(path).map(|entry| current.join(entry)).collect())
                .unwrap_or_default(),
        }
    }
}

impl Programs {
    /// Finds the three (server, `zdctl`, `zdrun`), each as it was named, else beside us, else on the path, where the
    /// server goes by `runzeo` and then by `runzeo.py`.
    ///
    /// # Errors
    /// [`Error::NotFound`] says what was looked for and where.
    pub fn find(places: &SearchPaths, named: [Option<&Path>; 3]) -> Result<Self, Error> {
        let [server, zdctl, zdrun] = named;
        let advice = "; name it with --server";
        let server = match server {
            Some(named) => check("the ZEO server", named)?,
            None => find("the ZEO server", "runzeo", &["runzeo", "runzeo.py"], places, advice)?,
        };
        let other = |name, named| match named {
            Some(named) => check(name, named),
            None => find(name, name, &[name], places, ""),
        };
        let (zdctl, zdrun) = (other("zdctl", zdctl)?, other("zdrun", zdrun)?);
        Ok(Self {
            server: home::text("server", &server)?,
            zdctl: home::text("zdctl", &zdctl)?,
            zdrun: home::text("zdrun", &zdrun)?,
        })
    }
}

/// A program that was named, if it can be run.
fn check(what: &str, named: &Path) -> Result<PathBuf, Error> {
    match can_execute(named) {
        Ok(true) => Ok(named.to_owned()),
        Ok(false) => Err(Error::NotFound(format!("{what}: {} is not an executable file", shown(named)))),
        Err(error) => Err(Error::system("look at", named, error)),
    }
}

/// `name` beside us, else each of the names that it goes by on the path.
fn find(
    what: &str,
    name: &str,
    on_path: &[&str],
    places: &SearchPaths,
    advice: &str,
) -> Result<PathBuf, Error> {
    if let Some(beside) = places.beside.as_deref().map(|directory| directory.join(name)) {
        // Another one on the path is no answer to that.
        let usable = can_execute(&beside).map_err(|error| Error::system("look at", &beside, error))?;
        if usable {
            return Ok(beside);
        }
    }
    let found = on_path.iter().find_map(|name| find_in(places.path.iter().cloned(), OsStr::new(name)));
    found.ok_or_else(|| {
        let beside = places.beside.as_deref().map_or_else(|| "an unknown directory".to_owned(), shown);
        let path = shown(env::join_paths(&places.path).unwrap_or_default());
        let listed = on_path.join(" or ");
        Error::NotFound(format!(
            "{what}: no {name} beside mkzeoinst in {beside}, no {listed} on PATH {path}{advice}"
        ))
    })
}

/// Whether a program is our server, as far as that is seen without running it.
#[must_use]
pub fn is_ours(program: &Path) -> bool {
    program.file_name().is_some_and(|name| name == "runzeo") && !is_python(program)
}

/// Whether a program is a script for Python. pip has the shell read the first line where that is too long for the kernel,
/// and names the interpreter in the second.
pub(super) fn is_python(program: &Path) -> bool {
    /// Room for two long paths.
    const BEGINNING: u64 = 1024;
    let mut beginning = Vec::new();
    let read = open_to_read(program).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
    let python = |line: &[u8]| String::from_utf8_lossy(line).contains("python");
    read.is_ok() && beginning.starts_with(b"#!") && beginning.split(|byte| *byte == b'\n').take(2).any(python)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Disk(tempfile::TempDir);

    impl Disk {
        /// Directories `own`, `one` and `two` with executables of the given names.
        fn with(executables: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            for name in ["own", "one", "two"] {
                fs::create_dir(directory.path().join(name)).unwrap();
            }
            for name in executables {
                let path = directory.path().join(name);
                fs::write(&path, "#!/bin/sh\n").unwrap();
                fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            }
            Self(directory)
        }

        fn at(&self, name: &str) -> String {
            self.0.path().join(name).to_str().unwrap().to_owned()
        }

        fn find(&self, server: Option<&str>) -> Result<Programs, String> {
            let own = self.at("own/mkzeoinst");
            let path = format!("one:{}", self.at("two"));
            let places = SearchPaths::new(Some(Path::new(&own)), Some(OsStr::new(&path)), self.0.path());
            let named = server.map(|name| self.at(name));
            Programs::find(&places, [named.as_deref().map(Path::new), None, None]).map_err(|e| e.to_string())
        }
    }

    #[test]
    fn programs_beside_us_come_before_those_on_the_path() {
        let all = ["own/runzeo", "own/zdctl", "own/zdrun", "one/runzeo", "one/zdctl", "two/zdrun"];
        let disk = Disk::with(&all);
        let found = disk.find(None).unwrap();
        assert_eq!(
            (found.server, found.zdctl, found.zdrun),
            (disk.at("own/runzeo"), disk.at("own/zdctl"), disk.at("own/zdrun"))
        );
    }

    #[test]
    fn relative_entry_of_the_path_gives_an_absolute_program() {
        let disk = Disk::with(&["one/runzeo", "one/zdctl", "two/zdrun"]);
        let found = disk.find(None).unwrap();
        assert_eq!(
            (found.server, found.zdctl, found.zdrun),
            (disk.at("one/runzeo"), disk.at("one/zdctl"), disk.at("two/zdrun"))
        );
    }

    #[test]
    fn runzeo_anywhere_on_the_path_comes_before_runzeo_py() {
        let disk = Disk::with(&["one/runzeo.py", "two/runzeo", "own/zdctl", "own/zdrun"]);
        assert_eq!(disk.find(None).unwrap().server, disk.at("two/runzeo"));
        let disk = Disk::with(&["own/runzeo.py", "two/runzeo.py", "own/zdctl", "own/zdrun"]);
        assert_eq!(disk.find(None).unwrap().server, disk.at("two/runzeo.py"));
    }

    #[test]
    fn named_server_is_taken_if_it_can_be_run() {
        let disk = Disk::with(&["own/runzeo", "own/zdctl", "own/zdrun", "two/other"]);
        assert_eq!(disk.find(Some("two/other")).unwrap().server, disk.at("two/other"));
        for bad in ["two/none", "two"] {
            let message = format!("cannot find the ZEO server: '{}' is not an executable file", disk.at(bad));
            assert_eq!(disk.find(Some(bad)), Err(message));
        }
    }

    #[test]
    fn missing_program_is_reported_with_every_place_looked_at() {
        let disk = Disk::with(&["own/runzeo", "own/zdrun"]);
        fs::write(disk.at("one/zdctl"), "not executable").unwrap();
        let (own, one, two) = (disk.at("own"), disk.at("one"), disk.at("two"));
        assert_eq!(
            disk.find(None),
            Err(format!(
                "cannot find zdctl: no zdctl beside mkzeoinst in '{own}', no zdctl on PATH '{one}:{two}'"
            ))
        );
        let disk = Disk::with(&["own/zdctl", "own/zdrun"]);
        let (own, one, two) = (disk.at("own"), disk.at("one"), disk.at("two"));
        assert_eq!(
            disk.find(None),
            Err(format!(
                "cannot find the ZEO server: no runzeo beside mkzeoinst in '{own}', no runzeo or runzeo.py on PATH \
                 '{one}:{two}'; name it with --server"
            ))
        );
    }
}
