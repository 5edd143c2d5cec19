//! Directories that are opened once, part by part, and everything below them: what a program that runs as root may read
//! and write in a directory that others can write in.
//!
//! The path of a root is trusted as it was typed, and the system resolves it. Below a root each part is opened in the
//! directory that was opened before it, and stays open: neither a symbolic link that was planted nor a directory that is
//! exchanged during the run leads elsewhere. One rule tells a planted link from an administrator's, who has `var` on
//! another disk: a link is followed if it belongs to root or to us and lies in a directory of root's or ours that others
//! cannot write in (our own group apart; a sticky bit keeps others from exchanging it). The target is walked by the same
//! rule. Any other link is an error, [`Untrusted`].
//!
//! openat2(2) with `RESOLVE_NO_SYMLINKS` would spare a few calls where there are no links; the walk that judges them would
//! be needed as well.

mod walk;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::libc;
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{Gid, Uid, fchownat};

use super::files;
use super::retry::retried;
use super::user::own_uid;
use walk::{Walk, is_closed, kind, look_in, open_below, open_directory};

pub use walk::{Untrusted, first_untrusted_component};

/// The open directories. All paths are absolute and have no `..`.
#[derive(Debug)]
pub struct SafeTree {
    roots: RefCell<Vec<PathBuf>>,
    open: RefCell<BTreeMap<PathBuf, Rc<OwnedFd>>>,
    /// Those with new entries that are not yet on the disk.
    changed: RefCell<BTreeSet<PathBuf>>,
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing.
    Nothing,
    /// A symbolic link to nothing.
    DanglingLink,
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// Something else.
    Other,
}

/// What was seen under a name, at the end of the links that are followed.
#[derive(Debug)]
pub struct DirEntry {
    /// Its kind.
    pub what: FileKind,
    /// Its permission bits.
    pub mode: u32,
    /// Its length in bytes.
    pub length: u64,
    /// Whether a link leads to it.
    pub is_link: bool,
    place: Option<(Rc<OwnedFd>, OsString)>,
}

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether only root and we (with our own group) can write in it.
    pub is_closed: bool,
}

impl DirEntry {
    fn of(what: FileKind) -> Self {
        Self { what, mode: 0, length: 0, is_link: what == FileKind::DanglingLink, place: None }
    }

    /// The first `most` bytes. What has taken the place of the file meanwhile does not make the caller wait.
    ///
    /// # Errors
    /// What the system says; `ELOOP` for a link that has taken the place, `ENOENT` where nothing was seen.
    pub fn read(&self, most: u64) -> io::Result<Text> {
        let (at, name) = self.place.as_ref().ok_or(Errno::ENOENT)?;
        let mut bytes = Vec::with_capacity(usize::try_from(self.length.min(most)).unwrap_or_default());
        let file = files::open_in(at, name)?;
        let stat = fstat(&file)?;
        if kind(&stat) != libc::S_IFREG {
            return Err(io::Error::other("it is not a regular file"));
        }
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Text { bytes, is_closed: is_closed(&stat) })
    }
}

