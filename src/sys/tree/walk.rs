//! The way down: from one open directory to the next, over the links that are followed.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::getegid;

use super::super::files::retried;
use super::super::user::own_uid;

/// As many links as the system follows on one way (`path_resolution(7)`).
pub(super) const MOST_LINKS: u32 = 40;

/// A symbolic link that is not followed: the source of the error that says so.
#[derive(Debug)]
pub struct Untrusted(PathBuf);

impl Untrusted {
    /// The link that an error is about.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Path> {
        error.get_ref()?.downcast_ref().map(|Self(link)| link.as_path())
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another user may have put a symbolic link there")
    }
}

impl std::error::Error for Untrusted {}

/// The way down to one path.
pub(super) struct Walk<'a> {
    shown: &'a Path,
    links: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn to(shown: &'a Path) -> Self {
        Self { shown, links: 0 }
    }

    pub(super) fn met_links(&self) -> bool {
        self.links > 0
    }

    /// Opens the directory of this name in another.
    pub(super) fn enter(&mut self, at: &Rc<OwnedFd>, name: &OsStr) -> io::Result<Rc<OwnedFd>> {
        match open_below(at, name) {
            Ok(directory) => Ok(Rc::new(directory)),
            // Whether a link is the one or the other depends on the system.
            Err(Errno::ENOTDIR | Errno::ELOOP) => match self.follow(at, name)? {
                (directory, None) => Ok(directory),
                (directory, Some(name)) => self.enter(&directory, &name),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Where a link leads: a directory, and mostly a name in it. `ENOTDIR` for what is no link.
    pub(super) fn follow(
        &mut self,
        at: &Rc<OwnedFd>,
        name: &OsStr,
    ) -> io::Result<(Rc<OwnedFd>, Option<OsString>)> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::ELOOP.into());
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let link = retried(|| openat(at, name, flags, Mode::empty()))?;
        let stat = fstat(&link)?;
        if kind(&stat) != libc::S_IFLNK {
            return Err(Errno::ENOTDIR.into());
        }
        if !is_ours(stat.st_uid) || !is_shut(&fstat(at)?) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, Untrusted(self.shown.to_owned())));
        }
        let target = PathBuf::from(readlinkat(&link, "")?);
        let mut at = Rc::clone(at);
        let mut parts = target.components().peekable();
        while let Some(part) = parts.next() {
            let name = match part {
                Component::CurDir => continue,
                Component::Prefix(_) | Component::RootDir => {
                    at = Rc::new(open_directory(|flags| open("/", flags, Mode::empty()))?);
                    continue;
                }
                Component::ParentDir => OsStr::new(".."),
                Component::Normal(name) if parts.peek().is_none() => return Ok((at, Some(name.to_owned()))),
                Component::Normal(name) => name,
            };
            at = self.enter(&at, name)?;
        }
        Ok((at, None))
    }
}

/// Opens a directory in another, if it is no link.
pub(super) fn open_below(at: &OwnedFd, name: &OsStr) -> nix::Result<OwnedFd> {
    open_directory(|flags| openat(at, name, flags | OFlag::O_NOFOLLOW, Mode::empty()))
}

/// Opens a directory. One that may be searched but not read does for all but [`Tree::sync`].
pub(super) fn open_directory(open: impl Fn(OFlag) -> nix::Result<OwnedFd>) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    match retried(|| open(flags | OFlag::O_RDONLY)) {
        Err(Errno::EACCES) => retried(|| open(flags | OFlag::O_PATH)),
        opened => opened,
    }
}

pub(super) fn look_in(at: &OwnedFd, name: &OsStr) -> io::Result<FileStat> {
    Ok(retried(|| fstatat(at, name, AtFlags::AT_SYMLINK_NOFOLLOW))?)
}

pub(super) fn kind(stat: &FileStat) -> libc::mode_t {
    stat.st_mode & libc::S_IFMT
}

pub(super) fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == own_uid()
}

/// Whether nobody but root and we can put a link of ours into the directory.
pub(super) fn is_shut(directory: &FileStat) -> bool {
    is_closed(directory) || is_ours(directory.st_uid) && directory.st_mode & libc::S_ISVTX != 0
}

/// Whether nobody but root and we, with our own group, can write in it.
pub(super) fn is_closed(stat: &FileStat) -> bool {
    let by_group = stat.st_mode & libc::S_IWGRP != 0 && stat.st_gid != getegid().as_raw();
    is_ours(stat.st_uid) && !by_group && stat.st_mode & libc::S_IWOTH == 0
}
