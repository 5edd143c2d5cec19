//! A directory that is one user's alone, and files in it that nobody else can read, replace or lead astray.
//!
//! Everything is done through the descriptor of the directory that was looked at, so that no name can come to mean
//! another file between the look and the use.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::log_file;

/// How often a lock that another has is tried for, a few milliseconds each time: it is held for less.
const TRIES: u32 = 20;

/// Owner may read and write.
const PRIVATE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// An open directory of the user that this process acts as.
#[derive(Debug)]
pub struct PrivateDir(File);

impl PrivateDir {
    /// Opens the directory; where it is not there, it is made, and those above it too, for this user alone.
    ///
    /// # Errors
    /// It cannot be made or opened; it belongs to another user, or others may write in it.
    pub fn make(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Self::open(path)
    }

    /// Opens the directory.
    ///
    /// # Errors
    /// As above.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let directory = File::from(open(path, flags, Mode::empty())?);
        let found = directory.metadata()?;
        check_owner(&found, "the directory")?;
        if found.mode() & 0o022 != 0 {
            return Err(io::Error::other("others may write in the directory"));
        }
        Ok(Self(directory))
    }

    /// What is in the file, `most` bytes from its end at most; nothing where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is not as a file of ours should be: regular, without links of either kind, our own.
    pub fn read_end(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let mut file = match self.file(name, OFlag::O_RDONLY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?,
        };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut contents = Vec::new();
        file.take(most).read_to_end(&mut contents)?;
        Ok(contents)
    }

    /// Adds a line to the file, which is made where there is none. A line that was cut short before stays one of its own.
    ///
    /// # Errors
    /// As [`PrivateDir::read_end`], and it cannot be written.
    pub fn append_line(&self, name: &str, line: &str) -> io::Result<()> {
        let _locked = self.lock();
        let mut file = self.file(name, OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT)?;
        let mut last = [b'\n'];
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        let start = if last == *b"\n" { "" } else { "\n" };
        // One call, so that lines of several processes are not mixed.
        file.write_all(format!("{start}{line}\n").as_bytes())
    }

    /// Replaces what is in the file by what `change` makes of it (of `most` bytes from its end at most), as a whole or not
    /// at all. `None` leaves it as it is.
    ///
    /// # Errors
    /// As [`PrivateDir::append_line`].
    pub fn rewrite(
        &self,
        name: &str,
        most: u64,
        change: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> io::Result<()> {
        // Without the lock a line that another process adds would be lost: then another time.
        let Some(_locked) = self.lock() else { return Ok(()) };
        let Some(contents) = change(&self.read_end(name, most)?) else { return Ok(()) };
        let new = format!("{name}.new");
        // What a killed process has left.
        let _ = unlinkat(&self.0, new.as_str(), UnlinkatFlags::NoRemoveDir);
        let written = self
            .file(&new, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)
            .and_then(|mut file| file.write_all(&contents).and_then(|()| file.sync_data()))
            .and_then(|()| Ok(renameat(&self.0, new.as_str(), &self.0, name)?));
        if written.is_err() {
            let _ = unlinkat(&self.0, new.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        written
    }

    /// Other processes are kept out until the lock is dropped; `None`: one of them does not let go.
    fn lock(&self) -> Option<log_file::Lock> {
        (0..TRIES).find_map(|tried| {
            if tried > 0 {
                super::interrupt::pause(std::time::Duration::from_millis(5));
            }
            log_file::lock(&self.0)
        })
    }

    fn file(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.0, name, flags, PRIVATE)?);
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        check_owner(&found, "the file")?;
        if found.nlink() > 1 {
            return Err(io::Error::other("the file has another name too"));
        }
        if found.mode() & 0o7777 != PRIVATE.bits() {
            fchmod(&file, PRIVATE)?;
        }
        Ok(file)
    }
}

fn check_owner(found: &Metadata, what: &str) -> io::Result<()> {
    if found.uid() == geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::other(format!("{what} belongs to another user")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn directory_and_file_are_for_one_user() {
        let place = tempfile::tempdir().unwrap();
        let (above, path) = (place.path().join("a"), place.path().join("a/b"));
        let directory = PrivateDir::make(&path).unwrap();
        directory.append_line("x", "one").unwrap();
        assert_eq!((mode(&above), mode(&path), mode(&path.join("x"))), (0o700, 0o700, 0o600));
        fs::set_permissions(path.join("x"), fs::Permissions::from_mode(0o644)).unwrap();
        directory.append_line("x", "two").unwrap();
        assert_eq!(
            (directory.read_end("x", 99).unwrap(), mode(&path.join("x"))),
            (b"one\ntwo\n".into(), 0o600)
        );
        assert_eq!(directory.read_end("x", 4).unwrap(), b"two\n");
        assert_eq!(directory.read_end("y", 4).unwrap(), b"");
    }

    #[test]
    fn line_that_was_cut_short_stays_one_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let directory = PrivateDir::make(&place.path().join("a")).unwrap();
        fs::write(place.path().join("a/x"), "ha").unwrap();
        directory.append_line("x", "whole").unwrap();
        assert_eq!(directory.read_end("x", 99).unwrap(), b"ha\nwhole\n");
    }

    #[test]
    fn contents_are_replaced_as_a_whole() {
        let place = tempfile::tempdir().unwrap();
        let directory = PrivateDir::make(&place.path().join("a")).unwrap();
        directory.append_line("x", "one").unwrap();
        fs::write(place.path().join("a/x.new"), "left behind").unwrap();
        directory.rewrite("x", 99, |old| Some([old, b"two\n"].concat())).unwrap();
        directory.rewrite("x", 99, |_| None).unwrap();
        assert_eq!(directory.read_end("x", 99).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::read_dir(place.path().join("a")).unwrap().count(), 1);
        assert_eq!(mode(&place.path().join("a/x")), 0o600);
    }

    #[test]
    fn links_and_what_is_no_file_are_refused_and_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let other = place.path().join("other");
        fs::write(&other, "other\n").unwrap();
        let directory = PrivateDir::make(&place.path().join("a")).unwrap();
        symlink(&other, place.path().join("a/link")).unwrap();
        fs::hard_link(&other, place.path().join("a/hard")).unwrap();
        fs::create_dir(place.path().join("a/directory")).unwrap();
        nix::unistd::mkfifo(&place.path().join("a/fifo"), PRIVATE).unwrap();
        for name in ["link", "hard", "directory", "fifo"] {
            assert!(directory.append_line(name, "x").is_err(), "{name}");
        }
        for name in ["link", "hard", "directory", "fifo"] {
            assert!(directory.read_end(name, 9).is_err(), "{name}");
        }
        assert_eq!(fs::read(&other).unwrap(), b"other\n");
    }

    #[test]
    fn directory_that_others_may_write_in_is_refused() {
        let place = tempfile::tempdir().unwrap();
        for bits in [0o770, 0o777, 0o702] {
            fs::set_permissions(place.path(), fs::Permissions::from_mode(bits)).unwrap();
            let error = PrivateDir::make(place.path()).unwrap_err();
            assert_eq!(error.to_string(), "others may write in the directory", "{bits:o}");
        }
    }
}
