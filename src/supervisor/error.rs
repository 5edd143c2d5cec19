//! What keeps a manager from starting.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::exit::Exit;
use crate::sys::orphans::Pids;
use crate::sys::program::ProgramError;
use crate::sys::system_error::os_error_text;

/// Why the manager or its program could not be started.
#[derive(Debug, Error)]
pub enum Error {
    /// No program is named.
    #[error("no program specified (use positional arguments)")]
    NoProgram,
    /// The program cannot be found or executed.
    #[error(transparent)]
    Program(ProgramError),
    /// The working directory cannot be entered.
    #[error("can't chdir into '{}': {}", .path.display(), os_error_text(.source))]
    Directory {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The working directory is a file.
    #[error("can't chdir into '{}': Not a directory", .path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },
    /// No second process could be made.
    #[error("cannot fork the daemon manager: {}", os_error_text(.0))]
    Fork(#[source] io::Error),
    /// The system has no descriptor left for signals.
    #[error("cannot receive signals: {}", os_error_text(.0))]
    Signals(#[source] io::Error),
    /// Some file is needed and cannot be opened.
    #[error("cannot open {what} '{}': {}", .path.display(), os_error_text(.source))]
    Open {
        /// What it is for.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket or its lock file belongs to another user.
    #[error("cannot use socket '{}': {hint}", .socket.display())]
    Foreign {
        /// The socket.
        socket: PathBuf,
        /// Whose it is, and what to do.
        hint: String,
    },
    /// The socket's directory is missing and cannot be made.
    #[error("cannot make directory '{}' of the socket: {}", .path.display(), os_error_text(.source))]
    SocketDirectory {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The transcript would go nowhere.
    #[error("transcript {0}")]
    LostTranscript(String),
    /// The event log cannot be opened.
    #[error("{0}")]
    Log(String),
    /// The user is unknown.
    #[error("user '{name}' not found")]
    NoUser {
        /// As configured.
        name: String,
    },
    /// Becoming the user failed.
    #[error("cannot become user '{name}': {}", os_error_text(.source))]
    BecomeUser {
        /// As configured.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Another manager has the socket.
    #[error("another daemon manager is already using socket '{}'{}", .socket.display(), by(*.manager))]
    Taken {
        /// The socket.
        socket: PathBuf,
        /// Its process number, where known.
        manager: Option<u32>,
    },
    /// Something else has the socket's name.
    #[error("'{}' exists and is not a socket; it is left alone", .socket.display())]
    NotASocket {
        /// The path.
        socket: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot make socket '{}': {}", .socket.display(), os_error_text(.source))]
    Socket {
        /// The path.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program of an earlier manager runs, and cannot be taken over.
    #[error("the program of an earlier daemon manager still runs as process {pid} and cannot be adopted: {}; stop it first", os_error_text(.source))]
    Survivor {
        /// Its process number.
        pid: i32,
        /// Why not.
        source: io::Error,
    },
    /// What the program of an earlier manager left behind runs, and does not end.
    #[error(
        "what the program of an earlier daemon manager left behind still runs and cannot be ended; {0}; end it first"
    )]
    LeftBehind(Pids),
    /// There is no socket for the program's own word.
    #[error("cannot make a notification socket: {}", os_error_text(.0))]
    Notify(#[source] io::Error),
    /// What an earlier image of this process left is not to be understood.
    #[error("cannot take over from the earlier daemon manager: {0}")]
    Resume(String),
    /// A key has changed that a running manager cannot change.
    #[error("'{key}' has changed, which takes a stop and a start")]
    Unchangeable {
        /// Which.
        key: &'static str,
    },
    /// The program did not come up; the text is the manager's report.
    #[error("{0}")]
    NotStarted(String),
    /// The manager ends with this status, for this reason.
    #[error("{why}")]
    GaveUp {
        /// The reason.
        why: String,
        /// An exit status.
        status: u8,
    },
    /// The program was not up in time; what is known of it follows on more lines. The manager goes on.
    #[error("program took too long to start{0}")]
    TooLong(String),
    /// The manager ended before it could report.
    #[error("the daemon manager ended before the program was started")]
    NoReport,
    /// The loop cannot wait for events.
    #[error("cannot wait for events: {}", os_error_text(.0))]
    Wait(#[source] io::Error),
}

fn by(manager: Option<u32>) -> String {
    manager.map(|pid| format!("; its pid is {pid}")).unwrap_or_default()
}

impl Error {
    /// The exit status that goes with it: a program or a user that does not exist is a fault of the
    /// command line.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::GaveUp { status, .. } => Exit::Program(*status),
            Self::NoProgram | Self::Program(_) | Self::NoUser { .. } | Self::LostTranscript(_) => Exit::Usage,
            _ => Exit::Failure,
        }
    }
}
