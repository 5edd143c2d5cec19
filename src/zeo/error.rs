//! Why the server does not start or go on.

use std::io;

use thiserror::Error;

use crate::sys::system_error::os_error_text;

/// What ends the server. Addresses are as [`super::Listener`] shows them.
#[derive(Debug, Error)]
pub enum Error {
    /// The host name does not resolve.
    #[error("cannot listen on {address}: the host is unknown: {}", os_error_text(.source))]
    Host {
        /// Where it was to listen.
        address: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Another process listens there.
    #[error("cannot listen on {0}: another process listens there")]
    Taken(String),
    /// The path of a local socket is that of another kind of file.
    #[error("cannot listen on {0}: the file is there and is no socket")]
    NoSocket(String),
    /// The path of a local socket does not fit a socket's address, here and at its clients.
    #[error(
        "cannot listen on {address}: the path of a local socket has at most {most} bytes, and this one {length}; use a shorter one"
    )]
    LongPath {
        /// Where it was to listen.
        address: String,
        /// Bytes of the path.
        length: usize,
        /// How many it may have.
        most: usize,
    },
    /// The address cannot be bound for another reason.
    #[error("cannot listen on {address}: {}", os_error_text(.source))]
    Listen {
        /// Where it was to listen.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no threads, or no means to wait for sockets.
    #[error("cannot start the server's threads: {}", os_error_text(.0))]
    Threads(io::Error),
    /// The last transactions of a storage cannot be read.
    #[error("cannot read the last transactions of storage '{name}': {source}")]
    Storage {
        /// Its name.
        name: String,
        /// Why.
        source: crate::storage::Error,
    },
}
