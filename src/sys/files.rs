//! Files that are there whole or not at all.
//!
//! A file is written under a temporary name, brought to the disk, and only then given its own: a crash, a full disk or a
//! lost power supply leaves the old state or the new one, and at worst a temporary file, which goes away when the file is
//! next written. Every name is used relative to one open directory, so that a directory renamed meanwhile cannot split the
//! steps, and the last part of a path is never followed when it is a symbolic link.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fsync, linkat, unlinkat};

use super::retry::retried;
use super::temporary::Temporary;

/// Longer files are not compared with what they are expected to hold.
const MAX_COMPARED_BYTES: u64 = 1 << 20;

/// The directory part of a path: `.` for a bare name, as for the empty path and the root.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a file with `contents` and the permission bits `mode` less the process's mask.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if anything has that name by the time the file is whole; what has the name is then
/// untouched. Otherwise what the system says.
pub fn create(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let (directory, name) = split(path)?;
    create_in(&directory, name, contents, mode)?;
    sync(&directory)
}

/// Gives an existing regular file new contents; owner, group and permission bits stay.
///
/// `expected` judges the present contents right before the change (`None`: they are longer than any that it could know, 1
/// MiB); if it says no, nothing is changed and the result is `false`. (What is written into the old file between that and
/// the rename, some microseconds, is lost.)
///
/// # Errors
/// What the system says; the file is then as it was.
pub fn replace(path: &Path, contents: &[u8], expected: impl Fn(Option<&[u8]>) -> bool) -> io::Result<bool> {
    let (directory, name) = split(path)?;
    Ok(replace_in(&directory, name, contents, expected)? && sync(&directory).map(|()| true)?)
}

/// As [`create`], for a name in a directory, whose entries are then still to be brought to the disk.
pub(super) fn create_in(directory: &OwnedFd, name: &OsStr, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = Temporary::new(directory, name, mode)?;
    temporary.file.write_all(contents)?;
    temporary.file.sync_all()?;
    temporary.publish(name)
}

/// As [`replace`], for a name in a directory, whose entries are then still to be brought to the disk.
pub(super) fn replace_in(
    directory: &OwnedFd,
    name: &OsStr,
    contents: &[u8],
    expected: impl Fn(Option<&[u8]>) -> bool,
) -> io::Result<bool> {
    let old = open_in(directory, name)?;
    let metadata = old.metadata()?;
    if !metadata.is_file() {
        return Ok(false);
    }
    // Others may not look into the new file before it has its owner and bits.
    let temporary = Temporary::new(directory, name, 0o600)?;
    write_like(&temporary.file, contents, &metadata)?;
    let mut present = Vec::new();
    old.take(MAX_COMPARED_BYTES + 1).read_to_end(&mut present)?;
    let is_known = u64::try_from(present.len()).is_ok_and(|length| length <= MAX_COMPARED_BYTES);
    if !expected(is_known.then_some(&present)) {
        return Ok(false);
    }
    temporary.rename(name)?;
    Ok(true)
}

/// Gives a new file its contents and the owner, group and permission bits of another, and brings it to the disk.
fn write_like(mut file: &File, contents: &[u8], other: &Metadata) -> io::Result<()> {
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (other.uid(), other.gid()) {
        let (owner, group) = (Uid::from_raw(other.uid()), Gid::from_raw(other.gid()));
        retried(|| fchown(file, Some(owner), Some(group)))?;
    }
    file.set_permissions(other.permissions())?;
    file.write_all(contents)?;
    file.sync_all()
}

/// Gives a file a second name in its directory, and brings that to the disk; a symbolic link gets one itself.
pub(super) fn link_in(directory: &OwnedFd, name: &OsStr, other: &OsStr) -> io::Result<()> {
    retried(|| linkat(directory, name, directory, other, AtFlags::empty()))?;
    sync(directory)
}

/// Sets the permission bits of a regular file that is no symbolic link and has these contents, and brings them to the disk;
/// `false`: it has others.
pub(super) fn set_mode_in(directory: &OwnedFd, name: &OsStr, contents: &[u8], mode: u32) -> io::Result<bool> {
    let Some(file) = holding(directory, name, contents)? else { return Ok(false) };
    file.set_permissions(PermissionsExt::from_mode(mode))?;
    file.sync_all()?;
    Ok(true)
}

