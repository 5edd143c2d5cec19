//! Asking the daemon manager.
//!
//! Each request is a connection of its own. Every step is limited in time and size, so that no server behind the socket,
//! whatever it does, can hold the person up. What a manager says while it comes or goes is asked for again.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::control::{MAX_REPLY, Refusal, Reply, Request, StatusRecord};
use crate::sys::interrupt::{Interrupt, pause};
use crate::sys::unix_stream::connect_unless;

use super::failure::Failure;

/// How long a manager may take for one answer; it answers at once unless it, or the machine, is in trouble.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a request is repeated that came at a bad moment, how often, and how many times at least: on a busy machine
/// the time may be over with the first.
pub(super) const RETRIES: Duration = Duration::from_secs(2);
const RETRY_AFTER: Duration = Duration::from_millis(50);
const LEAST_TRIES: u32 = 8;

/// How much of a reply is read at once; a status record fits.
const READ_SIZE: usize = 4096;

/// A manager's socket.
pub(super) struct Client {
    socket: PathBuf,
    interrupt: Option<Interrupt>,
}

/// A status record, and the text that it was read from.
pub(super) struct Status {
    pub(super) record: StatusRecord,
    pub(super) text: String,
}

/// What came back.
struct Answer {
    text: String,
    /// `None`: the text is no reply.
    reply: Option<Reply>,
}

/// What one attempt came to.
struct Attempt {
    /// The answer; `None`: nobody is there.
    answer: Option<Answer>,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It can be believed.
    Final,
    /// It came at a bad moment and was not carried out: ask again, and believe this only if that does not help.
    Missed,
    /// It was read, and then nothing came: it may have been carried out.
    Unanswered,
}

/// What came of connecting.
enum Reached {
    Manager(UnixStream),
    Nobody,
    /// A socket that is so new that its maker may not listen yet.
    NotYet,
}

impl Client {
    /// Where `interrupt` is given, ^C ends whatever is waited for.
    pub(super) fn new(socket: &Path, interrupt: Option<Interrupt>) -> Self {
        Self { socket: socket.to_owned(), interrupt }
    }

    /// The manager's state; `None`: there is no manager.
    pub(super) fn status(&self) -> Result<Option<Status>, Failure> {
        let Some(Answer { text, reply }) = self.repeat(Request::Status)? else { return Ok(None) };
        match reply {
            Some(Reply::Status(record)) => Ok(Some(Status { record: *record, text })),
            _ => Err(self.invalid_reply()),
        }
    }

    /// The reply to `request`; `None`: there is no manager.
    ///
    /// # Errors
    /// [`Failure::Unanswered`] where the request may have been carried out, and is none that can be made twice.
    pub(super) fn ask(&self, request: Request) -> Result<Option<Reply>, Failure> {
        let Some(Answer { text, reply }) = self.repeat(request)? else { return Ok(None) };
        if text.is_empty() && request != Request::ReopenTranscript {
            return Err(Failure::Unanswered(request.to_string()));
        }
        let unknown = || Failure::refused(request, &text.lines().next().unwrap_or_default());
        reply.map(Some).ok_or_else(unknown)
    }

    /// Asks to be told of each change; `None`: there is no manager.
    pub(super) fn watch(&self) -> Result<Option<UnixStream>, Failure> {
        let failed = |source| Failure::Connect { path: self.socket.clone(), source };
        let end = Instant::now() + RETRIES;
        loop {
            match self.reach()? {
                Reached::Manager(mut stream) => {
                    stream.set_write_timeout(Some(RESPONSE_TIMEOUT)).map_err(failed)?;
                    // One that has gone in the meantime is found out by whoever reads.
                    let _ = stream.write_all(&Request::Watch.encode());
                    stream.set_nonblocking(true).map_err(failed)?;
                    return Ok(Some(stream));
                }
                Reached::NotYet if Instant::now() < end => pause(RETRY_AFTER),
                Reached::Nobody | Reached::NotYet => return Ok(None),
            }
        }
    }

    /// What is wrong with a socket behind which something else than a manager answers.
    pub(super) fn invalid_reply(&self) -> Failure {
        Failure::InvalidReply(self.socket.clone())
    }

