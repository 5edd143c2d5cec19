//! A log file: opened, written, reopened when it was deleted, and rotated.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::clock::{Clock, Moment};
use super::encoding::Encoding;
use super::error::Error;
use super::line::{Line, Torn};
use super::rotation::Roller;
use super::schedule::Schedule;
use super::settings::{LogFile, Rotation};
use crate::sys::log_file;
use crate::sys::system_error::os_error_text;

/// A log file in use.
pub(super) struct FileSink {
    path: PathBuf,
    encoding: Encoding,
    roller: Roller,
    /// It is opened at the first record; reopening does not change that.
    delay: bool,
    /// Absent before the first record of a delayed file, and while it cannot be opened.
    open: Option<Open>,
    /// The last write failed: the next one tries a new descriptor.
    write_failed: bool,
    /// The last rotation failed.
    rotation_failed: bool,
    /// Why rotation failed, until it is reported.
    rotation_error: Option<String>,
}

/// An open descriptor.
struct Open {
    file: File,
    identity: Identity,
    /// Only regular files are rotated.
    regular: bool,
    /// Whether the file system counts links, so that 0 means deleted.
    counts_links: bool,
    torn: Torn,
}

/// Device and inode: the file, whatever its name.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

impl LogFile {
    /// Checks everything but the path.
    ///
    /// # Errors
    /// The encoding or the unit of rotation is unknown.
    pub fn check(&self) -> Result<(), Error> {
        self.encoding()?;
        match &self.rotation {
            Rotation::Time { when, interval, .. } if Schedule::new(when, *interval).is_none() => {
                Err(Error::When { path: self.path.clone(), when: when.clone() })
            }
            _ => Ok(()),
        }
    }

    fn encoding(&self) -> Result<Encoding, Error> {
        let name = self.encoding.as_deref().unwrap_or_default();
        Encoding::from_name(name)
            .ok_or_else(|| Error::Encoding { path: self.path.clone(), encoding: name.to_owned() })
    }
}

