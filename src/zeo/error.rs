//! Why the server does not start or go on.

use std::io;

use thiserror::Error;

/// What ends the server. Addresses are as [`super::Listener`] shows them.
#[derive(Debug, Error)]
pub enum Error {
    /// A host name that nobody knows.
    #[error("cannot listen on {address}: the host is unknown: {source}")]
    Host {
        /// Where it was to listen.
        address: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Another server is there.
    #[error("cannot listen on {0}: another process listens there")]
    Taken(String),
    /// The path of a local socket leads to something else.
    #[error("cannot listen on {0}: the file is there and is no socket")]
    NoSocket(String),
    /// The address cannot be had for another reason.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it was to listen.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no threads or no way to wait for sockets.
    #[error("cannot start the server's threads: {0}")]
    Threads(io::Error),
    /// A storage cannot tell its last transactions.
    #[error("cannot read the last transactions of storage '{name}': {source}")]
    Storage {
        /// Its name.
        name: String,
        /// Why.
        source: crate::storage::Error,
    },
}
