//! `logtail`: the end of a log file, and what is added to it, until ^C.
//!
//! The file is followed by its name: when a log rotation puts another in its place, the end of the old one is shown and
//! then the new one. Bytes are shown as they are.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exit::Exit;

use super::client::Client;
use super::failure::Failure;
use super::ui::Ui;
use super::watch::{catch_interrupt, pause};

/// How often the file is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How much is read at once.
const BLOCK_SIZE: usize = 8 << 10;

pub(super) fn logtail(
    client: &Client,
    ui: &mut Ui<'_>,
    lines: usize,
    file: Option<&Path>,
) -> Result<Exit, Failure> {
    let Some(path) = file.map(ToOwned::to_owned).or_else(|| client.runner().logfile.clone()) else {
        ui.say("No default log file specified; use logtail <logfile>")?;
        return Ok(Exit::Usage);
    };
    catch_interrupt()?;
    match open(ui, &path, lines).and_then(|log| follow(ui, log)) {
        Err(Failure::Interrupted) => ui.say("").map(|()| Exit::Success),
        ended => ended.map(|never| match never {}),
    }
}

/// Opens the file, as soon as it is there, at its last lines; all of them where it was waited for.
fn open(ui: &mut Ui<'_>, path: &Path, lines: usize) -> Result<Log, Failure> {
    let failed = |source| Failure::Log { path: path.to_owned(), source };
    let mut waited = false;
    let mut log = loop {
        match Log::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !std::mem::replace(&mut waited, true) {
                    ui.say(format_args!("==> Waiting for {} <==", path.display()))?;
                }
                pause(None, POLL_INTERVAL)?;
            }
            opened => break opened.map_err(failed)?,
        }
    };
    if !waited {
        let start = last_lines(&mut log.file, lines).map_err(failed)?;
        log.file.seek(SeekFrom::Start(start)).map_err(failed)?;
    }
    Ok(log)
}

/// Shows what is added, without end.
fn follow(ui: &mut Ui<'_>, mut log: Log) -> Result<std::convert::Infallible, Failure> {
    loop {
        // Looked at before the reading: what comes in between is not lost.
        let change = log.change();
        copy(ui, &mut log)?;
        match change {
            Some(Change::Truncated) => {
                ui.say("==> File truncated <==")?;
                log.file.rewind().map_err(|source| Failure::Log { path: log.path.clone(), source })?;
            }
            Some(Change::Replaced(new)) => {
                ui.say("==> File replaced <==")?;
                log = new;
            }
            None => pause(None, POLL_INTERVAL)?,
        }
    }
}

/// Shows the file from where it has been read to its end.
fn copy(ui: &mut Ui<'_>, log: &mut Log) -> Result<(), Failure> {
    let mut block = [0; BLOCK_SIZE];
    loop {
        let length = match log.file.read(&mut block) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(Failure::Log { path: log.path.clone(), source }),
        };
        ui.out.write_all(block.get(..length).unwrap_or_default()).map_err(Failure::Output)?;
        // A file that grows as fast as it is shown must not keep ^C out.
        pause(None, Duration::ZERO)?;
    }
    ui.out.flush().map_err(Failure::Output)
}

/// An open log file and its name.
struct Log {
    path: PathBuf,
    file: File,
}

/// What happened to a log file.
enum Change {
    /// It is shorter than what was read of it.
    Truncated,
    /// This file has its name.
    Replaced(Log),
}

impl Log {
    fn open(path: &Path) -> io::Result<Self> {
        // Opening a pipe would wait for its writer, and none of the others has an end to begin with.
        let kind = fs::metadata(path)?;
        if kind.is_dir() {
            return Err(io::Error::other("Is a directory"));
        }
        if !kind.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Self { path: path.to_owned(), file: File::open(path)? })
    }

    /// A name that leads nowhere is no change yet: the rotation is in its middle.
    fn change(&mut self) -> Option<Change> {
        let ours = self.file.metadata().ok()?;
        let same = |other: &Metadata| (other.dev(), other.ino()) == (ours.dev(), ours.ino());
        if fs::metadata(&self.path).is_ok_and(|named| !same(&named)) {
            return Self::open(&self.path).ok().map(Change::Replaced);
        }
        let position = self.file.stream_position().ok()?;
        (ours.len() < position).then_some(Change::Truncated)
    }
}

/// Where the last `lines` lines begin. A line that is not ended counts.
fn last_lines(file: &mut (impl Read + Seek), lines: usize) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut newlines = 0;
    // The last byte ends a line at most; it does not separate two.
    let mut last_byte = true;
    while end > 0 {
        let length = end.min(BLOCK_SIZE as u64);
        let start = end - length;
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::with_capacity(BLOCK_SIZE);
        file.by_ref().take(length).read_to_end(&mut block)?;
        for (index, byte) in block.iter().enumerate().rev() {
            let separates = *byte == b'\n' && !std::mem::take(&mut last_byte);
            last_byte = false;
            newlines += usize::from(separates);
            if separates && newlines == lines {
                return Ok(start + index as u64 + 1);
            }
        }
        end = start;
    }
    if lines == 0 { file.seek(SeekFrom::End(0)) } else { Ok(0) }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn last_lines_are_counted_from_the_end() {
        let text = "1\n2\n3\n";
        for (text, lines, expected) in [
            (text, 0, ""),
            (text, 1, "3\n"),
            (text, 2, "2\n3\n"),
            (text, 3, text),
            (text, 9, text),
            ("1\n2", 1, "2"),
            ("1\n2", 2, "1\n2"),
            ("1\n\n\n", 2, "\n\n"),
            ("\n", 1, "\n"),
            ("", 3, ""),
        ] {
            let start = last_lines(&mut Cursor::new(text), lines).unwrap();
            assert_eq!(&text[usize::try_from(start).unwrap()..], expected, "{lines} of {text:?}");
        }
    }

    #[test]
    fn lines_longer_than_a_block_are_whole() {
        let long = "x".repeat(3 * BLOCK_SIZE);
        let text = format!("first\n{long}\n{long}\n");
        let start = last_lines(&mut Cursor::new(&text), 2).unwrap();
        assert_eq!(start, 6);
    }

    #[test]
    fn replaced_and_truncated_files_are_noticed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        fs::write(&path, "old\n").unwrap();
        let mut log = Log::open(&path).unwrap();
        log.file.seek(SeekFrom::End(0)).unwrap();
        assert!(log.change().is_none());
        fs::rename(&path, place.path().join("log.1")).unwrap();
        assert!(log.change().is_none());
        fs::write(&path, "new\n").unwrap();
        let Some(Change::Replaced(mut new)) = log.change() else { panic!("the new file is not seen") };
        let mut text = String::new();
        new.file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "new\n");
        fs::write(&path, "").unwrap();
        assert!(matches!(new.change(), Some(Change::Truncated)));
    }
}
