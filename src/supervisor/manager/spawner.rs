//! Making processes of the program and of its start test.

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::super::Error;
use super::super::command::Command;
use super::super::reexec_state::RESUME;
use super::super::service_notify;
use crate::control::{END_ONLY, READY_FD};
use crate::sys::spawn::{self, Note};
use crate::sys::system_error::os_error_text;

/// Variables that are for this manager and not for its program.
const HIDDEN: &[&str] = &[
    READY_FD,
    END_ONLY,
    RESUME,
    service_notify::LINE_FD,
    service_notify::WATCHDOG_USEC,
    service_notify::WATCHDOG_PID,
];

/// What a process of ours gets, whichever it is.
#[derive(Debug)]
pub struct Spawner {
    environment: Vec<(String, String)>,
}

impl Spawner {
    /// These variables are added to those of the manager.
    pub fn new(environment: Vec<(String, String)>) -> Self {
        Self { environment }
    }

    /// Finds the program that these words begin with, along the PATH that it is to have.
    ///
    /// # Errors
    /// As [`Command::find`].
    pub fn find(&self, words: &[OsString]) -> Result<Command, Error> {
        Command::find(words, &self.environment)
    }

    /// Changes one of the variables, or takes it away.
    pub fn replace(&mut self, name: &str, variable: Option<(String, String)>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.extend(variable);
    }

    /// Makes a process of this command; `output` is its stdout and stderr, where those are not the manager's.
    ///
    /// # Errors
    /// The file cannot be executed, or the system is short of something.
    pub fn start(
        &self,
        command: &Command,
        output: Option<BorrowedFd<'_>>,
        own_session: bool,
        note: Option<Note<'_>>,
    ) -> io::Result<i32> {
        spawn::start(&spawn::Program {
            file: &command.file,
            words: &command.words,
            environment: &self.environment,
            hidden: HIDDEN,
            output,
            own_session,
            note,
        })
    }
}

/// Why a file was not executed, for a person.
pub fn not_executed(file: &Path, error: &io::Error) -> String {
    // The system's word for it, "no such file", would send a person looking for a file that is there.
    let missing = error.kind() == io::ErrorKind::NotFound && file.exists();
    let why = if missing { "its interpreter is missing".to_owned() } else { os_error_text(error) };
    format!("can't exec '{}': {why}", file.display())
}
