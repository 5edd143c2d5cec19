//! Rotation: moving a full or old log file aside.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::clock::Clock;
use super::schedule::Schedule;
use super::settings::Rotation;

/// Decides when a file is rotated, and renames it.
#[derive(Debug)]
pub(super) enum Roller {
    Never,
    Size {
        max_size: u64,
        old_files: u32,
    },
    Time {
        schedule: Schedule,
        old_files: u32,
        /// When the file is rotated.
        end: i64,
        /// The time of the last check: a clock that is set back must not leave `end` in the far future.
        checked: i64,
    },
}

impl Roller {
    /// For a file that was started or last written at `begin`. `None`: the unit of time is unknown.
    pub(super) fn new(rotation: &Rotation, begin: i64, clock: &dyn Clock) -> Option<Self> {
        Some(match rotation {
            // Without old files there is nothing to rename it to; Python goes on appending, too.
            Rotation::None | Rotation::Size { max_size: 0, .. } | Rotation::Size { old_files: 0, .. } => {
                Self::Never
            }
            Rotation::Size { max_size, old_files } => {
                Self::Size { max_size: *max_size, old_files: *old_files }
            }
            Rotation::Time { when, interval, old_files } => {
                let schedule = Schedule::new(when, *interval)?;
                let end = schedule.end(begin, &|at| clock.utc_offset(at));
                Self::Time { schedule, old_files: *old_files, end, checked: begin }
            }
        })
    }

    pub(super) fn is_enabled(&self) -> bool {
        !matches!(self, Self::Never)
    }

    /// Whether a file of `length` bytes is to be rotated before `added` bytes are written to it at `now`.
    pub(super) fn is_due(&mut self, length: u64, added: u64, now: i64, clock: &dyn Clock) -> bool {
        match self {
            Self::Never => false,
            Self::Size { max_size, .. } => length > 0 && length.saturating_add(added) >= *max_size,
            Self::Time { schedule, end, checked, .. } => {
                if now < *checked {
                    *end = (*end).min(schedule.end(now, &|at| clock.utc_offset(at)));
                }
                *checked = now;
                now >= *end
            }
        }
    }

    /// A new file was started.
    pub(super) fn begin(&mut self, now: i64, clock: &dyn Clock) {
        if let Self::Time { schedule, end, .. } = self {
            *end = schedule.end(now, &|at| clock.utc_offset(at));
        }
    }

    /// Moves the file at `path` aside.
    ///
    /// # Errors
    /// It is still there.
    pub(super) fn move_aside(&self, path: &Path, clock: &dyn Clock) -> io::Result<()> {
        match self {
            Self::Never => Ok(()),
            Self::Size { old_files, .. } => shift(path, *old_files),
            Self::Time { schedule, end, .. } => {
                let dated = with_suffix(path, &schedule.suffix(*end, &|at| clock.utc_offset(at)));
                fs::rename(path, free_name(dated))
            }
        }
    }

    /// Deletes the dated files beyond the number to keep, oldest first.
    ///
    /// # Errors
    /// The directory cannot be read or a file not be deleted.
    pub(super) fn delete_old(&self, path: &Path) -> io::Result<()> {
        let Self::Time { schedule, old_files, .. } = self else { return Ok(()) };
        let (Some(directory), Some(base), true) = (path.parent(), path.file_name(), *old_files > 0) else {
            return Ok(());
        };
        let mut dated = Vec::new();
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let suffix = name.as_encoded_bytes().strip_prefix(base.as_encoded_bytes());
            let suffix = suffix.and_then(|rest| rest.strip_prefix(b"."));
            if suffix.and_then(|s| std::str::from_utf8(s).ok()).is_some_and(|s| schedule.is_suffix(s)) {
                dated.push(name);
            }
        }
        dated.sort();
        let surplus = dated.len().saturating_sub(*old_files as usize);
        for name in dated.iter().take(surplus) {
            fs::remove_file(directory.join(name))?;
        }
        Ok(())
    }
}

/// Makes `path` the first of the numbered old files. The others move up by one as far as they are in sequence, the last
/// of them only if `old_files` leaves it a place; a gap, left by a crash in the middle of this, is filled.
fn shift(path: &Path, old_files: u32) -> io::Result<()> {
    let numbered = |number: u32| with_suffix(path, &number.to_string());
    let mut last = 1;
    while last < old_files && numbered(last).symlink_metadata().is_ok() {
        last += 1;
    }
    for number in (1..last).rev() {
        fs::rename(numbered(number), numbered(number + 1))?;
    }
    fs::rename(path, numbered(1))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    name.into()
}

/// `path`, or `path.1` and so on when there is such a file: two files may have the same date when the clock was set
/// back or an hour came twice, and neither may be lost. (Python deletes the first.)
fn free_name(path: PathBuf) -> PathBuf {
    let free = |path: &PathBuf| path.symlink_metadata().is_err();
    if free(&path) {
        return path;
    }
    let numbered = (1..1000).map(|number: u32| with_suffix(&path, &number.to_string()));
    numbered.into_iter().find(free).unwrap_or(path)
}