    fn repeat(&self, request: Request) -> Result<Option<Answer>, Failure> {
        let end = Instant::now() + RETRIES;
        let mut tries = 0;
        loop {
            tries += 1;
            let Attempt { answer, outcome } = self.attempt(request)?;
            let again = match outcome {
                Outcome::Final => false,
                Outcome::Missed => true,
                Outcome::Unanswered => may_be_made_twice(request),
            };
            if !again || tries >= LEAST_TRIES && Instant::now() >= end {
                return Ok(answer);
            }
            pause(RETRY_AFTER);
            if self.is_interrupted() {
                return Err(Failure::Interrupted);
            }
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.as_ref().is_some_and(Interrupt::take)
    }

    fn attempt(&self, request: Request) -> Result<Attempt, Failure> {
        let deadline = Instant::now() + RESPONSE_TIMEOUT;
        let stream = match self.reach()? {
            Reached::Manager(stream) => stream,
            Reached::Nobody => return Ok(Attempt { answer: None, outcome: Outcome::Final }),
            Reached::NotYet => return Ok(Attempt { answer: None, outcome: Outcome::Missed }),
        };
        match self.exchange(stream, request, deadline) {
            Ok(bytes) if bytes.len() > MAX_REPLY => Err(self.invalid_reply()),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let reply = Reply::parse(&text);
                let outcome = match reply {
                    // Nothing at all is said by a manager that has just ended, and by design to reopen_transcript only.
                    Some(Reply::TranscriptReopened) if request != Request::ReopenTranscript => {
                        Outcome::Unanswered
                    }
                    Some(Reply::Refused(Refusal::Superseded)) => Outcome::Missed,
                    _ => Outcome::Final,
                };
                Ok(Attempt { answer: Some(Answer { text, reply }), outcome })
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    Err(Failure::NoResponse(RESPONSE_TIMEOUT))
                }
                io::ErrorKind::Interrupted => Err(Failure::Interrupted),
                // A manager that ends with our request unread.
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    let nothing = Answer { text: String::new(), reply: None };
                    Ok(Attempt { answer: Some(nothing), outcome: Outcome::Missed })
                }
                _ => Err(Failure::Connect { path: self.socket.clone(), source: error }),
            },
        }
    }

    /// Sends the request and reads the reply, which is longer than allowed when it has one byte more.
    fn exchange(&self, mut stream: UnixStream, request: Request, deadline: Instant) -> io::Result<Vec<u8>> {
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        stream.write_all(&request.encode())?;
        // A manager that has answered and gone needs no end of the request.
        let _ = stream.shutdown(Shutdown::Write);
        let (mut reply, mut chunk) = (Vec::new(), [0; READ_SIZE]);
        while reply.len() <= MAX_REPLY {
            let left = remaining(deadline)?;
            stream.set_read_timeout(Some(left))?;
            if let Some(interrupt) = &self.interrupt
                && !interrupt.readable(Some(stream.as_fd()), left)?
            {
                if interrupt.take() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                continue;
            }
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => reply.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted && !self.is_interrupted() => {}
                // A whole reply came, and then the server closed with bytes of ours unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset && !reply.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(reply)
    }

    fn reach(&self) -> Result<Reached, Failure> {
        let error = match connect_unless(&self.socket, RESPONSE_TIMEOUT, || self.is_interrupted()) {
            Ok(stream) => return Ok(Reached::Manager(stream)),
            Err(error) => error,
        };
        match error.kind() {
            // A socket that nobody listens on: stale, unless it is so new that its maker may not have come to that.
            io::ErrorKind::ConnectionRefused if self.is_new() => Ok(Reached::NotYet),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(Reached::Nobody),
            io::ErrorKind::TimedOut => Err(Failure::NoResponse(RESPONSE_TIMEOUT)),
            io::ErrorKind::Interrupted => Err(Failure::Interrupted),
            _ => Err(Failure::Connect { path: self.socket.clone(), source: error }),
        }
    }

    fn is_new(&self) -> bool {
        let made = std::fs::symlink_metadata(&self.socket).and_then(|found| found.modified());
        made.is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age < RETRIES))
    }
}

/// Whether a second time changes nothing that the first one has not.
fn may_be_made_twice(request: Request) -> bool {
    !matches!(request, Request::Kill(_) | Request::Restart | Request::Reexec)
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
