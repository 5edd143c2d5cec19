//! Why an action could not be carried out.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::config;
use crate::control::repr::{Escapes, quote};
use crate::control::{Request, StatusRecord, slow_start};
use crate::exit::Exit;
use crate::sys::orphans::Pids;
use crate::sys::system_error::os_error_text;

/// What failed, as one line for the user.
#[derive(Debug, Error)]
pub enum Failure {
    /// No action has this name.
    #[error("unknown action {}{hint}; for a list, use zdctl help", quoted(.typed))]
    UnknownAction {
        /// The word, or at the prompt the line.
        typed: OsString,
        /// A clause with the action that is most likely meant, or nothing.
        hint: String,
    },
    /// The configuration, or something that it names, is at fault; each fault is a line that begins with its place.
    #[error("{0}")]
    Configuration(config::Errors),
    /// The arguments do not fit the action.
    #[error("{0}")]
    Arguments(String),
    /// The manager's socket cannot be reached, though it may be there.
    #[error("cannot connect to daemon manager at socket '{}': {}{}", .path.display(), os_error_text(.source), hint(.path))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The manager took the connection, or not even that, and then nothing came for so long.
    #[error("daemon manager does not answer; waited {} seconds", .0.as_secs())]
    NoResponse(Duration),
    /// What came is no answer.
    #[error("daemon manager at socket '{}' gives no sensible answer", .0.display())]
    InvalidReply(PathBuf),
    /// One of those, where it was to be found out whether the program runs.
    #[error("{0}")]
    StatusUnknown(Box<Failure>),
    /// The manager has declined.
    #[error("daemon manager refuses '{request}': {reply}")]
    Refused {
        /// What was asked.
        request: String,
        /// The answer.
        reply: String,
    },
    /// The connection ended after the request was sent; to make it again could mean to have it carried out twice.
    #[error("daemon manager gives no answer to '{0}'; whether it was carried out is not known")]
    Unanswered(String),
    /// Its manager was killed, and it runs on.
    #[error(
        "the program runs without a manager; pid={0}; start has a new manager take it over, stop ends it"
    )]
    Unmanaged(u32),
    /// `fg` runs it, and there is no manager.
    #[error("the program runs in the foreground, without a manager; pid={0}; stop ends it")]
    Foreground(u32),
    /// A process that is not to be seen from here has the instance's lock, and there is no manager.
    #[error("the program runs in the foreground, in another container: '{}' is locked from there", .0.display())]
    ForegroundElsewhere(PathBuf),
    /// The lock file is there and cannot be used.
    #[error("cannot use lock file '{}': {}", .path.display(), os_error_text(.source))]
    Lock {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There can be no lock file; the program runs all the same.
    #[error(
        "warning: cannot make lock file '{}': {}; status and start will not see the program",
        .path.display(), os_error_text(.source)
    )]
    NoLock {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Its manager was killed, it has ended, and others run that came from it.
    #[error("what the program left behind runs without a manager; {0}; start and stop end it")]
    LeftBehind(Pids),
    /// The manager went away while something was expected of it.
    #[error("daemon manager not running")]
    ManagerGone,
    /// The zdrun program cannot be executed.
    #[error("cannot start daemon manager '{}': {}", .path.display(), os_error_text(.source))]
    Launch {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The manager could not start the program.
    #[error("program not started: {0}")]
    NotStarted(String),
    /// The manager goes on as it was.
    #[error("daemon manager not replaced: {0}")]
    NotReplaced(String),
    /// The manager goes on with the configuration that it has, and so does the program.
    #[error("the configuration as it is now would not work: {0}; nothing was stopped or started")]
    FileRefused(String),
    /// What the `check-program` found is on stderr.
    #[error("{0}")]
    CheckProgram(String),
    /// The action was carried out without what has been edited since.
    #[error("the configuration file has changed, and the daemon manager has not read it again: {0}")]
    FileNotRead(String),
    /// The manager ended in the middle of its replacement.
    #[error("daemon manager ended while it was being replaced; start goes on with the program that it left")]
    LostInReplacement,
    /// The manager could not start, and has said so itself.
    #[error("daemon manager could not start")]
    AlreadyReported,
    /// A start was not detached, which is a warning.
    #[error("the program runs on this terminal and ends with it; -d or 'daemon true' detaches it{0}")]
    NotDetached(&'static str),
    /// The program is not ready within start-timeout; what is known of it follows on more lines.
    #[error("Program took too long to start{0}")]
    StartTooLong(String),
    /// The program is still there after stop-timeout, and after some time for SIGKILL to work.
    #[error("daemon process still running after {0} seconds; pid={1}")]
    StopTooLong(u64, u32),
    /// The signal would end the program.
    #[error("SIGUSR2 not sent to process {0}: it would end the program, which does not handle it")]
    Unhandled(u32),
    /// The same, as far as can be known; the manager is one that does not say.
    #[error(
        "SIGUSR2 not sent to process {0}: whether it handles the signal cannot be seen from here; kill USR2 sends it"
    )]
    HandlingUnknown(u32),
    /// A program other than the manager cannot be run.
    #[error("cannot run {}: {}", quoted(.program), os_error_text(.source))]
    Run {
        /// What was to be run.
        program: OsString,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no such user any more.
    #[error("username {0} not found")]
    NoUser(String),
    /// The program that runs does not have what these files have now, which is a warning.
    #[error("warning: changed since the program was started: {}; restart puts it in force", listed(.0))]
    Outdated(Vec<PathBuf>),
    /// The program would have to run as a user that this process cannot become.
    #[error("only root can start a program as user '{0}' (key user); become that user, or root")]
    OtherUser(String),
    /// A file cannot be read.
    #[error("cannot read log file '{}': {}", .path.display(), os_error_text(.source))]
    Log {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The user's commands cannot be kept for the next shell.
    #[error("cannot keep command history in '{}': {}", .path.display(), os_error_text(.source))]
    History {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The user's next command cannot be read.
    #[error("cannot read commands: {0}")]
    Commands(String),
    /// Something of the system that should not fail.
    #[error("{what}: {}", os_error_text(.source))]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Our own output cannot be written.
    #[error("cannot write output: {}", os_error_text(.0))]
    Output(io::Error),
    /// ^C.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// Why a program is not started that another request has ended.
    pub(super) const STOPPED: &str = "it was stopped by another request";

    /// Whether there is nothing to print: it was reported already, or the reader of our output has gone.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        match self {
            Self::AlreadyReported | Self::Interrupted => true,
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }

    /// The exit status of a one-shot action that failed so.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::UnknownAction { .. } | Self::Arguments(_) | Self::Configuration(_) | Self::OtherUser(_) => {
                Exit::Usage
            }
            // A shell has 127 for "no such program" and 126 for one that cannot be executed.
            Self::Run { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::Program(127),
            Self::Run { .. } => Exit::Program(126),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
            Self::Interrupted => Exit::Program(128 + 2),
            Self::StatusUnknown(failure) => match **failure {
                Self::NoResponse(_) => Exit::NoResponse,
                _ => Exit::Unknown,
            },
            _ => Exit::Failure,
        }
    }

    /// The program is not ready in time, and is left to itself.
    pub(super) fn start_too_long(record: Option<&StatusRecord>) -> Self {
        Self::StartTooLong(slow_start(record.and_then(|record| record.test_error.as_deref())))
    }

    pub(super) fn refused(request: Request, reply: &dyn std::fmt::Display) -> Self {
        Self::Refused { request: request.to_string(), reply: reply.to_string() }
    }
}

/// What to do where another user has left the socket.
fn hint(socket: &Path) -> String {
    config::left_by_another(socket).map(|hint| format!("; {hint}")).unwrap_or_default()
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| format!("'{}'", path.display())).collect();
    paths.join(", ")
}

fn quoted(word: &OsString) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    quote(word.as_bytes(), Escapes::Characters)
}
