//! Why there is no server.

use std::io;

use thiserror::Error;

use crate::sys::system_error::os_error_text;
use crate::{eventlog, storage, zeo};

/// What keeps the server from starting, or ends it.
#[derive(Debug, Error)]
pub(super) enum Error {
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] eventlog::Error),
    /// Signals cannot be waited for, threads cannot be had.
    #[error("cannot {verb}: {}", os_error_text(.source))]
    System {
        /// What was tried.
        verb: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A storage cannot be opened.
    #[error("storage '{name}': {source}")]
    Storage {
        /// Its name.
        name: String,
        /// Why.
        source: storage::Error,
    },
    /// The network.
    #[error(transparent)]
    Network(#[from] zeo::Error),
    /// The certificates cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] zeo::tls::Error),
    /// A fault of this program; the panic was printed on stderr.
    #[error("the thread that {0} has failed")]
    Panicked(&'static str),
}
