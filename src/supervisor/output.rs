//! What the program writes to its stdout and stderr in daemon mode, on its way to the transcript.
//!
//! The program writes into a pipe that the manager drains, so that the file can be exchanged under a running program,
//! and so that a file that cannot be written (a full disk) never blocks or ends it: bytes are then dropped and
//! counted, which is logged once when it begins and once when it is over. The file is only ever appended to, so that
//! another process may append to it too, or truncate it (logrotate's `copytruncate`).
//!
//! The program's end of the pipe is a reading end too: should the manager be killed, the pipe lives on in the
//! program, which waits for room at worst, and the next manager finds the pipe there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::Error;
use crate::config::Runner;
use crate::sys::log_file;
use crate::sys::pipe;
use crate::sys::system_error::os_error_text;

/// How much the pipe holds, so that a program that floods it does not wake us for every page.
const PIPE: usize = 1 << 20;
/// How much is moved at a time.
const CHUNK: usize = 64 * 1024;
/// How much of a starting program's last lines is kept, in bytes.
const MAX_LAST_BYTES: usize = 2048;

/// Where the output is kept; `None`: nowhere, as the null device keeps nothing.
pub fn transcript(runner: &Runner) -> Option<&Path> {
    runner.transcript.as_deref().filter(|path| path.as_os_str() != "/dev/null")
}

/// Finds out whether the transcript can be opened.
///
/// # Errors
/// It cannot.
pub fn try_transcript(runner: &Runner) -> Result<(), Error> {
    transcript(runner).map_or(Ok(()), |path| Transcript::open(path).map(drop))
}

/// The program's output.
#[derive(Debug)]
pub struct Output {
    transcript: Option<Transcript>,
    pipe: File,
    /// The program's end. Kept open here too, so that a program's end is no end of file.
    input: File,
    /// What a starting program wrote last; absent: it is up.
    last_bytes: Option<Vec<u8>>,
    test: Option<TestOutput>,
}

/// The output of a start test that runs: it has a pipe of its own, so that its last line is known for its own.
#[derive(Debug)]
struct TestOutput {
    pipe: File,
    input: File,
    last_bytes: Vec<u8>,
}

/// The file.
#[derive(Debug)]
struct Transcript {
    path: PathBuf,
    file: File,
    /// Bytes lost since the file could last be written.
    dropped: u64,
}

impl Output {
    /// Opens the transcript, if there is to be one, and makes the pipe.
    ///
    /// # Errors
    /// The file cannot be opened; the system is out of descriptors.
    pub fn open(path: Option<&Path>) -> Result<Self, Error> {
        let (read, write) = io::pipe().map_err(no_pipe)?;
        pipe::enlarge(&write, PIPE);
        let input = pipe::both_ends(&write).map_err(no_pipe)?;
        Self::with_pipe(path, File::from(OwnedFd::from(read)), input)
    }

    /// Takes over the pipe into which the program of an earlier manager writes, or what that left behind: one of these
    /// processes. Without one to be found, only what later programs write is kept.
    ///
    /// # Errors
    /// As [`Output::open`].
    pub fn adopt(path: Option<&Path>, pids: &[i32]) -> Result<Self, Error> {
        let mut standard = pids.iter().flat_map(|pid| [(*pid, 1), (*pid, 2)]);
        let Some(read) = standard.find_map(|(pid, number)| pipe::shared_pipe_of(pid, number).ok().flatten())
        else {
            return Self::open(path);
        };
        let input = pipe::both_ends(&read).map_err(no_pipe)?;
        Self::with_pipe(path, read, input)
    }

    /// Goes on with the pipe of a program that runs, which is no time to fail: where the transcript cannot be opened,
    /// the output is dropped until it is reopened. Gives that as a message for the log.
    ///
    /// # Errors
    /// Not even that.
    pub fn resume(path: Option<&Path>, pipe: File, input: File) -> Result<(Self, Option<String>), Error> {
        let failed = match path.map(Transcript::open).transpose() {
            Ok(transcript) => return Ok((Self::with_transcript(transcript, pipe, input)?, None)),
            Err(error) => error,
        };
        let transcript = path.map(Transcript::nowhere).transpose()?;
        let message = format!("{failed}; output of the program is dropped until logreopen");
        Ok((Self::with_transcript(transcript, pipe, input)?, Some(message)))
    }

    fn with_pipe(path: Option<&Path>, pipe: File, input: File) -> Result<Self, Error> {
        Self::with_transcript(path.map(Transcript::open).transpose()?, pipe, input)
    }

