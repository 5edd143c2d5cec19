//! What the manager waits for.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::super::state::Client;
use crate::sys::poll::{self, Interest};

/// What becomes ready; in this order, so that a program's last words and its end are known to the clients that ask.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// A word of the program's.
    Notify,
    /// A signal to the manager.
    Signals,
    /// The end of an adopted program.
    Adopted,
    /// Output of the program's.
    Output,
    /// Output of the start test's.
    TestOutput,
    /// A change of the socket's file or the lock file.
    Removal,
    /// A connection.
    Client(Client),
    /// A new connection.
    Listener,
}

/// Waits, for `limit` at most, until something is ready; gives what is, in the order of [`Source`].
///
/// # Errors
/// The system cannot wait.
pub fn wait<'a>(
    always: impl IntoIterator<Item = (Source, Option<BorrowedFd<'a>>)>,
    clients: impl Iterator<Item = (Client, BorrowedFd<'a>, Interest)>,
    listener: Option<(Source, BorrowedFd<'a>)>,
    limit: Option<Duration>,
) -> io::Result<Vec<Source>> {
    let always = always.into_iter().filter_map(|(source, descriptor)| Some((source, descriptor?)));
    let to_read = |(source, descriptor)| (source, (descriptor, Interest::Read));
    let clients =
        clients.map(|(client, descriptor, interest)| (Source::Client(client), (descriptor, interest)));
    let (sources, watched): (Vec<_>, Vec<_>) =
        always.map(to_read).chain(clients).chain(listener.map(to_read)).unzip();
    let ready = poll::wait_at_rest(&watched, limit)?;
    Ok(sources.into_iter().zip(ready).filter_map(|(source, ready)| ready.then_some(source)).collect())
}
