//! The report on how the start went, from the manager to the process that started it.
//!
//! The listeners are the parent of a daemon and, behind the number in the environment variable
//! [`crate::control::READY_FD`], `zdctl`.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::Error;
use crate::control::{self, MAX_REPORT};
use crate::exit::Exit;
use crate::sys::poll::{self, Interest};

/// How long the manager's report may take beyond the limit of the start.
const REPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The reporting end. The first report is written, later ones have no listener.
#[derive(Debug, Default)]
pub struct StartReporter {
    listeners: Vec<PipeWriter>,
    /// `zdctl` listens; it prints the outcome.
    has_remote_listener: bool,
    /// When a listener that has no other limit is to hear that the start takes too long.
    due: Option<Instant>,
}

/// The end at which the parent of a daemon waits.
#[derive(Debug)]
pub struct Listener {
    pipe: PipeReader,
}

impl StartReporter {
    /// A report to `zdctl`, if that has started us.
    pub fn to(starter: Option<OwnedFd>) -> Self {
        let has_remote_listener = starter.is_some();
        Self {
            listeners: starter.map(PipeWriter::from).into_iter().collect(),
            has_remote_listener,
            due: None,
        }
    }

    /// Whether `zdctl` has started us, waits for the report and prints it.
    pub fn has_remote_listener(&self) -> bool {
        self.has_remote_listener
    }

    /// Adds a listener: the parent of the process that is about to be forked, which is to hear within `limit`.
    ///
    /// # Errors
    /// Where the system is out of descriptors.
    pub fn listen(&mut self, limit: Duration) -> io::Result<Listener> {
        self.due = Instant::now().checked_add(limit);
        let (read, write) = io::pipe()?;
        self.listeners.push(write);
        Ok(Listener { pipe: read })
    }

    /// The descriptors of all listeners.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.listeners.iter().map(AsFd::as_fd).collect()
    }

    /// The other process reports; closes this one's ends, so that the listener sees the end of file.
    pub fn abandon(&mut self) {
        self.listeners.clear();
    }

    /// In how long the start takes too long; `None`: nothing waits for it, or something that has a limit of its own.
    pub fn due_in(&self) -> Option<Duration> {
        let due = self.due.filter(|_| !self.listeners.is_empty())?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// The program runs.
    pub fn started(&mut self, pid: i32) {
        self.write(&control::Report::Started(pid.unsigned_abs()));
    }

    /// The start has failed, for this reason. Gives whether that was news to `zdctl`, which prints it: after the first
    /// report nothing is.
    pub fn failed(&mut self, error: &Error) -> bool {
        let is_news = self.has_remote_listener && !self.listeners.is_empty();
        let why = error.to_string();
        self.write(&match error {
            Error::Taken { .. } => control::Report::Taken(why),
            _ => control::Report::Failed(why),
        });
        is_news
    }

    fn write(&mut self, report: &control::Report) {
        let text = report.to_string();
        for mut listener in self.listeners.drain(..) {
            // One that has gone does not want to know.
            let _ = listener.write_all(text.as_bytes());
        }
    }
}

impl Listener {
    /// Waits for the manager's report.
    ///
    /// # Errors
    /// The manager's reason; that it gave none; that it took longer than `limit`.
    pub fn outcome(self, limit: Duration) -> Result<Exit, Error> {
        let mut text = String::new();
        if poll::wait(&[(self.pipe.as_fd(), Interest::Read)], Some(limit.saturating_add(REPORT_TIMEOUT)))
            .is_ok_and(|ready| ready == [false])
        {
            return Err(Error::TooLong(String::new()));
        }
        // A broken pipe end reads as no report.
        let _ = self.pipe.take(MAX_REPORT as u64).read_to_string(&mut text);
        match control::Report::parse(&text) {
            Some(control::Report::Started(_)) => Ok(Exit::Success),
            Some(control::Report::Failed(why) | control::Report::Taken(why)) => Err(Error::NotStarted(why)),
            None => Err(Error::NoReport),
        }
    }
}