impl SafeTree {
    /// Opens a directory, or the nearest above it that is there.
    ///
    /// # Errors
    /// What the system says of the root directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let tree = Self { roots: RefCell::default(), open: RefCell::default(), changed: RefCell::default() };
        tree.reach(path)?;
        Ok(tree)
    }

    /// Makes this directory, or the nearest above it that is there, a root as well, unless it lies below one.
    ///
    /// # Errors
    /// What the system says of the root directory.
    pub fn reach(&self, path: &Path) -> io::Result<()> {
        if self.roots.borrow().iter().any(|root| path.starts_with(root)) {
            return Ok(());
        }
        let mut last = Errno::ENOENT;
        for above in path.ancestors() {
            match open_directory(|flags| open(above, flags, Mode::empty())) {
                Ok(directory) => {
                    self.open.borrow_mut().insert(above.to_owned(), Rc::new(directory));
                    self.roots.borrow_mut().push(above.to_owned());
                    return Ok(());
                }
                // The failure comes again, and is reported, when the path is walked down.
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    /// Looks at what has this name, and follows links by the rule.
    ///
    /// # Errors
    /// What the system says, and [`Untrusted`].
    pub fn look(&self, path: &Path) -> io::Result<DirEntry> {
        let is_open = self.open.borrow().contains_key(path);
        if is_open || self.roots.borrow().iter().any(|root| root.starts_with(path)) {
            return Ok(DirEntry::of(FileKind::Directory));
        }
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let (at, name) = match self.place(path) {
            Err(error) if is_missing(&error) => return Ok(DirEntry::of(FileKind::Nothing)),
            place => place?,
        };
        let mut walk = Walk::new(at, path, Path::new(&name));
        let found = walk.trusted(path);
        let is_link = walk.met_links();
        match found {
            Err(error) if is_missing(&error) => {
                Ok(DirEntry::of(if is_link { FileKind::DanglingLink } else { FileKind::Nothing }))
            }
            Err(error) => Err(error),
            Ok(None) => Ok(DirEntry { is_link, ..DirEntry::of(FileKind::Directory) }),
            Ok(Some((name, stat))) => Ok(DirEntry {
                what: if kind(&stat) == libc::S_IFREG { FileKind::File } else { FileKind::Other },
                mode: stat.st_mode & 0o7777,
                length: u64::try_from(stat.st_size).unwrap_or_default(),
                is_link,
                place: Some((walk.directory, name)),
            }),
        }
    }

    /// Whether anything has this name; a link is something itself.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        self.place(path).is_ok_and(|(at, name)| look_in(&at, &name).is_ok())
    }

    /// Makes a directory with these permission bits less the process's mask. It is on the disk after [`SafeTree::sync`].
    ///
    /// # Errors
    /// What the system says.
    pub fn make_directory(&self, path: &Path, mode: u32) -> io::Result<()> {
        let (at, name) = self.place(path)?;
        retried(|| mkdirat(&at, name.as_os_str(), Mode::from_bits_truncate(mode)))?;
        self.mark(path);
        // What another has put in its place by now is refused if it is a link.
        let new = open_below(&at, &name)?;
        self.open.borrow_mut().insert(path.to_owned(), Rc::new(new));
        Ok(())
    }

    /// Gives a directory that this run has made to another user and group.
    ///
    /// # Errors
    /// `EPERM` for a directory that is not ours and `ENOTEMPTY` for one with something in it: another has put it in the
    /// place of the one that we made. Otherwise what the system says.
    pub fn give_directory(&self, path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        let directory = self.directory(path)?;
        if fstat(&directory)?.st_uid != own_uid() {
            return Err(Errno::EPERM.into());
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let entries = Dir::openat(&directory, ".", flags, Mode::empty())?;
        for entry in entries {
            if ![c".", c".."].contains(&entry?.file_name()) {
                return Err(Errno::ENOTEMPTY.into());
            }
        }
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        retried(|| fchownat(&directory, "", uid, gid, AtFlags::AT_EMPTY_PATH))?;
        self.changed.borrow_mut().insert(path.to_owned());
        Ok(())
    }

    /// Creates a file, as [`files::create`] does. Its name is on the disk after [`SafeTree::sync`].
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if anything has that name, which is then untouched; otherwise what the system says.
    pub fn create(&self, path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
        let (at, name) = self.place(path)?;
        files::create_in(&at, &name, contents, mode)?;
        self.mark(path);
        Ok(())
    }

    /// Gives an existing regular file new contents, as [`files::replace`] does.
    ///
    /// # Errors
    /// As there.
    pub fn replace(
        &self,
        path: &Path,
        contents: &[u8],
        expected: impl Fn(Option<&[u8]>) -> bool,
    ) -> io::Result<bool> {
        let (at, name) = self.place(path)?;
        let replaced = files::replace_in(&at, &name, contents, expected)?;
        if replaced {
            self.mark(path);
        }
        Ok(replaced)
    }

    /// Takes the name of a regular file that has these contents away. `false`: it has others, and is left alone.
    ///
    /// # Errors
    /// What the system says; `ELOOP` for a symbolic link.
    pub fn remove(&self, path: &Path, contents: &[u8]) -> io::Result<bool> {
        let (at, name) = self.place(path)?;
        let removed = files::remove_in(&at, &name, contents)?;
        if removed {
            self.mark(path);
        }
        Ok(removed)
    }

    /// Gives a file a second name beside it, and brings that to the disk; a symbolic link gets one itself.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if anything has that name; otherwise what the system says.
    pub fn link(&self, path: &Path, other: &Path) -> io::Result<()> {
        let (at, name) = self.place(path)?;
        files::link_in(&at, &name, other.file_name().ok_or(Errno::EISDIR)?)
    }

    /// Sets the permission bits of a regular file that has these contents, and brings them to the disk. `false`: it has
    /// others, and whose they are is not known.
    ///
    /// # Errors
    /// What the system says; `ELOOP` for a symbolic link.
    pub fn set_mode(&self, path: &Path, contents: &[u8], mode: u32) -> io::Result<bool> {
        let (at, name) = self.place(path)?;
        files::set_mode_in(&at, &name, contents, mode)
    }

    /// Gives a regular file that this run has made, with these contents, to another user and group.
    ///
    /// # Errors
    /// `EPERM` for a file that is not ours, or has others: another has put it in the place of the one that we made. Otherwise
    /// what the system says; `ELOOP` for a symbolic link.
    pub fn give_file(&self, path: &Path, contents: &[u8], uid: u32, gid: u32) -> io::Result<()> {
        let (at, name) = self.place(path)?;
        files::give_in(&at, &name, contents, uid, gid)
    }

    /// Brings all entries that were made to the disk.
    ///
    /// # Errors
    /// The directory, and what the system says.
    pub fn sync(&self) -> Result<(), (PathBuf, io::Error)> {
        while let Some(path) = self.changed.borrow_mut().pop_last() {
            let synced = self.directory(&path).and_then(|directory| files::sync(&directory));
            synced.map_err(|error| (path, error))?;
        }
        Ok(())
    }

    fn mark(&self, path: &Path) {
        self.changed.borrow_mut().extend(path.parent().map(Path::to_owned));
    }

    /// The open directory of `path`, and the name in it.
    fn place(&self, path: &Path) -> io::Result<(Rc<OwnedFd>, OsString)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::EISDIR.into());
        };
        Ok((self.directory(parent)?, name.to_owned()))
    }

    fn directory(&self, path: &Path) -> io::Result<Rc<OwnedFd>> {
        if let Some(directory) = self.open.borrow().get(path) {
            return Ok(Rc::clone(directory));
        }
        self.reach(path)?;
        if let Some(directory) = self.open.borrow().get(path) {
            return Ok(Rc::clone(directory));
        }
        let (at, name) = self.place(path)?;
        let mut walk = Walk::new(at, path, Path::new(&name));
        if walk.trusted(path)?.is_some() {
            return Err(Errno::ENOTDIR.into());
        }
        self.open.borrow_mut().insert(path.to_owned(), Rc::clone(&walk.directory));
        Ok(walk.directory)
    }
}

#[cfg(test)]
mod tests;
