//! What can go wrong with an instance home.

use std::io;
use std::path::{Path, PathBuf};

use super::quote::shown;
use crate::sys::system_error::SystemError;
use crate::sys::tree::Untrusted;

/// Why an instance was not made, or not started. Each reads as what follows the program's name in one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one.
    #[error("{0}")]
    Address(String),
    /// A name that the files would have to hold, and cannot.
    #[error("cannot use {role} {}: {why}", shown(path))]
    Inexpressible {
        /// What the name is for.
        role: &'static str,
        /// The name.
        path: PathBuf,
        /// Which of its characters is in the way.
        why: &'static str,
    },
    /// Something that is neither missing nor of the right kind has a name that is needed.
    #[error("cannot {verb} {}: {why}", shown(path))]
    InTheWay {
        /// What was to be done.
        verb: &'static str,
        /// With what.
        path: PathBuf,
        /// What stands there.
        why: &'static str,
    },
    /// A symbolic link in the home is not followed.
    #[error("cannot follow {}: another user may have put that symbolic link there", shown(.0))]
    Link(PathBuf),
    /// The system refused.
    #[error("cannot {} {}: {}", .0.verb, shown(&.0.path), .0.reason())]
    System(SystemError),
    /// A program was not found.
    #[error("cannot find {0}")]
    NotFound(String),
    /// A template cannot be rendered: a fault of the template.
    #[error("template {name}{}: {message}", place(*line, *column))]
    Template {
        /// The template, relative to the templates' directory.
        name: String,
        /// The line, from 1; 0 where the fault is in no line of its own.
        line: usize,
        /// The character in it, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A variable cannot have the value that was given.
    #[error("cannot set {name}: {why}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// There is no template of that name.
    #[error("there is no template {}; there is: {known}", shown(name))]
    NoTemplate {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A file of settings cannot be understood.
    #[error("settings {}: {message}", shown(path))]
    Settings {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// The server cannot run as the user that it shall run as.
    #[error("cannot make the instance for user {}: {why}", shown(user))]
    User {
        /// The user.
        user: String,
        /// What is in the way.
        why: String,
    },
    /// The address and an option name different interfaces.
    #[error("the address has a host, and --host names another")]
    TwoHosts,
    /// An option names an interface where no address has a port.
    #[error("--host is for a port, and the address is a path")]
    NoPort,
    /// An extra was asked for that the templates do not have.
    #[error("there is no {} to add; there is: {known}", shown(name))]
    NoExtra {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Only a file was to be looked at that the instance does not have.
    #[error("the instance has no file {}; it has: {known}", shown(name))]
    NoFile {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A file differs, and that was to be an error.
    #[error(
        "{}existing file {} differs; nothing was done",
        if *is_conflict { "merge conflict: " } else { "" },
        shown(path)
    )]
    Differs {
        /// The file.
        path: PathBuf,
        /// Its edits and what is new change the same lines.
        is_conflict: bool,
    },
    /// The server of an instance that is to be taken over would be ours, which would not serve it.
    #[error("cannot adopt the instance: {why}; to keep its own server, add --server {}", old.as_deref().unwrap_or("PATH"))]
    NotServed {
        /// What our server would say.
        why: String,
        /// The server that it has.
        old: Option<String>,
    },
    /// A configuration would be replaced by one with other data.
    #[error(
        "cannot replace {}: its data are in {}, and those of the new one would be in {after}; to keep them with what is \
         new, use mkzeoinst --adopt",
        shown(path),
        shown(before)
    )]
    OtherData {
        /// The configuration.
        path: PathBuf,
        /// The data file, or the directory of blobs, that it has.
        before: String,
        /// What the new one has there.
        after: String,
    },
    /// A path would be longer than what the system opens.
    #[error("cannot use home {}: {why}", beginning(path))]
    TooLong {
        /// The home.
        path: PathBuf,
        /// Which name or path is too long.
        why: String,
    },
    /// The instance is made, but to start it would be in vain.
    #[error("not starting the instance: {0}")]
    NoStart(String),
    /// The instance is made but does not run.
    #[error("cannot start the instance: {why}; see {} and {}", shown(manager_log), shown(server_log))]
    NotStarted {
        /// What was seen.
        why: String,
        /// The daemon manager's log.
        manager_log: PathBuf,
        /// The server's log.
        server_log: PathBuf,
    },
}

/// The beginning of a path that is too long for a message.
fn beginning(path: &Path) -> String {
    let text = path.to_string_lossy();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", shown(text.get(..end).unwrap_or_default())),
        None => shown(path),
    }
}

impl Error {
    /// Whether what was asked for makes no sense (against: it could not be done).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Address(_)
            | Self::Inexpressible { .. }
            | Self::TooLong { .. }
            | Self::Settings { .. }
            | Self::TwoHosts
            | Self::NoPort
            | Self::NoTemplate { .. }
            | Self::Variable { .. }
            | Self::NoExtra { .. }
            | Self::NoFile { .. } => true,
            Self::InTheWay { .. }
            | Self::Link(_)
            | Self::System(_)
            | Self::NotFound(_)
            | Self::User { .. }
            | Self::Template { .. }
            | Self::Differs { .. }
            | Self::NotServed { .. }
            | Self::OtherData { .. }
            | Self::NoStart(_)
            | Self::NotStarted { .. } => false,
        }
    }

    /// The error of a system call on `path`.
    pub(crate) fn system(verb: &'static str, path: &Path, source: io::Error) -> Self {
        if let Some(link) = Untrusted::of(&source) {
            return Self::Link(link.to_owned());
        }
        Self::System(SystemError::new(verb, path, source))
    }
}

/// The place in a template as it follows the template's name.
fn place(line: usize, column: usize) -> String {
    if line == 0 { String::new() } else { format!(":{line}:{column}") }
}
