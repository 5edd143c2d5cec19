//! Files that have no name yet, or one that nobody can foresee.
//!
//! Where a file has to have a temporary name it is locked for as long as it has one (flock(2)). So one that is left by a
//! program that was killed can be told from one that is in use, and the next that writes the same file removes it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::rc::Rc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::files::{open_in, retried};

/// Digits in a name that nobody can foresee.
const DIGITS: usize = 16;

/// The end of such a name.
const END: &str = ".tmp";

/// The end of a name that nobody can foresee.
pub(super) fn unforeseen() -> String {
    // The standard library seeds this from the system's random source.
    format!(".{:0DIGITS$x}{END}", RandomState::new().build_hasher().finish())
}

/// Whether a file without a name (`O_TMPFILE`) was refused because the file system or the kernel knows none: each says so in
/// its own way (open(2)).
pub(super) fn wants_names(error: Errno) -> bool {
    matches!(error, Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL | Errno::ENOENT)
}

/// A file without a name, or under one that nobody can foresee and that goes away with the value.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: Rc<OwnedFd>,
    name: Option<OsString>,
    pub(super) file: File,
}

impl Temporary {
    /// A file without a name where the file system knows such a thing, or else for the sake of `target`.
    pub(super) fn new(directory: &Rc<OwnedFd>, target: &OsStr, mode: u32) -> io::Result<Self> {
        let flags = OFlag::O_WRONLY | OFlag::O_TMPFILE | OFlag::O_CLOEXEC;
        match retried(|| openat(directory, ".", flags, Mode::from_bits_truncate(mode))) {
            Err(error) if wants_names(error) => Self::named(directory, target, mode),
            file => Ok(Self { directory: Rc::clone(directory), name: None, file: file?.into() }),
        }
    }

    /// A file with a temporary name.
    pub(super) fn named(directory: &Rc<OwnedFd>, target: &OsStr, mode: u32) -> io::Result<Self> {
        sweep(directory, target);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        loop {
            let name = temporary_name(target);
            let file = match openat(directory, name.as_os_str(), flags, Mode::from_bits_truncate(mode)) {
                Ok(file) => File::from(file),
                Err(Errno::EEXIST | Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let is_swept = matches!(file.try_lock(), Err(TryLockError::WouldBlock))
                || file.metadata().is_ok_and(|made| made.nlink() == 0);
            let new = Self { directory: Rc::clone(directory), name: Some(name), file };
            if !is_swept {
                return Ok(new);
            }
        }
    }

    /// Its directory.
    pub(super) fn directory(&self) -> Rc<OwnedFd> {
        Rc::clone(&self.directory)
    }

    /// Whether this error of [`Self::link`] and [`Self::take_name`] means that a file that was made without a name cannot get
    /// one here: the kernel wants a right for that, and there is no /proc.
    pub(super) fn cannot_have_names(&self, error: Errno) -> bool {
        self.name.is_none() && error == Errno::ENOENT
    }

    /// Gives the file a temporary name, as it needs to be renamed, if it has none.
    pub(super) fn take_name(&mut self, target: &OsStr) -> nix::Result<()> {
        if self.name.is_some() {
            return Ok(());
        }
        sweep(&self.directory, target);
        // Where there are no locks nobody sweeps.
        let _ = self.file.try_lock();
        loop {
            let name = temporary_name(target);
            match self.link(&name) {
                Err(Errno::EEXIST) => {}
                linked => {
                    linked?;
                    self.name = Some(name);
                    return Ok(());
                }
            }
        }
    }

    /// Gives the file this name too, which nothing may have.
    pub(super) fn link(&self, target: &OsStr) -> nix::Result<()> {
        let directory = &*self.directory;
        if let Some(name) = &self.name {
            return retried(|| linkat(directory, name.as_os_str(), directory, target, AtFlags::empty()));
        }
        match retried(|| linkat(&self.file, "", directory, target, AtFlags::AT_EMPTY_PATH)) {
            // Before Linux 6.10 that is root's alone.
            Err(Errno::ENOENT) => {
                let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                let flags = AtFlags::AT_SYMLINK_FOLLOW;
                retried(|| linkat(AT_FDCWD, path.as_str(), directory, target, flags))
            }
            linked => linked,
        }
    }

    /// Gives a file that has a temporary name this one in its stead, whatever had it.
    pub(super) fn rename(mut self, target: &OsStr) -> io::Result<()> {
        if let Some(name) = &self.name {
            let directory = &*self.directory;
            retried(|| renameat(directory, name.as_os_str(), directory, target))?;
            self.name = None;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Whatever went wrong before is what the caller reports; a name left behind does no harm.
            let _ = retried(|| unlinkat(&*self.directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir));
        }
    }
}

fn temporary_name(target: &OsStr) -> OsString {
    let mut name = OsString::from(".");
    name.push(target);
    name.push(unforeseen());
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
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(mut entries) = Dir::openat(directory, ".", flags, Mode::empty()) else { return };
    for entry in entries.iter().map_while(Result::ok) {
        let name = entry.file_name();
        if !is_temporary(name.to_bytes(), target) {
            continue;
        }
        let Ok(file) = open_in(directory, OsStr::from_bytes(name.to_bytes())) else { continue };
        if file.metadata().is_ok_and(|left| left.is_file()) && file.try_lock().is_ok() {
            let _ = retried(|| unlinkat(directory, name, UnlinkatFlags::NoRemoveDir));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::super::files::replace;
    use super::super::files::tests::names;
    use super::*;

    fn open(directory: &Path) -> Rc<OwnedFd> {
        Rc::new(File::open(directory).unwrap().into())
    }

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
        let (open, target) = (open(directory.path()), OsStr::new("f"));
        let named = Temporary::named(&open, target, 0o600).unwrap();
        let mut nameless = Temporary::new(&open, target, 0o600).unwrap();
        nameless.take_name(target).unwrap();
        assert_eq!(names(directory.path()).len(), 2);
        sweep(&open, target);
        assert_eq!(names(directory.path()).len(), 2);
        nameless.rename(target).unwrap();
        drop(named);
        assert_eq!(names(directory.path()), ["f"]);
    }

    #[test]
    fn no_two_names_are_alike() {
        let names: std::collections::BTreeSet<_> = (0..1000).map(|_| unforeseen()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| is_temporary(format!(".f{name}").as_bytes(), OsStr::new("f"))));
    }
}
