//! The clients of the control socket: bytes in, one request each, one reply each; no client waits for another.
//!
//! Connections never block and are bounded in number, size and time: a client that says nothing, half a line, ten
//! megabytes, or never reads costs one entry of a table for ten seconds. One that watches may stay, as long as it reads.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use super::state::Client;
use crate::control::{Refusal, Reply, Request, StatusRecord};
use crate::sys::poll::Interest;
use crate::sys::socket::peer_is_trusted;
use crate::sys::system_error::os_error_text;

/// How many connections are served at once; one more and the oldest that does not watch is asked to try again.
const MAX_CONNECTIONS: usize = 64;
/// How long a connection may last: requests and replies are one line and a few.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long until accept(2) is tried again when the system has no descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);
/// How much is read at a time.
const CHUNK: usize = 4096;
/// How much a watching client may leave unread, in bytes, before it is dropped.
const MAX_UNREAD_BYTES: usize = 256 * 1024;

#[derive(Debug)]
struct Connection {
    client: Client,
    stream: UnixStream,
    received: Vec<u8>,
    /// What is to be sent.
    unsent: Vec<u8>,
    stage: Stage,
    deadline: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The request is not whole.
    Asking,
    /// The request is whole: the reply is sent, then the connection is over.
    Answering,
    /// It gets a record now and at each change, until it goes.
    Watching,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Clients {
    open: Vec<Connection>,
    last: Client,
    /// accept(2) failed; it is tried again at this time.
    paused_until: Option<Duration>,
}

impl Clients {
    /// Whether connections are to be accepted now.
    pub fn accepts(&mut self, now: Duration) -> bool {
        self.paused_until = self.paused_until.filter(|until| *until > now);
        self.paused_until.is_none()
    }

    /// Accepts connections as [`Clients::accepts`] allows. Gives a line for the log where the system does not.
    pub fn accept(&mut self, listener: &UnixListener, now: Duration) -> Option<String> {
        let error = self.accept_all(listener, now).err()?;
        self.paused_until = Some(now.saturating_add(ACCEPT_RETRY));
        Some(format!("cannot accept a connection: {}", os_error_text(&error)))
    }

