//! The walk down a path by open directories, and which links and directories it can trust.
#![allow(unsafe_code)] // access control lists have no wrapper

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::getegid;

use super::super::retry::retried;
use super::super::user::own_uid;

/// As many links as the system follows on one path (`path_resolution(7)`).
const MAX_LINKS: u32 = 40;

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

/// A walk down one path: the directory that it has come to, and what is still to come.
pub(super) struct Walk {
    pub(super) directory: Rc<OwnedFd>,
    /// The path of that directory.
    path: PathBuf,
    left: VecDeque<OsString>,
    links: u32,
}

/// What a walk comes to next.
pub(super) enum Step {
    /// Another directory, in which the walk now is.
    Directory,
    /// A symbolic link, which the walk has not followed.
    Link(OsString, FileStat),
    /// The file at the end of the path, in the walk's directory.
    File(OsString, FileStat),
    /// The end of the path, which is the walk's directory.
    End,
}

impl Walk {
    /// From an open directory, whose path is `path`.
    pub(super) fn new(directory: Rc<OwnedFd>, path: &Path, below: &Path) -> Self {
        Self { directory, path: path.to_owned(), left: parts(below).collect(), links: 0 }
    }

    /// Whether a link was followed.
    pub(super) fn met_links(&self) -> bool {
        self.links > 0
    }

    /// One part of the path further.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        let Some(name) = self.left.pop_front() else { return Ok(Step::End) };
        let stat = look_in(&self.directory, &name)?;
        match kind(&stat) {
            libc::S_IFDIR => {
                self.directory = Rc::new(open_below(&self.directory, &name)?);
                if name == ".." {
                    self.path.pop();
                } else {
                    self.path.push(name);
                }
                Ok(Step::Directory)
            }
            libc::S_IFLNK => Ok(Step::Link(name, stat)),
            _ if self.left.is_empty() => Ok(Step::File(name, stat)),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    /// Goes on with the path that a link holds.
    pub(super) fn follow(&mut self, link: &OsStr) -> io::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::ELOOP.into());
        }
        let target = PathBuf::from(readlinkat(&self.directory, link)?);
        if target.is_absolute() {
            (self.directory, self.path) = (root()?, PathBuf::from("/"));
        }
        parts(&target).rev().for_each(|part| self.left.push_front(part));
        Ok(())
    }

    /// Walks to the end. A link is followed if it belongs to root or to us, in a directory in which only root and we can put
    /// one of ours; `shown` is what the error about any other names.
    pub(super) fn trusted(&mut self, shown: &Path) -> io::Result<Option<(OsString, FileStat)>> {
        loop {
            match self.step()? {
                Step::Directory => {}
                Step::Link(name, stat) if is_ours(stat.st_uid) && is_shut(&fstat(&self.directory)?) => {
                    self.follow(&name)?;
                }
                Step::Link(..) => {
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, Untrusted(shown.to_owned())));
                }
                Step::File(name, stat) => return Ok(Some((name, stat))),
                Step::End => return Ok(None),
            }
        }
    }
}

/// The first thing on the path to a file, links and the file itself included, that others than root and we (with our own
/// group) can change or put another in the place of; `None`: what is there now stays as long as we and root let it.
///
/// # Errors
/// What the system says of the path.
pub fn first_untrusted_component(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut walk = Walk::new(root()?, Path::new("/"), path);
    loop {
        // Each is open before it is judged, and others cannot exchange what lies in one that has passed.
        let stat = fstat(&walk.directory)?;
        if !is_shut(&stat) || has_list(&stat, &walk.path)? {
            return Ok(Some(walk.path));
        }
        match walk.step()? {
            Step::Directory => {}
            Step::Link(name, stat) if !is_ours(stat.st_uid) => return Ok(Some(walk.path.join(name))),
            Step::Link(name, _) => walk.follow(&name)?,
            Step::File(name, stat) => {
                let file = walk.path.join(name);
                return Ok((!is_closed(&stat) || has_list(&stat, &file)?).then_some(file));
            }
            Step::End => return Ok(None),
        }
    }
}

fn root() -> io::Result<Rc<OwnedFd>> {
    Ok(Rc::new(open_directory(|flags| open("/", flags, Mode::empty()))?))
}

/// The parts of a path, but for the root and `.`.
fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    let parts = path.components().filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
    parts.map(|part| part.as_os_str().to_owned())
}

/// Opens a directory in another, if it is no link.
pub(super) fn open_below(at: &OwnedFd, name: &OsStr) -> nix::Result<OwnedFd> {
    open_directory(|flags| openat(at, name, flags | OFlag::O_NOFOLLOW, Mode::empty()))
}

/// Opens a directory. One that may be searched but not read does for all but fsync(2).
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

/// Whether only root and we can put a link of ours into the directory.
pub(super) fn is_shut(directory: &FileStat) -> bool {
    is_closed(directory) || is_ours(directory.st_uid) && directory.st_mode & libc::S_ISVTX != 0
}