/// Gives a regular file that is no symbolic link, is ours and has these contents to another user and group.
pub(super) fn give_in(
    directory: &OwnedFd,
    name: &OsStr,
    contents: &[u8],
    uid: u32,
    gid: u32,
) -> io::Result<()> {
    let file = holding(directory, name, contents)?.ok_or(Errno::EPERM)?;
    if file.metadata()?.uid() != super::user::own_uid() {
        return Err(Errno::EPERM.into());
    }
    fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    file.sync_all()
}

/// Removes a regular file that is no symbolic link and has these contents; `false`: it has others. The directory is then still
/// to be brought to the disk.
pub(super) fn remove_in(directory: &OwnedFd, name: &OsStr, contents: &[u8]) -> io::Result<bool> {
    if holding(directory, name, contents)?.is_none() {
        return Ok(false);
    }
    retried(|| unlinkat(directory, name, UnlinkatFlags::NoRemoveDir))?;
    Ok(true)
}

/// Opens a regular file, if it has these contents.
fn holding(directory: &OwnedFd, name: &OsStr, contents: &[u8]) -> io::Result<Option<File>> {
    let file = open_in(directory, name)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let length = u64::try_from(contents.len()).unwrap_or(u64::MAX);
    let mut present = Vec::with_capacity(contents.len());
    (&file).take(length.saturating_add(1)).read_to_end(&mut present)?;
    Ok((present == contents).then_some(file))
}

/// Opens a file of a directory for reading: `ELOOP` for a symbolic link; a FIFO does not make the caller wait.
pub(super) fn open_in(directory: &OwnedFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    Ok(File::from(retried(|| openat(directory, name, flags, Mode::empty()))?))
}

/// Opens a file for reading; a FIFO in its place does not make the caller wait for a writer.
///
/// # Errors
/// What the system says.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Brings a directory's entries to the disk. A directory that may be written to but not read cannot be opened for
/// that; it is left to the system's own time.
///
/// # Errors
/// What the system says.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    match open_directory(path) {
        Ok(directory) => sync(&directory),
        Err(Errno::EACCES) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn open_directory(path: &Path) -> nix::Result<OwnedFd> {
    retried(|| open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()))
}

/// The open directory of `path`, and the name in it.
fn split(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let name = path.file_name().ok_or(Errno::EISDIR)?;
    Ok((open_directory(parent(path))?, name))
}

/// fsync(2) of a directory; file systems that know no such thing say `EINVAL`, and then there is nothing to do, nor for one
/// that is open but not for reading.
pub(super) fn sync(directory: &OwnedFd) -> io::Result<()> {
    match retried(|| fsync(directory)) {
        Ok(()) | Err(Errno::EINVAL | Errno::EBADF) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    pub(in super::super) fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn create_writes_the_whole_and_leaves_no_other_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        create(&path, b"text\n", 0o700).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"text\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(names(directory.path()), ["f"]);
    }

    #[test]
    fn create_never_takes_a_name_that_is_in_use() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f"), "mine").unwrap();
        symlink("nowhere", directory.path().join("l")).unwrap();
        for name in ["f", "l"] {
            let error = create(&directory.path().join(name), b"x", 0o644).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{name}");
        }
        assert_eq!(fs::read(directory.path().join("f")).unwrap(), b"mine");
        assert_eq!(names(directory.path()), ["f", "l"]);
    }

    #[test]
    fn replace_keeps_the_mode_and_asks_about_the_present_contents() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(!replace(&path, b"new", |present| present == Some(b"other")).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert!(replace(&path, b"new", |present| present == Some(b"old")).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(names(directory.path()), ["f"]);
    }

    #[test]
    fn a_symbolic_link_is_neither_replaced_nor_given_a_mode() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f"), "").unwrap();
        let before = fs::metadata(directory.path().join("f")).unwrap().mode();
        let link = directory.path().join("l");
        symlink("f", &link).unwrap();
        let refused = Some(Errno::ELOOP as i32);
        assert_eq!(replace(&link, b"new", |_| true).unwrap_err().raw_os_error(), refused);
        let (open, name) = split(&link).unwrap();
        let error = set_mode_in(&open, name, b"", 0o777).unwrap_err();
        assert_eq!(error.raw_os_error(), refused);
        assert_eq!(fs::metadata(directory.path().join("f")).unwrap().mode(), before);
        assert_eq!(names(directory.path()), ["f", "l"]);
    }
}