impl FileSink {
    /// Opens a log file, unless it is delayed. A FIFO without a reader is not an error.
    ///
    /// # Errors
    /// It cannot be opened; [`LogFile::check`].
    pub(super) fn open(settings: &LogFile, clock: &dyn Clock) -> Result<Self, Error> {
        settings.check()?;
        let failed = |source| Error::Open { path: settings.path.clone(), source };
        let path = std::path::absolute(&settings.path).map_err(failed)?;
        // As in Python: the modification time before opening, so that a restart does not postpone the rotation.
        let begin = fs::metadata(&path).map_or_else(|_| clock.now().seconds, |found| found.mtime());
        let roller = Roller::new(&settings.rotation, begin, clock).unwrap_or(Roller::Never);
        let open = if settings.delay {
            None
        } else {
            match Open::new(&path) {
                Ok(open) => Some(open),
                Err(error) if log_file::lacks_reader(&path, &error) => None,
                Err(source) => return Err(Error::Open { path, source }),
            }
        };
        let encoding = settings.encoding()?;
        Ok(Self {
            path,
            encoding,
            roller,
            delay: settings.delay,
            open,
            write_failed: false,
            rotation_failed: false,
            rotation_error: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.open.as_ref().map(|open| open.file.as_raw_fd())
    }

    /// Reopens the file.
    ///
    /// # Errors
    /// It cannot be opened; the old one stays in use.
    pub(super) fn reopen(&mut self) -> Result<(), Error> {
        if self.delay && self.open.is_none() {
            return Ok(());
        }
        let open = Open::new(&self.path).map_err(|source| Error::Open { path: self.path.clone(), source })?;
        self.open = Some(open);
        self.write_failed = false;
        Ok(())
    }

    /// Writes a line, after rotating if that is due.
    ///
    /// # Errors
    /// The line is lost, or truncated.
    pub(super) fn write(&mut self, line: &Line, now: Moment, clock: &dyn Clock) -> io::Result<()> {
        let mut open = self.current()?;
        if self.roller.is_enabled() && open.regular {
            open = self.rotated(open, line.len(), now.seconds, clock);
        }
        let file = &open.file;
        let result = open.torn.write(line, |bytes| (&*file).write(bytes));
        self.write_failed = result.is_err();
        self.open = Some(open);
        result
    }

    /// The descriptor to write to: the one that is open, or a new one when there is none, when the last write failed,
    /// or when the file was deleted.
    fn current(&mut self) -> io::Result<Open> {
        let deleted =
            |open: &Open| open.counts_links && open.file.metadata().is_ok_and(|found| found.nlink() == 0);
        let Some(open) = self.open.take().filter(|open| !deleted(open)) else {
            return Open::new(&self.path).map_err(|error| {
                let unread = log_file::lacks_reader(&self.path, &error);
                if unread { io::Error::other("no program reads this FIFO") } else { error }
            });
        };
        if !self.write_failed {
            return Ok(open);
        }
        match Open::new(&self.path) {
            Ok(mut new) => {
                // A FIFO cannot be asked how its last line ended.
                new.torn.0 |= open.torn.0 && new.identity == open.identity;
                Ok(new)
            }
            Err(_) => Ok(open),
        }
    }

    /// The descriptor to write `added` bytes to, after rotating if that is due; also a new one when the file was moved
    /// away. If rotation fails, the old one.
    fn rotated(&mut self, open: Open, added: u64, now: i64, clock: &dyn Clock) -> Open {
        let open = self.followed(open, now, clock);
        let length = open.file.metadata().map_or(0, |found| found.len());
        if !self.roller.is_due(length, added, now, clock) {
            return open;
        }
        let Some(_lock) = log_file::lock(&open.file) else {
            // Another process is rotating it; the next record finds the new file.
            return open;
        };
        // Another process may have rotated it before we got the lock.
        if !open.is_at(&self.path) {
            return self.followed(open, now, clock);
        }
        let new = self.roller.move_aside(&self.path, clock).and_then(|()| {
            self.roller.begin(now, clock);
            Open::new(&self.path)
        });
        match new {
            Ok(new) => {
                let deleted = self.roller.delete_old(&self.path);
                self.record_rotation(&deleted);
                new
            }
            Err(error) => {
                self.record_rotation(&Err(error));
                open
            }
        }
    }

    /// The file that has the log's name now if it can be opened, else the old one.
    fn followed(&mut self, open: Open, now: i64, clock: &dyn Clock) -> Open {
        if open.is_at(&self.path) {
            return open;
        }
        match Open::new(&self.path) {
            Ok(new) => {
                self.roller.begin(now, clock);
                new
            }
            Err(_) => open,
        }
    }

    /// Records how rotation went; only the first of consecutive failures is reported.
    fn record_rotation(&mut self, done: &io::Result<()>) {
        if let Err(error) = done
            && !self.rotation_failed
        {
            self.rotation_error =
                Some(format!("cannot rotate log file '{}': {}", self.path.display(), os_error_text(error)));
        }
        self.rotation_failed = done.is_err();
    }

    /// Why rotation failed, once.
    pub(super) fn take_rotation_error(&mut self) -> Option<String> {
        self.rotation_error.take()
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let file = log_file::append(path)?;
        let metadata = file.metadata()?;
        let torn = Torn(metadata.is_file() && !ends_a_line(path, metadata.len()));
        Ok(Self {
            file,
            identity: identity(&metadata),
            regular: metadata.is_file(),
            counts_links: metadata.nlink() > 0,
            torn,
        })
    }

    /// Whether this file still has the name.
    fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| identity(&found) == self.identity)
    }
}

/// Whether a file of this length ends with a newline, or cannot be read: a killed process or a full disk may have left a
/// partial line.
fn ends_a_line(path: &Path, length: u64) -> bool {
    let Some(last) = length.checked_sub(1) else { return true };
    let mut byte = [b'\n'];
    if let Ok(file) = log_file::read(path) {
        let _ = file.read_exact_at(&mut byte, last);
    }
    byte == *b"\n"
}
