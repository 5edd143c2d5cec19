//! Files that are there whole or not at all.
//!
//! A file is written under a temporary name in its own directory, brought to the disk, and only then given its name:
//! a crash, a full disk or a lost power supply leaves the old state or the new one, and at worst a temporary file.
//! Every name is used relative to one open directory, so that a directory renamed meanwhile cannot split the steps, and
//! the last part of a path is never followed when it is a symbolic link.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, Gid, Uid, UnlinkatFlags, access, fchown, fsync, linkat, unlinkat};

/// Creates a file with `contents` and the permission bits `mode` less the process's mask.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if anything has that name by the time the file is whole; what has the name is then
/// untouched. Otherwise what the system says.
pub fn create(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let (directory, name) = split(path)?;
    let mut temporary = Temporary::new(&directory, name, mode)?;
    temporary.fill(contents)?;
    // A link, unlike a rename, never takes a name away from a file that appeared meanwhile.
    linkat(&directory, temporary.name.as_os_str(), &directory, name, AtFlags::empty())?;
    drop(temporary);
    sync(&directory)
}

/// Gives an existing regular file new contents; owner, group and permission bits stay.
///
/// `expected` judges the present contents right before the change; if it says no, nothing is changed and the result is
/// `false`. (What is written into the old file between that and the rename, some microseconds, is lost.)
///
/// # Errors
/// What the system says; the file is then as it was.
pub fn replace(path: &Path, contents: &[u8], expected: impl Fn(&[u8]) -> bool) -> io::Result<bool> {
    let (directory, name) = split(path)?;
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let mut old = File::from(openat(&directory, name, flags, Mode::empty())?);
    let metadata = old.metadata()?;
    if !metadata.is_file() {
        return Ok(false);
    }
    // Nobody else may look into the new file before it has its owner and bits.
    let mut temporary = Temporary::new(&directory, name, 0o600)?;
    let made = temporary.file.metadata()?;
    if (made.uid(), made.gid()) != (metadata.uid(), metadata.gid()) {
        let (owner, group) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
        fchown(&temporary.file, Some(owner), Some(group))?;
    }
    temporary.file.set_permissions(metadata.permissions())?;
    temporary.fill(contents)?;
    let mut present = Vec::new();
    old.read_to_end(&mut present)?;
    if !expected(&present) {
        return Ok(false);
    }
    temporary.rename(name)?;
    sync(&directory)?;
    Ok(true)
}

/// Gives a file a second name in its directory; a symbolic link gets one itself.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if anything has that name; otherwise what the system says.
pub fn link(path: &Path, other: &Path) -> io::Result<()> {
    let (directory, name) = split(path)?;
    let other = other.file_name().ok_or(Errno::EISDIR)?;
    linkat(&directory, name, &directory, other, AtFlags::empty())?;
    sync(&directory)
}

/// Sets the permission bits of a regular file that is not a symbolic link.
///
/// # Errors
/// What the system says; `ELOOP` for a symbolic link.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let (directory, name) = split(path)?;
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = File::from(openat(&directory, name, flags, Mode::empty())?);
    file.set_permissions(PermissionsExt::from_mode(mode))
}

/// Gives a directory of our own to another user and group. What somebody has put in its place meanwhile is not touched.
///
/// # Errors
/// `ELOOP` or `ENOTDIR` for a symbolic link, `EPERM` for a directory that is not ours; otherwise what the system says.
pub fn give_directory(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let directory = File::from(open(path, flags, Mode::empty())?);
    if directory.metadata()?.uid() != super::user::own_uid() {
        return Err(Errno::EPERM.into());
    }
    Ok(fchown(&directory, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

/// Opens a file for reading; a FIFO in its place does not make the caller wait for a writer.
///
/// # Errors
/// What the system says.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Whether `path` is a regular file (links are followed) that this process may execute.
#[must_use]
pub fn can_execute(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
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
    open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// The open directory of `path`, and the name in it.
fn split(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::EISDIR.into());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    Ok((open_directory(parent)?, name))
}

/// fsync(2) of a directory; file systems that know no such thing say `EINVAL`, and then there is nothing to do.
fn sync(directory: &OwnedFd) -> io::Result<()> {
    match fsync(directory) {
        Ok(()) | Err(Errno::EINVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A file under a name that nobody can foresee; its name goes away with the value.
struct Temporary<'a> {
    directory: &'a OwnedFd,
    name: OsString,
    file: File,
}

impl<'a> Temporary<'a> {
    fn new(directory: &'a OwnedFd, target: &OsStr, mode: u32) -> io::Result<Self> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        loop {
            let mut name = OsString::from(".");
            name.push(target);
            // The standard library seeds this from the system's random source.
            name.push(format!(".{:016x}.tmp", RandomState::new().build_hasher().finish()));
            match openat(directory, name.as_os_str(), flags, Mode::from_bits_truncate(mode)) {
                Ok(file) => return Ok(Self { directory, name, file: file.into() }),
                Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn fill(&mut self, contents: &[u8]) -> io::Result<()> {
        self.file.write_all(contents)?;
        self.file.sync_all()
    }

    fn rename(mut self, target: &OsStr) -> io::Result<()> {
        renameat(self.directory, self.name.as_os_str(), self.directory, target)?;
        self.name.clear();
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            // Whatever went wrong before is what the caller reports; a name left behind does no harm.
            let _ = unlinkat(self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
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
        assert!(!replace(&path, b"new", |present| present == b"other").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert!(replace(&path, b"new", |present| present == b"old").unwrap());
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
        assert_eq!(set_mode(&link, 0o777).unwrap_err().raw_os_error(), refused);
        assert_eq!(fs::metadata(directory.path().join("f")).unwrap().mode(), before);
        assert_eq!(names(directory.path()), ["f", "l"]);
    }
}