/// Whether only root and we, with our own group, can write in it.
pub(super) fn is_closed(stat: &FileStat) -> bool {
    let by_group = stat.st_mode & libc::S_IWGRP != 0 && stat.st_gid != getegid().as_raw();
    is_ours(stat.st_uid) && !by_group && stat.st_mode & libc::S_IWOTH == 0
}

/// Whether an access control list (acl(5)) may let others than the group write: the bits of the group, which may be ours, then
/// stand for all that the list has.
fn has_list(stat: &FileStat, path: &Path) -> io::Result<bool> {
    if stat.st_mode & libc::S_IWGRP == 0 {
        return Ok(false);
    }
    let path = CString::new(path.as_os_str().as_bytes())?;
    let name = c"system.posix_acl_access";
    // SAFETY: both strings end in zero; with no room given only the length is given.
    let length = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) };
    match Errno::result(length) {
        Ok(length) => Ok(length > 0),
        // There is none, or the file system knows none.
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};

    use super::*;

    /// A user and a group that own nothing here.
    const OTHER: Option<u32> = Some(65534);

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Lets a user write, as setfacl(1) does; false: the file system knows no lists.
    fn let_write(path: &Path, user: u32) -> bool {
        // Version 2, then tag, rights and number of each entry (linux/posix_acl_xattr.h).
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, rights, number) in [
            (0x01u16, 7u16, u32::MAX), // owner
            (0x02, 7, user),
            (0x04, 5, u32::MAX), // group
            (0x10, 7, u32::MAX), // mask
            (0x20, 5, u32::MAX), // others
        ] {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(number.to_le_bytes());
        }
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        let name = c"system.posix_acl_access";
        // SAFETY: strings that end in zero, and a list of this length.
        let set =
            unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), list.as_ptr().cast(), list.len(), 0) };
        match Errno::result(set) {
            Err(Errno::EOPNOTSUPP) => false,
            set => set.map(|_| true).unwrap(),
        }
    }

    #[test]
    fn access_control_list_lets_others_in() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().canonicalize().unwrap();
        let file = top.join("f");
        fs::write(&file, "").unwrap();
        set_mode(&file, 0o664);
        assert_eq!(first_untrusted_component(&file).unwrap(), None, "our own group may");
        for what in [&file, &top] {
            let before = fs::metadata(what).unwrap().permissions().mode();
            if !let_write(what, 65534) {
                return;
            }
            assert_eq!(first_untrusted_component(&file).unwrap().as_ref(), Some(what));
            set_mode(what, before & 0o757);
            assert_eq!(first_untrusted_component(&file).unwrap(), None, "the mask takes the right away");
        }
    }

    #[test]
    fn whatever_others_can_change_on_the_way_is_found() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().canonicalize().unwrap();
        let at = |name: &str| top.join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/b/f"), "").unwrap();
        for (name, mode) in [("a", 0o755), ("a/b", 0o755), ("a/b/f", 0o755)] {
            set_mode(&at(name), mode);
        }
        symlink("a/../a", at("link")).unwrap();
        symlink(at("link/b/f"), at("far")).unwrap();
        symlink("round", at("round")).unwrap();
        let ways = ["a/b/f", "link/b/f", "far", "a/b"];
        let seen = |way: &str| first_untrusted_component(&at(way)).unwrap();
        assert!(ways.iter().all(|way| seen(way).is_none()));
        for name in ["a", "a/b", "a/b/f"] {
            for mode in [0o757, 0o777] {
                set_mode(&at(name), mode);
                for way in ways.iter().filter(|way| **way != "a/b" || name != "a/b/f") {
                    assert_eq!(seen(way), Some(at(name)), "{way} {mode:o}");
                }
            }
            // In a sticky directory they can make others, and nothing of this one.
            set_mode(&at(name), 0o1777);
            assert_eq!(seen("far").is_none(), name != "a/b/f");
            set_mode(&at(name), 0o755);
            if own_uid() == 0 {
                chown(at(name), OTHER, Some(0)).unwrap();
                assert_eq!(seen("far"), Some(at(name)));
                chown(at(name), Some(0), OTHER).unwrap();
                assert_eq!(seen("far"), None);
                set_mode(&at(name), 0o775);
                assert_eq!(seen("far"), Some(at(name)), "a group that is not ours");
                chown(at(name), Some(0), Some(0)).unwrap();
                set_mode(&at(name), 0o755);
            }
        }
        if own_uid() == 0 {
            lchown(at("link"), OTHER, OTHER).unwrap();
            assert_eq!((seen("far"), seen("a/b/f")), (Some(at("link")), None));
        }
        let error = |way: &str| first_untrusted_component(&at(way)).unwrap_err().raw_os_error();
        assert_eq!(error("round"), Some(libc::ELOOP));
        assert_eq!(error("a/b/f/x"), Some(libc::ENOTDIR));
        assert_eq!(error("a/none"), Some(libc::ENOENT));
    }
}
