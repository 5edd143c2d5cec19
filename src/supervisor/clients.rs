//! The clients of the control socket: bytes in, one request each, one reply each; nobody waits for anybody.
//!
//! Connections never block and are bounded in number, size and time: a client that says nothing, half a line, ten
//! megabytes, or never reads costs one entry of a table for ten seconds. One that watches may stay, as long as it reads.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use super::state::Client;
use crate::control::{Refusal, Reply, Request, StatusRecord};
use crate::sys::socket::peer_is_trusted;

/// How many connections are served at once; one more and the oldest that does not watch is told to try again.
const MOST: usize = 64;
/// How long a connection may last: requests and replies are one line and a few.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much is read at a time.
const CHUNK: usize = 4096;
/// How much a watching client may leave unread, in bytes, before it is dropped.
const UNREAD: usize = 256 * 1024;

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
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// More of the request.
    Read,
    /// Room for more of the reply.
    Write,
}

impl Clients {
    /// Accepts those for whom there is room, or one in the place of the oldest. More must wait until all have had the
    /// chance to say what they want: of many who come at once, none is sent away who has asked already. Returns an error
    /// worth a line in the log.
    pub fn accept(&mut self, listener: &UnixListener, now: Duration) -> io::Result<()> {
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
            let full = self.open.len() >= MOST;
            if full {
                let oldest = self.open.iter().position(|connection| connection.stage != Stage::Watching);
                let mut oldest = self.open.remove(oldest.unwrap_or(0));
                oldest.answer(&Reply::Refused(Refusal::Superseded));
            }
            self.last += 1;
            let deadline = now.saturating_add(PATIENCE);
            let (client, received, unsent) = (self.last, Vec::new(), Vec::new());
            self.open.push(Connection { client, stream, received, unsent, stage: Stage::Asking, deadline });
            if full || self.open.len() >= MOST {
                return Ok(());
            }
        }
    }

    /// The connections' descriptors and what each waits for, in a stable order.
    pub fn watched(&self) -> impl Iterator<Item = (Client, BorrowedFd<'_>, Wants)> {
        self.open.iter().map(|connection| {
            let wants = if connection.unsent.is_empty() { Wants::Read } else { Wants::Write };
            (connection.client, connection.stream.as_fd(), wants)
        })
    }

    /// When the next connection's time is up.
    pub fn deadline(&self) -> Option<Duration> {
        self.open.iter().filter(|connection| connection.stage != Stage::Watching).map(|c| c.deadline).min()
    }

    /// Closes those whose time is up.
    pub fn expire(&mut self, now: Duration) {
        self.open.retain(|connection| connection.stage == Stage::Watching || connection.deadline > now);
    }

    /// Goes on with a connection that is ready; gives its request when that is complete and to be carried out.
    pub fn progress(&mut self, client: Client) -> Option<Request> {
        let index = self.open.iter().position(|connection| connection.client == client)?;
        let connection = self.open.get_mut(index)?;
        let step = match connection.stage {
            Stage::Asking => connection.receive(),
            Stage::Watching if connection.unsent.is_empty() => connection.listen(),
            Stage::Answering | Stage::Watching => connection.send(),
        };
        match step {
            Step::More => None,
            Step::Request(request) => Some(request),
            Step::Over => {
                self.open.remove(index);
                None
            }
        }
    }

    /// Makes a client one that watches, and tells it the state.
    pub fn watch(&mut self, client: Client, record: &StatusRecord) {
        if let Some(connection) = self.open.iter_mut().find(|connection| connection.client == client) {
            connection.stage = Stage::Watching;
            self.tell(record, |connection| connection.client == client);
        }
    }

    /// Whether anybody watches.
    pub fn are_watching(&self) -> bool {
        self.open.iter().any(|connection| connection.stage == Stage::Watching)
    }

    /// Tells the state to all who watch.
    pub fn tell_watchers(&mut self, record: &StatusRecord) {
        self.tell(record, |connection| connection.stage == Stage::Watching);
    }

    fn tell(&mut self, record: &StatusRecord, to: impl Fn(&Connection) -> bool) {
        let text = format!("{record}\n");
        self.open.retain_mut(|connection| {
            if !to(connection) {
                return true;
            }
            connection.unsent.extend_from_slice(text.as_bytes());
            connection.unsent.len() <= UNREAD && !matches!(connection.send(), Step::Over)
        });
    }

    /// Answers a client; what cannot be sent at once follows when there is room.
    pub fn reply(&mut self, client: Client, reply: &Reply) {
        let Some(index) = self.open.iter().position(|connection| connection.client == client) else { return };
        if self.open.get_mut(index).is_some_and(|connection| matches!(connection.answer(reply), Step::Over)) {
            self.open.remove(index);
        }
    }
}

enum Step {
    More,
    Request(Request),
    Over,
}

impl Connection {
    fn receive(&mut self) -> Step {
        let mut chunk = [0; CHUNK];
        let at_end = match self.stream.read(&mut chunk) {
            Ok(length) => {
                self.received.extend_from_slice(chunk.get(..length).unwrap_or_default());
                length == 0
            }
            Err(error) if is_passing(&error) => return Step::More,
            Err(_) => return Step::Over,
        };
        match Request::received(&self.received, at_end) {
            None => Step::More,
            Some(Ok(request)) => Step::Request(request),
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
    fn listen(&mut self) -> Step {
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Ok(0) => Step::Over,
            Ok(_) => Step::More,
            Err(error) if is_passing(&error) => Step::More,
            Err(_) => Step::Over,
        }
    }

    fn answer(&mut self, reply: &Reply) -> Step {
        self.received = Vec::new();
        self.stage = Stage::Answering;
        self.unsent = reply.encode();
        self.send()
    }

    fn send(&mut self) -> Step {
        let mut sent = 0;
        let outcome = loop {
            let Some(rest) = self.unsent.get(sent..).filter(|rest| !rest.is_empty()) else {
                break if self.stage == Stage::Watching { Step::More } else { Step::Over };
            };
            match self.stream.write(rest) {
                Ok(length) => sent += length,
                Err(error) if is_passing(&error) => break Step::More,
                Err(_) => break Step::Over,
            }
        };
        self.unsent.drain(..sent);
        outcome
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
