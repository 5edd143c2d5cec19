//! The report on how the start went, from the manager to whoever started it: one line, then end of file.
//!
//! `started PID` or `failed REASON`. The listeners are the parent of a daemon and, behind the number in the environment
//! variable [`crate::control::READY_FD`], `zdctl`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Error;
use crate::exit::Exit;
use crate::sys::daemon;

/// The longest report that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The reporting end. The first report is written, later ones have no listener.
#[derive(Debug, Default)]
pub struct Report {
    listeners: Vec<File>,
    /// Somebody beyond our own parent listens: then it is he who tells the person.
    starter: bool,
    /// The starter has been told of a failure.
    told: bool,
}

/// The end at which the parent of a daemon waits.
#[derive(Debug)]
pub struct Listener {
    pipe: File,
    /// The starter hears the same and tells the person.
    quiet: bool,
}

impl Report {
    /// A report to the starter, if there is one.
    pub fn to(starter: Option<OwnedFd>) -> Self {
        let listening = starter.is_some();
        Self { listeners: starter.map(File::from).into_iter().collect(), starter: listening, told: false }
    }

    /// Adds a listener: the parent of the process that is about to be forked.
    ///
    /// # Errors
    /// Where the system is out of descriptors.
    pub fn listen(&mut self) -> io::Result<Listener> {
        let (read, write) = daemon::pipe()?;
        self.listeners.push(File::from(write));
        Ok(Listener { pipe: File::from(read), quiet: self.starter })
    }

    /// The descriptors of all listeners.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.listeners.iter().map(AsFd::as_fd).collect()
    }

    /// The other process reports; closes this one's ends, so that the listener sees the end of file.
    pub fn abandon(&mut self) {
        self.listeners.clear();
    }

    /// The program runs.
    pub fn started(&mut self, pid: i32) {
        self.write(&format!("started {pid}\n"));
    }

    /// The program does not run, or not any more. Says whether the starter has been told, now or before: a start that
    /// was reported leaves nobody listening.
    pub fn failed(&mut self, why: &str) -> bool {
        self.told |= self.starter && !self.listeners.is_empty();
        self.write(&format!("failed {}\n", why.replace('\n', " ")));
        self.told
    }

    fn write(&mut self, line: &str) {
        for mut listener in self.listeners.drain(..) {
            // One that has gone does not want to know.
            let _ = listener.write_all(line.as_bytes());
        }
    }
}

impl Listener {
    /// Waits for the manager's report.
    ///
    /// # Errors
    /// The manager's reason, or that it gave none.
    pub fn outcome(self) -> Result<Exit, Error> {
        let mut line = String::new();
        // A broken pipe end reads as no report.
        let _ = self.pipe.take(LONGEST).read_to_string(&mut line);
        match line.trim_end().split_once(' ') {
            Some(("started", _)) => Ok(Exit::Success),
            Some(("failed", _)) if self.quiet => Ok(Exit::Failure),
            Some(("failed", why)) => Err(Error::NotStarted(why.to_owned())),
            _ => Err(Error::NoReport),
        }
    }
}