    fn with_transcript(transcript: Option<Transcript>, pipe: File, input: File) -> Result<Self, Error> {
        pipe::never_block(&pipe).map_err(no_pipe)?;
        Ok(Self { transcript, pipe, input, last_bytes: None, test: None })
    }

    /// What the program gets as stdout and stderr.
    pub fn input(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    /// What to wait on for output to move.
    pub fn output(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// A program is being started: from here on its last lines are kept, until [`Output::stop_listening`].
    pub fn listen(&mut self) {
        self.last_bytes = Some(Vec::new());
    }

    /// What has been heard of a starting program, for the next image; `None`: it is up.
    pub fn heard(&self) -> Option<String> {
        self.last_bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Goes on listening where another image left off.
    pub fn go_on_listening(&mut self, heard: Option<String>) {
        self.last_bytes = heard.map(String::into_bytes);
    }

    /// The program is up.
    pub fn stop_listening(&mut self) {
        self.last_bytes = None;
    }

    /// The last whole lines that a starting program wrote; `None`: nothing, or it was up.
    pub fn last_lines(&self) -> Option<String> {
        let text = String::from_utf8_lossy(self.last_bytes.as_ref()?).into_owned();
        let text = text.trim_end();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Moves what is there, or a good part of it. Gives a message worth a line in the log: that bytes are being lost,
    /// or were.
    pub fn pump(&mut self) -> Option<String> {
        move_chunk(&self.pipe, self.last_bytes.as_mut(), self.transcript.as_mut())
    }

    /// A start test is being started; gives its stdout and stderr.
    pub fn begin_test(&mut self) -> BorrowedFd<'_> {
        // A system that is short of descriptors has it share the program's.
        self.test = TestOutput::new().ok();
        self.test.as_ref().map_or(&self.input, |test| &test.input).as_fd()
    }

    /// What to wait on for a start test's output to move.
    pub fn test_output(&self) -> Option<BorrowedFd<'_>> {
        self.test.as_ref().map(|test| test.pipe.as_fd())
    }

    /// As [`Output::pump`], of the start test's output.
    pub fn pump_test(&mut self) -> Option<String> {
        let test = self.test.as_mut()?;
        move_chunk(&test.pipe, Some(&mut test.last_bytes), self.transcript.as_mut())
    }

    /// The start test has ended; moves what is left, and gives its last line, and a message as [`Output::pump`].
    pub fn end_test(&mut self) -> (Option<String>, Option<String>) {
        let message = self.pump_test();
        let Some(test) = self.test.take() else { return (None, message) };
        let said = String::from_utf8_lossy(&test.last_bytes);
        let line = said.trim_end().lines().next_back().filter(|line| !line.is_empty());
        (line.map(str::to_owned), message)
    }

    /// Moves what is left in the pipe; for the end.
    pub fn drain(&mut self) {
        // Bounded: a process that the program left running may still be writing.
        for _ in 0..PIPE / CHUNK {
            self.pump();
        }
    }

    /// Opens the transcript anew by its name, after a rotation. The old one stays where that fails.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reopen(&mut self) -> Result<(), Error> {
        if let Some(transcript) = &mut self.transcript {
            let dropped = transcript.dropped;
            *transcript = Transcript { dropped, ..Transcript::open(&transcript.path)? };
        }
        Ok(())
    }
}

impl TestOutput {
    fn new() -> io::Result<Self> {
        let (read, write) = io::pipe()?;
        let input = pipe::both_ends(&write)?;
        let pipe = File::from(OwnedFd::from(read));
        pipe::never_block(&pipe)?;
        Ok(Self { pipe, input, last_bytes: Vec::new() })
    }
}

/// Moves what is there, or a good part of it, from a pipe to the transcript; `last` keeps the last of it.
fn move_chunk(
    mut pipe: &File,
    last: Option<&mut Vec<u8>>,
    transcript: Option<&mut Transcript>,
) -> Option<String> {
    let mut chunk = vec![0; CHUNK];
    let length = pipe.read(&mut chunk).ok()?;
    let bytes = chunk.get(..length)?;
    if let Some(last) = last {
        last.extend_from_slice(bytes);
        last.drain(..last.len().saturating_sub(MAX_LAST_BYTES));
    }
    transcript?.write(bytes)
}

impl Transcript {
    /// A FIFO without a reader, or a terminal, does not hold the manager up.
    fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Open { what: "transcript", path: path.to_owned(), source };
        Ok(Self { path: path.to_owned(), file: log_file::append(path).map_err(failed)?, dropped: 0 })
    }

