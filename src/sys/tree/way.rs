//! Whether others can exchange what a path leads to.
#![allow(unsafe_code)] // access control lists have no wrapper

use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{open, readlinkat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstat};

use super::walk::{MOST_LINKS, is_closed, is_ours, is_shut, kind, look_in, open_below, open_directory};

/// The first thing on the way to a file, links and the file itself included, that others than root and we (with our own
/// group) can change or put another in the place of; `None`: what is there now stays as long as we and root let it.
///
/// # Errors
/// What the system says of the way.
pub fn exposed(path: &Path) -> io::Result<Option<PathBuf>> {
    let root = || open_directory(|flags| open("/", flags, Mode::empty()));
    let parts = |path: &Path| -> Vec<OsString> {
        path.components().map(|part| part.as_os_str().to_owned()).filter(|part| part != "/").collect()
    };
    let (mut at, mut shown) = (root()?, PathBuf::from("/"));
    let mut left = VecDeque::from(parts(path));
    let mut links = 0;
    loop {
        // Each is open before it is judged, and nobody can exchange what lies in one that has passed.
        let stat = fstat(&at)?;
        if !is_shut(&stat) || has_list(&stat, &shown)? {
            return Ok(Some(shown));
        }
        let Some(name) = left.pop_front() else { return Ok(None) };
        let stat = look_in(&at, &name)?;
        match kind(&stat) {
            libc::S_IFDIR => {
                at = open_below(&at, &name)?;
                shown =
                    if name == ".." { shown.parent().unwrap_or(&shown).to_owned() } else { shown.join(name) };
            }
            libc::S_IFLNK if !is_ours(stat.st_uid) => return Ok(Some(shown.join(name))),
            libc::S_IFLNK => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::ELOOP.into());
                }
                let target = PathBuf::from(readlinkat(&at, name.as_os_str())?);
                if target.is_absolute() {
                    (at, shown) = (root()?, PathBuf::from("/"));
                }
                parts(&target).into_iter().rev().for_each(|part| left.push_front(part));
            }
            _ if !left.is_empty() => return Err(Errno::ENOTDIR.into()),
            _ => {
                let file = shown.join(name);
                return Ok((!is_closed(&stat) || has_list(&stat, &file)?).then_some(file));
            }
        }
    }
}

/// Whether an access control list (acl(5)) may let others than the group write: the bits of the group, which may be ours, then
/// stand for all that the list has.
fn has_list(stat: &FileStat, path: &Path) -> io::Result<bool> {
    if stat.st_mode & libc::S_IWGRP == 0 {
        return Ok(false);
    }
    let path = CString::new(path.as_os_str().as_bytes())?;
    let name = c"system.posix_acl_access";
    // SAFETY: both strings end in zero; with no room given only the length is told.
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
        assert_eq!(exposed(&file).unwrap(), None, "our own group may");
        for what in [&file, &top] {
            let before = fs::metadata(what).unwrap().permissions().mode();
            if !let_write(what, 65534) {
                return;
            }
            assert_eq!(exposed(&file).unwrap().as_ref(), Some(what));
            set_mode(what, before & 0o757);
            assert_eq!(exposed(&file).unwrap(), None, "the mask takes the right away");
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
        let seen = |way: &str| exposed(&at(way)).unwrap();
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
            if super::super::own_uid() == 0 {
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
        if super::super::own_uid() == 0 {
            lchown(at("link"), OTHER, OTHER).unwrap();
            assert_eq!((seen("far"), seen("a/b/f")), (Some(at("link")), None));
        }
        let error = |way: &str| exposed(&at(way)).unwrap_err().raw_os_error();
        assert_eq!(error("round"), Some(libc::ELOOP));
        assert_eq!(error("a/b/f/x"), Some(libc::ENOTDIR));
        assert_eq!(error("a/none"), Some(libc::ENOENT));
    }
}
