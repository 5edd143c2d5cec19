//! What a check can find.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::sys::program::ProgramError;
use crate::sys::reason::reason;
use crate::zconfig::repr;

/// Why something that is configured cannot be done.
#[derive(Debug, Error)]
pub(super) enum Fault {
    /// Neither the file nor the command line names a program.
    #[error("no program specified")]
    NoProgram,
    /// The program cannot be found or executed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The program is a script, and what it names in its first line cannot be run.
    #[error("'{}' cannot be run by its first line: {fault}", .script.display())]
    Interpreter {
        /// The script.
        script: PathBuf,
        /// What is wrong with the interpreter.
        fault: Box<Fault>,
    },
    /// The user database has no such user.
    #[error("{what} {} not found", repr(.name))]
    UnknownUser {
        /// `uid` or `username`.
        what: &'static str,
        /// As configured.
        name: String,
    },
    /// It has, but we may not become that one.
    #[error("only root can use -u USER to change users")]
    OtherUser,
    /// It cannot be asked.
    #[error("cannot look up user '{name}': {}", reason(.source))]
    LookUp {
        /// As configured.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Not even one thread can take the user's place.
    #[error("cannot become user '{name}': {}", reason(.source))]
    BecomeUser {
        /// As configured.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A directory is not there, is none, or may not be entered.
    #[error("can't chdir into '{}': {}", .path.display(), reason(.source))]
    Directory {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not there and cannot be made.
    #[error("cannot make '{}': {}", .path.display(), reason(.source))]
    Make {
        /// The path.
        path: PathBuf,
        /// Why, of its directory.
        source: io::Error,
    },
    /// A file is there and cannot be written.
    #[error("cannot write '{}': {}", .path.display(), reason(.source))]
    Write {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket's name does not fit an address, even without its directory.
    #[error("cannot make socket '{}': its name is too long; up to 81 characters are sure to fit", .0.display())]
    SocketName(PathBuf),
    /// Something else has the socket's name.
    #[error("'{}' exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
}
