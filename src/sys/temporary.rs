//! Files under temporary names that cannot be foreseen.
//!
//! Each is locked for as long as it has such a name (flock(2)). So one that a killed program has left differs from one
//! that is in use, and the next program that writes the same file removes it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::retry::retried;

/// Digits in a temporary name.
const DIGITS: usize = 16;

/// The end of a temporary name.
const END: &str = ".tmp";

/// A file under a temporary name, which goes away with the value.
#[derive(Debug)]
pub(super) struct Temporary<'a> {
    directory: &'a OwnedFd,
    name: OsString,
    pub(super) file: File,
}

impl<'a> Temporary<'a> {
    /// A new file that is to become `target`, with the permission bits `mode` less the process's mask.
    pub(super) fn new(directory: &'a OwnedFd, target: &OsStr, mode: u32) -> io::Result<Self> {
        sweep(directory, target);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        loop {
            let name = temporary_name(target);
            let file = match openat(directory, name.as_os_str(), flags, Mode::from_bits_truncate(mode)) {
                Ok(file) => File::from(file),
                Err(Errno::EEXIST | Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            // Another process may have swept it before it was locked. Where there are no locks there is no sweeping.
            let is_swept = matches!(file.try_lock(), Err(TryLockError::WouldBlock))
                || file.metadata().is_ok_and(|made| made.nlink() == 0);
            let new = Self { directory, name, file };
            if !is_swept {
                return Ok(new);
            }
        }
    }

    /// Gives the file its own name, unless anything has that.
    pub(super) fn publish(self, target: &OsStr) -> io::Result<()> {
        let (at, name) = (self.directory, self.name.as_os_str());
        match retried(|| renameat2(at, name, at, target, RenameFlags::RENAME_NOREPLACE)) {
            // The file system, or the kernel, does not know the flag. The temporary name goes away after.
            Err(Errno::EINVAL | Errno::ENOSYS) => {
                Ok(retried(|| linkat(at, name, at, target, AtFlags::empty()))?)
            }
            renamed => Ok(renamed?),
        }
    }

    /// Gives the file its own name, whatever had that.
    pub(super) fn rename(self, target: &OsStr) -> io::Result<()> {
        Ok(retried(|| renameat(self.directory, self.name.as_os_str(), self.directory, target))?)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // There is none any more where the file has its own. A name left behind does no harm.
        let _ = retried(|| unlinkat(self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir));
    }
}

/// The end of a temporary name that cannot be foreseen.
fn random_suffix() -> String {
    // The standard library seeds this from the system's random source.
    format!(".{:0DIGITS$x}{END}", RandomState::new().build_hasher().finish())
}

fn temporary_name(target: &OsStr) -> OsString {
    let mut name = OsString::from(".");
    name.push(target);
    name.push(random_suffix());
    name
}

/// Whether a file has such a name for the sake of `target`.
fn is_temporary(name: &[u8], target: &OsStr) -> bool {
    let rest = name.strip_prefix(b".").and_then(|name| name.strip_prefix(target.as_bytes()));
    let digits = rest.and_then(|rest| rest.strip_prefix(b".")?.strip_suffix(END.as_bytes()));
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Removes what programs that were killed have left of the same file. What cannot be removed does no harm.
fn sweep(directory: &OwnedFd, target: &OsStr) {
    const FILE_FLAGS: OFlag =
        OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(mut entries) = Dir::openat(directory, ".", flags, Mode::empty()) else { return };
    for entry in entries.iter().map_while(Result::ok) {
        let name = entry.file_name();
        if !is_temporary(name.to_bytes(), target) {
            continue;
        }
        let Ok(file) = openat(directory, name, FILE_FLAGS, Mode::empty()).map(File::from) else { continue };
        if file.metadata().is_ok_and(|left| left.is_file()) && file.try_lock().is_ok() {
            let _ = retried(|| unlinkat(directory, name, UnlinkatFlags::NoRemoveDir));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::files::replace;
    use super::super::files::tests::names;
    use super::*;

    #[test]
    fn what_a_killed_program_left_goes_when_the_file_is_next_written() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("f"), "old").unwrap();
        let others = [
            ".f.0123456789abcde.tmp",
            ".f.0123456789abcdeg.tmp",
            ".f.new.0123456789abcdef.tmp",
            ".g.0123456789abcdef.tmp",
            "f.0123456789abcdef.tmp",
        ];
        for name in others.iter().chain(&[".f.0123456789abcdef.tmp", ".f.ffffffffffffffff.tmp"]) {
            fs::write(at(name), "left").unwrap();
        }
        symlink("f", at(".f.1111111111111111.tmp")).unwrap();
        fs::create_dir(at(".f.2222222222222222.tmp")).unwrap();
        assert!(replace(&at("f"), b"new", |_| true).unwrap());
        let mut left: Vec<_> = others.map(str::to_owned).into();
        left.extend([".f.1111111111111111.tmp", ".f.2222222222222222.tmp", "f"].map(str::to_owned));
        left.sort();
        assert_eq!(names(directory.path()), left);
    }

    #[test]
    fn what_is_in_use_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (open, target) = (OwnedFd::from(File::open(directory.path()).unwrap()), OsStr::new("f"));
        let [first, second] = [(); 2].map(|()| Temporary::new(&open, target, 0o600).unwrap());
        sweep(&open, target);
        assert_eq!(names(directory.path()).len(), 2);
        first.rename(target).unwrap();
        assert_eq!(names(directory.path()).len(), 2);
        assert_eq!(second.publish(target).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(directory.path()), ["f"]);
    }

    #[test]
    fn no_two_names_are_alike() {
        let names: std::collections::BTreeSet<_> = (0..1000).map(|_| random_suffix()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| is_temporary(format!(".f{name}").as_bytes(), OsStr::new("f"))));
    }
}