    /// Accepts those for which there is room, or one in the place of the oldest. More must wait until all have had the
    /// chance to send a request: of many that come at once, none is sent away that has asked already.
    fn accept_all(&mut self, listener: &UnixListener, now: Duration) -> io::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if !peer_is_trusted(&stream) || stream.set_nonblocking(true).is_err() {
                continue;
            }
            let full = self.open.len() >= MAX_CONNECTIONS;
            if full {
                let oldest = self.open.iter().position(|connection| connection.stage != Stage::Watching);
                let mut oldest = self.open.remove(oldest.unwrap_or(0));
                oldest.answer(&Reply::Refused(Refusal::Superseded));
            }
            self.last += 1;
            let deadline = now.saturating_add(CONNECTION_TIMEOUT);
            let (client, received, unsent) = (self.last, Vec::new(), Vec::new());
            self.open.push(Connection { client, stream, received, unsent, stage: Stage::Asking, deadline });
            if full || self.open.len() >= MAX_CONNECTIONS {
                return Ok(());
            }
        }
    }

    /// The connections' descriptors and what each waits for, in a stable order.
    pub fn watched(&self) -> impl Iterator<Item = (Client, BorrowedFd<'_>, Interest)> {
        self.open.iter().map(|connection| {
            let interest = if connection.unsent.is_empty() { Interest::Read } else { Interest::Write };
            (connection.client, connection.stream.as_fd(), interest)
        })
    }

    /// When the next connection's time is up, or accepting is tried again.
    pub fn deadline(&self) -> Option<Duration> {
        let asking = self.open.iter().filter(|connection| connection.stage != Stage::Watching);
        asking.map(|connection| connection.deadline).chain(self.paused_until).min()
    }

    /// Closes those whose time is up.
    pub fn expire(&mut self, now: Duration) {
        self.open.retain(|connection| connection.stage == Stage::Watching || connection.deadline > now);
    }

    /// Goes on with a connection that is ready; gives its request when that is complete and to be carried out.
    pub fn progress(&mut self, client: Client) -> Option<Request> {
        let index = self.open.iter().position(|connection| connection.client == client)?;
        let connection = self.open.get_mut(index)?;
        let progress = match connection.stage {
            Stage::Asking => connection.receive(),
            Stage::Watching if connection.unsent.is_empty() => connection.listen(),
            Stage::Answering | Stage::Watching => connection.send(),
        };
        match progress {
            Progress::More => None,
            Progress::Request(request) => Some(request),
            Progress::Over => {
                self.open.remove(index);
                None
            }
        }
    }

    /// Makes a client one that watches, and sends it the state.
    pub fn watch(&mut self, client: Client, record: &StatusRecord) {
        if let Some(connection) = self.open.iter_mut().find(|connection| connection.client == client) {
            connection.stage = Stage::Watching;
            self.send_record(record, |connection| connection.client == client);
        }
    }

    /// Whether any client watches.
    pub fn are_watching(&self) -> bool {
        self.open.iter().any(|connection| connection.stage == Stage::Watching)
    }

    /// Sends the state to all that watch.
    pub fn send_to_watchers(&mut self, record: &StatusRecord) {
        self.send_record(record, |connection| connection.stage == Stage::Watching);
    }

    fn send_record(&mut self, record: &StatusRecord, to: impl Fn(&Connection) -> bool) {
        let text = format!("{record}\n");
        self.open.retain_mut(|connection| {
            if !to(connection) {
                return true;
            }
            connection.unsent.extend_from_slice(text.as_bytes());
            connection.unsent.len() <= MAX_UNREAD_BYTES && !matches!(connection.send(), Progress::Over)
        });
    }

    /// Answers a client; what cannot be sent at once follows when there is room.
    pub fn reply(&mut self, client: Client, reply: &Reply) {
        let Some(index) = self.open.iter().position(|connection| connection.client == client) else { return };
        if self
            .open
            .get_mut(index)
            .is_some_and(|connection| matches!(connection.answer(reply), Progress::Over))
        {
            self.open.remove(index);
        }
    }
}

enum Progress {
    More,
    Request(Request),
    Over,
}

impl Connection {
    fn receive(&mut self) -> Progress {
        let mut chunk = [0; CHUNK];
        let at_end = match self.stream.read(&mut chunk) {
            Ok(length) => {
                self.received.extend_from_slice(chunk.get(..length).unwrap_or_default());
                length == 0
            }
            Err(error) if is_passing(&error) => return Progress::More,
            Err(_) => return Progress::Over,
        };
        match Request::received(&self.received, at_end) {
            None => Progress::More,
            Some(Ok(request)) => Progress::Request(request),
            Some(Err(refusal)) => {
                // Unread bytes would turn the reply into a reset: take what is there, within reason.
                for _ in 0..256 {
                    if !matches!(self.stream.read(&mut chunk), Ok(length) if length > 0) {
                        break;
                    }
                }
                self.answer(&Reply::Refused(refusal))
            }
        }
    }

    /// A client that watches has nothing more to say; when it closes its sending side it has gone.
    fn listen(&mut self) -> Progress {
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Ok(0) => Progress::Over,
            Ok(_) => Progress::More,
            Err(error) if is_passing(&error) => Progress::More,
            Err(_) => Progress::Over,
        }
    }

    fn answer(&mut self, reply: &Reply) -> Progress {
        self.received = Vec::new();
        self.stage = Stage::Answering;
        self.unsent = reply.encode();
        self.send()
    }

    fn send(&mut self) -> Progress {
        let mut sent = 0;
        let outcome = loop {
            let Some(rest) = self.unsent.get(sent..).filter(|rest| !rest.is_empty()) else {
                break if self.stage == Stage::Watching { Progress::More } else { Progress::Over };
            };
            match self.stream.write(rest) {
                Ok(length) => sent += length,
                Err(error) if is_passing(&error) => break Progress::More,
                Err(_) => break Progress::Over,
            }
        };
        self.unsent.drain(..sent);
        outcome
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
