//! The clients of the control socket: bytes in, one request each, one reply each; nobody waits for anybody.
//!
//! Connections never block and are bounded in number, size and time: a client that says nothing, half a line, ten
//! megabytes, or never reads costs one entry of a table for ten seconds.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use super::state::Client;
use crate::control::{Refusal, Reply, Request};
use crate::sys::socket::peer_is_trusted;

/// How many connections are served at once; one more and the oldest is told to try again.
const MOST: usize = 64;
/// How long a connection may last: requests and replies are one line and a few.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much is read at a time.
const CHUNK: usize = 4096;

#[derive(Debug)]
struct Connection {
    client: Client,
    stream: UnixStream,
    received: Vec<u8>,
    /// The reply, once there is one, and how much of it is sent.
    reply: Option<(Vec<u8>, usize)>,
    deadline: Duration,
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
    /// Accepts whoever waits. Returns an error worth a line in the log.
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
            if self.open.len() >= MOST {
                let mut oldest = self.open.remove(0);
                oldest.answer(&Reply::Refused(Refusal::Superseded));
            }
            self.last += 1;
            let deadline = now.saturating_add(PATIENCE);
            let (client, received) = (self.last, Vec::new());
            self.open.push(Connection { client, stream, received, reply: None, deadline });
        }
    }

    /// The connections' descriptors and what each waits for, in a stable order.
    pub fn watched(&self) -> impl Iterator<Item = (Client, BorrowedFd<'_>, Wants)> {
        self.open.iter().map(|connection| {
            let wants = if connection.reply.is_some() { Wants::Write } else { Wants::Read };
            (connection.client, connection.stream.as_fd(), wants)
        })
    }

    /// When the next connection's time is up.
    pub fn deadline(&self) -> Option<Duration> {
        self.open.iter().map(|connection| connection.deadline).min()
    }

    /// Closes those whose time is up.
    pub fn expire(&mut self, now: Duration) {
        self.open.retain(|connection| connection.deadline > now);
    }

    /// Goes on with a connection that is ready; gives its request when that is complete and to be carried out.
    pub fn progress(&mut self, client: Client) -> Option<Request> {
        let index = self.open.iter().position(|connection| connection.client == client)?;
        let connection = self.open.get_mut(index)?;
        let step = if connection.reply.is_some() { connection.send() } else { connection.receive() };
        match step {
            Step::More => None,
            Step::Request(request) => Some(request),
            Step::Over => {
                self.open.remove(index);
                None
            }
        }
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

    fn answer(&mut self, reply: &Reply) -> Step {
        self.received = Vec::new();
        self.reply = Some((reply.encode(), 0));
        self.send()
    }

    fn send(&mut self) -> Step {
        let Some((bytes, sent)) = &mut self.reply else { return Step::Over };
        while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(length) => *sent += length,
                Err(error) if is_passing(&error) => return Step::More,
                Err(_) => return Step::Over,
            }
        }
        Step::Over
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