    /// Keeps nothing, for want of the file, until it is reopened.
    fn nowhere(path: &Path) -> Result<Self, Error> {
        Ok(Self { path: path.to_owned(), ..Self::open(Path::new("/dev/null"))? })
    }

    fn write(&mut self, bytes: &[u8]) -> Option<String> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match (&self.file).write(rest) {
                Ok(length) if length > 0 => rest = rest.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) => return self.lost(rest.len(), "nothing could be written"),
                Err(error) => return self.lost(rest.len(), &os_error_text(&error)),
            }
        }
        if self.dropped == 0 {
            return None;
        }
        let dropped = std::mem::take(&mut self.dropped);
        Some(format!("transcript '{}' is written again; {dropped} bytes were dropped", self.path.display()))
    }

    fn lost(&mut self, length: usize, why: &str) -> Option<String> {
        let first = self.dropped == 0 && length > 0;
        self.dropped = self.dropped.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        let path = self.path.display();
        first.then(|| format!("cannot write transcript '{path}': {why}; output of the program is dropped"))
    }
}

fn no_pipe(source: io::Error) -> Error {
    Error::Open { what: "pipe", path: PathBuf::from("/proc/self/fd"), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(output: &mut Output, bytes: &[u8]) -> Option<String> {
        (&output.input).write_all(bytes).unwrap();
        output.pump()
    }

    #[test]
    fn full_disk_is_reported_once_and_counted_and_its_end_too() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut output = Output::open(Some(&path)).unwrap();
        let message = said(&mut output, b"12345").unwrap();
        assert!(message.ends_with("No space left on device; output of the program is dropped"), "{message}");
        assert_eq!(said(&mut output, b"67890"), None);
        std::fs::remove_file(&path).unwrap();
        output.reopen().unwrap();
        let message = said(&mut output, b"again\n").unwrap();
        assert!(message.ends_with("is written again; 10 bytes were dropped"), "{message}");
        assert_eq!(std::fs::read(&path).unwrap(), b"again\n");
    }

    #[test]
    fn failed_reopen_keeps_the_old_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let mut output = Output::open(Some(&path)).unwrap();
        std::fs::rename(&path, place.path().join("old")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(output.reopen().unwrap_err().to_string().ends_with("Is a directory"));
        assert_eq!(said(&mut output, b"kept\n"), None);
        assert_eq!(std::fs::read(place.path().join("old")).unwrap(), b"kept\n");
    }

    #[test]
    fn output_goes_on_without_a_transcript_until_that_can_be_opened() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        std::fs::create_dir(&path).unwrap();
        let Output { pipe, input, .. } = Output::open(None).unwrap();
        let (mut output, message) = Output::resume(Some(&path), pipe, input).unwrap();
        let message = message.unwrap();
        assert!(
            message.ends_with("Is a directory; output of the program is dropped until logreopen"),
            "{message}"
        );
        assert_eq!(said(&mut output, b"dropped\n"), None);
        std::fs::remove_dir(&path).unwrap();
        output.reopen().unwrap();
        assert_eq!(said(&mut output, b"kept\n"), None);
        assert_eq!(std::fs::read(&path).unwrap(), b"kept\n");
    }

    #[test]
    fn last_lines_are_those_of_a_starting_program() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let mut output = Output::open(Some(&path)).unwrap();
        said(&mut output, b"earlier\n");
        output.listen();
        assert_eq!(output.last_lines(), None);
        said(&mut output, "x".repeat(5000).as_bytes());
        said(&mut output, b"\nport in use\n");
        let words = output.last_lines().unwrap();
        assert!(words.len() < 2048 && words.ends_with("x\nport in use"), "{words}");
        output.stop_listening();
        said(&mut output, b"later\n");
        assert_eq!(output.last_lines(), None);
        assert!(std::fs::read(&path).unwrap().ends_with(b"\nport in use\nlater\n"));
    }

    #[test]
    fn fifo_gets_the_output() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let mut reader = File::options().read(true).write(true).open(&path).unwrap();
        let mut output = Output::open(Some(&path)).unwrap();
        said(&mut output, b"hello");
        let mut text = [0; 5];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
    }

    #[test]
    fn without_a_transcript_the_output_goes_nowhere_and_never_blocks() {
        let mut output = Output::open(None).unwrap();
        for _ in 0..64 {
            assert_eq!(said(&mut output, "x".repeat(60_000).as_bytes()), None);
        }
    }
}
