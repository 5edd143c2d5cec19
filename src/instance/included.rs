//! The server's configuration as it is on the disk, with the files that it includes.
//!
//! The configuration may belong to another user than the one that runs this. So included files below the home are read as
//! everything there is ([`crate::sys::tree`]), and one outside of it only where only root and we could write the line that
//! names it;
//! of what values name (certificates, directories) nothing is looked at.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::Error;
use super::home::{Home, SERVER};
use crate::config::schema;
use crate::sys::tree::{FileKind, SafeTree, Text};
use crate::zconfig::{self, Environment, Files, Limits, Problems};

/// Files of ours are shorter.
const MAX_BYTES: u64 = 1 << 20;

/// More than any configuration needs: a hostile one costs no more.
const LIMITS: Limits =
    Limits { bytes: 8 << 20, substituted: 8 << 20, files: 1000, depth: 1000, items: 100_000, faults: 1000 };

/// Reads the server's configuration; `None` where it is not there, or no file.
///
/// # Errors
/// What keeps it, or a file that it includes, from being read; but for included files that are not there, or no files:
/// these are among the problems.
pub(super) fn survey(tree: &SafeTree, home: &Home) -> Result<Option<(zconfig::Tree, Problems)>, Error> {
    let path = home.join(SERVER);
    let read = text(tree, &path)?;
    read.map(|text| survey_text(tree, home, &path, text)).transpose()
}

/// The same for this text of a file.
///
/// # Errors
/// As [`survey`].
pub(super) fn survey_text(
    tree: &SafeTree,
    home: &Home,
    path: &Path,
    text: Text,
) -> Result<(zconfig::Tree, Problems), Error> {
    let Text { bytes, is_closed } = text;
    let included = Included { tree, home, closed: RefCell::default(), fault: RefCell::default() };
    included.keep(path, is_closed);
    let environment = Environment::process().trusting();
    let surveyed = zconfig::load_text_lossy(&schema::SERVER, path, bytes, &included, &environment, LIMITS);
    included.fault.into_inner().map_or(Ok(surveyed), Err)
}

/// Reads a file; `None` where it is not there, or no file.
///
/// # Errors
/// [`Error::System`] and [`Error::Link`].
pub(super) fn text(tree: &SafeTree, path: &Path) -> Result<Option<Text>, Error> {
    let seen = match tree.look(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        seen => seen.map_err(|error| Error::system("look at", path, error))?,
    };
    let text = (seen.what == FileKind::File).then(|| seen.read(MAX_BYTES)).transpose();
    text.map_err(|error| Error::system("read", path, error))
}

/// Access to included files.
#[derive(Debug)]
struct Included<'a> {
    tree: &'a SafeTree,
    home: &'a Home,
    /// Those of the files that were read in which only root and we can write.
    closed: RefCell<BTreeSet<PathBuf>>,
    /// Why not all of them could be read.
    fault: RefCell<Option<Error>>,
}

impl Included<'_> {
    /// Keeps whether others could write what was just read. (It may have been read before, when it was another file.)
    fn keep(&self, path: &Path, is_closed: bool) {
        let mut closed = self.closed.borrow_mut();
        if is_closed {
            closed.insert(path.to_owned());
        } else {
            closed.remove(path);
        }
    }

    /// Ends the load: what the files say is not known.
    fn failed(&self, fault: Error) -> io::Error {
        let error = io::Error::other(fault.to_string());
        self.fault.borrow_mut().get_or_insert(fault);
        error
    }
}

impl Files for Included<'_> {
    fn read(&self, path: &Path, includer: &Path, most: u64) -> io::Result<Vec<u8>> {
        if !self.home.holds(path) && !self.closed.borrow().contains(includer) {
            let why = "it includes a file outside the home, and another user can write in it";
            return Err(self.failed(Error::InTheWay { verb: "use", path: includer.to_owned(), why }));
        }
        if path.components().any(|part| part == Component::ParentDir) {
            // Written as %2E%2E: plain dots are taken away when the line is read.
            let why = "its path has '..' in it";
            return Err(self.failed(Error::InTheWay { verb: "read", path: path.to_owned(), why }));
        }
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => error,
            _ => self.failed(Error::system("read", path, error)),
        };
        let seen = self.tree.look(path).map_err(failed)?;
        match seen.what {
            FileKind::File => {}
            FileKind::Nothing | FileKind::DanglingLink => return Err(io::ErrorKind::NotFound.into()),
            FileKind::Directory | FileKind::Other => {
                return Err(io::Error::other("it is not a regular file"));
            }
        }
        let text = seen.read(most).map_err(failed)?;
        self.keep(path, text.is_closed);
        Ok(text.bytes)
    }
}
