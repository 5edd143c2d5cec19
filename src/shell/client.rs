//! Asking the daemon manager.
//!
//! Each request is a connection of its own. Every step is limited in time and size, so that no server behind the socket,
//! whatever it does, can hold the person up. What a manager says while it comes or goes is asked for again.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::control::{MAX_REPLY, Refusal, Reply, Request, StatusRecord};
use crate::sys::interrupt::pause;
use crate::sys::unix_stream::connect;

use super::failure::Failure;

/// How long a manager may take for one answer; it answers at once unless it, or the machine, is in trouble.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a request is repeated that came at a bad moment, and how often.
const RETRIES: Duration = Duration::from_secs(2);
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A manager's socket.
pub(super) struct Client {
    socket: PathBuf,
}

/// A status record, and the text that it was read from.
pub(super) struct Status {
    pub(super) record: StatusRecord,
    pub(super) raw: Vec<u8>,
}

/// What one attempt came to.
struct Attempt {
    /// The answer; `None`: nobody is there.
    answer: Option<Vec<u8>>,
    /// It came at a bad moment: ask again, and believe this only if that does not help.
    again: bool,
}

impl Client {
    pub(super) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// The manager's state; `None`: there is no manager.
    pub(super) fn status(&self) -> Result<Option<Status>, Failure> {
        let Some(raw) = self.ask_bytes(Request::Status)? else { return Ok(None) };
        match StatusRecord::parse(&raw) {
            Some(record) => Ok(Some(Status { record, raw })),
            None => Err(Failure::Nonsense(self.socket.clone())),
        }
    }

    /// The answer to `request`, without its newline; `None`: there is no manager.
    pub(super) fn ask(&self, request: Request) -> Result<Option<String>, Failure> {
        let answer = self.ask_bytes(request)?;
        Ok(answer.map(|bytes| String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()))
    }

    fn ask_bytes(&self, request: Request) -> Result<Option<Vec<u8>>, Failure> {
        let end = Instant::now() + RETRIES;
        loop {
            let attempt = self.attempt(request)?;
            if !attempt.again || Instant::now() >= end {
                return Ok(attempt.answer);
            }
            pause(RETRY_AFTER);
        }
    }

    fn attempt(&self, request: Request) -> Result<Attempt, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let stream = match connect(&self.socket, PATIENCE) {
            Ok(stream) => stream,
            Err(error) => return self.not_connected(error),
        };
        match exchange(stream, request, deadline) {
            Ok(bytes) if bytes.len() > MAX_REPLY => Err(Failure::Nonsense(self.socket.clone())),
            Ok(bytes) => {
                // Nothing at all is said by a manager that has just ended, and by design to reopen_transcript only.
                let nothing = bytes.is_empty() && request != Request::ReopenTranscript;
                let again = nothing || bytes == Reply::Refused(Refusal::Superseded).encode();
                Ok(Attempt { answer: Some(bytes), again })
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err(Failure::Silent),
                // A manager that ends with our request unread.
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    Ok(Attempt { answer: Some(Vec::new()), again: true })
                }
                _ => Err(Failure::Connect { path: self.socket.clone(), source: error }),
            },
        }
    }

    fn not_connected(&self, error: io::Error) -> Result<Attempt, Failure> {
        match error.kind() {
            io::ErrorKind::NotFound => Ok(Attempt { answer: None, again: false }),
            // A socket that nobody listens on: stale, unless it is so new that its maker may not have come to that.
            io::ErrorKind::ConnectionRefused => Ok(Attempt { answer: None, again: self.is_new() }),
            io::ErrorKind::TimedOut => Err(Failure::Silent),
            _ => Err(Failure::Connect { path: self.socket.clone(), source: error }),
        }
    }

    fn is_new(&self) -> bool {
        let made = std::fs::symlink_metadata(&self.socket).and_then(|found| found.modified());
        made.is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age < RETRIES))
    }
}

/// Sends the request and reads the reply, which is longer than allowed when it has one byte more.
fn exchange(mut stream: UnixStream, request: Request, deadline: Instant) -> io::Result<Vec<u8>> {
    stream.set_write_timeout(Some(remaining(deadline)?))?;
    stream.write_all(&request.encode())?;
    // A manager that has answered and gone needs no end of the request.
    let _ = stream.shutdown(Shutdown::Write);
    let mut reply = Vec::new();
    let mut chunk = [0; 4096];
    while reply.len() <= MAX_REPLY {
        stream.set_read_timeout(Some(remaining(deadline)?))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => reply.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A whole reply came, and then the server closed with bytes of ours unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset && !reply.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(reply)
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
