//! The server that is controlled, and requests to its daemon manager.
//!
//! Each request is a connection of its own. Every step is limited in time and size, so that nothing behind the socket,
//! whatever it does, can block an action for longer. A request that meets a manager as it comes or goes is repeated.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::config::{Flags, Runner, Settings};
use crate::control::{MAX_REPLY, Refusal, Reply, Request, StatusRecord};
use crate::sys::interrupt;
use crate::sys::unix_stream::connect_unless;

use super::failure::Failure;

/// How long a manager may take for one answer; it answers at once unless it, or the machine, is in trouble.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a request is repeated that came at a bad moment, how often, and how many times at least: on a busy machine
/// the time may be over with the first.
pub(super) const RETRY_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
const MIN_TRIES: u32 = 8;

/// How much of a reply is read at once; a status record fits.
const READ_SIZE: usize = 4096;

/// The server that is controlled.
pub(super) struct Client {
    pub(super) settings: Settings,
    /// The options that the settings come from, which a new manager gets too.
    pub(super) flags: Flags,
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

/// What came of connecting.
enum Reached {
    Manager(UnixStream),
    NoManager,
    /// A socket that is so new that its maker may not listen yet.
    NotYet,
}

impl Client {
    pub(super) fn runner(&self) -> &Runner {
        &self.settings.runner
    }

    fn socket(&self) -> &Path {
        &self.settings.runner.socket_name
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

    /// A connection on which the manager sends its record now and after each change; `None`: there is no manager.
    pub(super) fn watch(&self) -> Result<Option<UnixStream>, Failure> {
        let failed = |source| Failure::Connect { path: self.socket().to_owned(), source };
        let end = Instant::now() + RETRY_TIMEOUT;
        loop {
            match self.reach()? {
                Reached::Manager(mut stream) => {
                    stream.set_write_timeout(Some(RESPONSE_TIMEOUT)).map_err(failed)?;
                    // If it has gone in the meantime, the first read says so.
                    let _ = stream.write_all(&Request::Watch.encode());
                    stream.set_nonblocking(true).map_err(failed)?;
                    return Ok(Some(stream));
                }
                Reached::NotYet if Instant::now() < end => interrupt::pause(RETRY_INTERVAL),
                Reached::NoManager | Reached::NotYet => return Ok(None),
            }
        }
    }

    /// The failure of a socket behind which something else than a manager answers.
    pub(super) fn invalid_reply(&self) -> Failure {
        Failure::InvalidReply(self.socket().to_owned())
    }

    fn repeat(&self, request: Request) -> Result<Option<Answer>, Failure> {
        let end = Instant::now() + RETRY_TIMEOUT;
        let mut tries = 0;
        loop {
            tries += 1;
            let (answer, again) = self.attempt(request)?;
            if !again || tries >= MIN_TRIES && Instant::now() >= end {
                return Ok(answer);
            }
            interrupt::pause(RETRY_INTERVAL);
            if interrupt::take() {
                return Err(Failure::Interrupted);
            }
        }
    }

    /// One attempt: the answer, `None` where there is no manager; and whether it came at a bad moment, so that the request
    /// is to be made again, and the answer to be believed only if that does not help.
    fn attempt(&self, request: Request) -> Result<(Option<Answer>, bool), Failure> {
        let deadline = Instant::now() + RESPONSE_TIMEOUT;
        let stream = match self.reach()? {
            Reached::Manager(stream) => stream,
            Reached::NoManager => return Ok((None, false)),
            Reached::NotYet => return Ok((None, true)),
        };
        match Self::exchange(stream, request, deadline) {
            Ok(bytes) if bytes.len() > MAX_REPLY => Err(self.invalid_reply()),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let reply = Reply::parse(&text);
                let again = match reply {
                    // An empty answer is that of a manager that has just ended, and may have carried out the request.
                    Some(Reply::TranscriptReopened) if request != Request::ReopenTranscript => {
                        may_be_made_twice(request)
                    }
                    Some(Reply::Refused(Refusal::Superseded)) => true,
                    _ => false,
                };
                Ok((Some(Answer { text, reply }), again))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    Err(Failure::NoResponse(RESPONSE_TIMEOUT))
                }
                io::ErrorKind::Interrupted => Err(Failure::Interrupted),
                // A manager that ends with our request unread.
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    Ok((Some(Answer { text: String::new(), reply: None }), true))
                }
                _ => Err(Failure::Connect { path: self.socket().to_owned(), source: error }),
            },
        }
    }

    /// Sends the request and reads the reply, which is longer than allowed when it has one byte more.
    fn exchange(mut stream: UnixStream, request: Request, deadline: Instant) -> io::Result<Vec<u8>> {
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        stream.write_all(&request.encode())?;
        // A manager that has answered and gone needs no end of the request.
        let _ = stream.shutdown(Shutdown::Write);
        let (mut reply, mut chunk) = (Vec::new(), [0; READ_SIZE]);
        while reply.len() <= MAX_REPLY {
            if !interrupt::readable_or_caught(Some(stream.as_fd()), remaining(deadline)?)? {
                if interrupt::take() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                continue;
            }
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => reply.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted && !interrupt::take() => {}
                // A whole reply came, and then the server closed with bytes of ours unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset && !reply.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(reply)
    }

    fn reach(&self) -> Result<Reached, Failure> {
        let error = match connect_unless(self.socket(), RESPONSE_TIMEOUT, interrupt::take) {
            Ok(stream) => return Ok(Reached::Manager(stream)),
            Err(error) => error,
        };
        match error.kind() {
            // Nothing listens on the socket: it is stale, unless it is so new that its maker may not listen yet.
            io::ErrorKind::ConnectionRefused if self.is_new() => Ok(Reached::NotYet),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(Reached::NoManager),
            io::ErrorKind::TimedOut => Err(Failure::NoResponse(RESPONSE_TIMEOUT)),
            io::ErrorKind::Interrupted => Err(Failure::Interrupted),
            _ => Err(Failure::Connect { path: self.socket().to_owned(), source: error }),
        }
    }

    fn is_new(&self) -> bool {
        let made = std::fs::symlink_metadata(self.socket()).and_then(|found| found.modified());
        made.is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age < RETRY_TIMEOUT))
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
