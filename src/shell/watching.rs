//! Watching the manager: the records that it sends at each change. One that cannot do that, a peer, is asked
//! again and again.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::control::{MAX_REPLY, Refusal, Reply, StatusRecord};

use super::client::{Client, RESPONSE_TIMEOUT, RETRIES};
use super::waiting::POLL;
use super::{Failure, Session};

/// What has become of the manager since the last look.
enum News {
    /// Nothing.
    None,
    /// This is its state, or was: there may be a later one.
    State(Box<StatusRecord>),
    /// There is none.
    NoManager,
}

/// A manager that is watched.
pub(super) struct Watching {
    client: Client,
    source: Source,
    /// Since when nothing sensible has come of connecting.
    fruitless: Option<Instant>,
}

enum Source {
    /// Not connected, or not any more.
    Closed,
    Stream(Stream),
    /// It does not know `watch`.
    Asked,
}

/// Records, each followed by an empty line.
struct Stream {
    socket: UnixStream,
    received: Vec<u8>,
    opened: Instant,
    /// A record has come.
    heard: bool,
}

impl Session<'_> {
    /// Has `judge` look at the manager's state, now and after each change, in order, until it has found what it is after;
    /// `None`: not within `limit`. Its argument is `None` where there is no manager.
    pub(super) fn watch<T>(
        &mut self,
        limit: Option<Duration>,
        judge: impl FnMut(&mut Self, Option<&StatusRecord>) -> Result<Option<T>, Failure>,
    ) -> Result<Option<T>, Failure> {
        let mut watching = Watching::begin(self.client());
        self.watch_on(&mut watching, limit, judge)
    }

    /// As [`Session::watch`], and goes on where an earlier call left off.
    pub(super) fn watch_on<T>(
        &mut self,
        watching: &mut Watching,
        limit: Option<Duration>,
        mut judge: impl FnMut(&mut Self, Option<&StatusRecord>) -> Result<Option<T>, Failure>,
    ) -> Result<Option<T>, Failure> {
        // One piece of news at a time, so that no flood of it keeps the limit or ^C out.
        self.wait_on(limit, watching, Watching::event, |session, watching| match watching.news()? {
            News::None => Ok(None),
            News::State(record) => {
                session.warn_of_other_program(Some(&record))?;
                judge(session, Some(&record))
            }
            News::NoManager => judge(session, None),
        })
    }
}

impl Watching {
    /// Begins with the state of the moment.
    pub(super) fn begin(client: Client) -> Self {
        Self { client, source: Source::Closed, fruitless: None }
    }

    /// What tells of news, and how long to wait for that at most.
    fn event(&self) -> (Option<BorrowedFd<'_>>, Duration) {
        match &self.source {
            Source::Stream(stream) if stream.end_of_record().is_some() => (None, Duration::ZERO),
            Source::Stream(stream) if stream.heard => (Some(stream.socket.as_fd()), Duration::MAX),
            Source::Stream(stream) => (Some(stream.socket.as_fd()), POLL),
            Source::Closed | Source::Asked => (None, POLL),
        }
    }

    fn news(&mut self) -> Result<News, Failure> {
        let stream = match &mut self.source {
            Source::Stream(stream) => stream,
            Source::Closed => return self.open(),
            Source::Asked => return self.ask(),
        };
        let ended = stream.read();
        if let Some(text) = stream.next_record() {
            let record = StatusRecord::parse(&text).ok_or_else(|| self.client.invalid_reply())?;
            (stream.heard, self.fruitless) = (true, None);
            return Ok(News::State(Box::new(record)));
        }
        if ended {
            return self.go_on_after_end();
        }
        if stream.received.len() > MAX_REPLY {
            return Err(self.client.invalid_reply());
        }
        if !stream.heard && stream.opened.elapsed() > RESPONSE_TIMEOUT {
            return Err(Failure::NoResponse(RESPONSE_TIMEOUT));
        }
        Ok(News::None)
    }

    fn open(&mut self) -> Result<News, Failure> {
        let Some(socket) = self.client.watch()? else { return Ok(News::NoManager) };
        let (received, opened, heard) = (Vec::new(), Instant::now(), false);
        self.source = Source::Stream(Stream { socket, received, opened, heard });
        Ok(News::None)
    }

    fn ask(&self) -> Result<News, Failure> {
        Ok(self.client.status()?.map_or(News::NoManager, |status| News::State(Box::new(status.record))))
    }

    /// A stream ends with its manager, or when another binary takes the manager's place, or when too many watch.
    fn go_on_after_end(&mut self) -> Result<News, Failure> {
        let Source::Stream(Stream { received, heard, .. }) =
            std::mem::replace(&mut self.source, Source::Closed)
        else {
            return Ok(News::None);
        };
        let reply = Reply::parse(&String::from_utf8_lossy(&received));
        if matches!(reply, Some(Reply::Refused(Refusal::Unknown(_)))) {
            self.source = Source::Asked;
            return self.ask();
        }
        if heard && received.is_empty() {
            return self.open();
        }
        let since = *self.fruitless.get_or_insert_with(Instant::now);
        if since.elapsed() > RETRIES { Err(self.client.invalid_reply()) } else { Ok(News::None) }
    }
}

impl Stream {
    /// Takes in what has come, not much more than one record may have. True: no more will.
    fn read(&mut self) -> bool {
        let mut chunk = [0; 4096];
        while self.received.len() <= MAX_REPLY {
            match self.socket.read(&mut chunk) {
                Ok(0) => return true,
                Ok(length) => self.received.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Reset: a manager that ends without having read the request.
                Err(_) => return true,
            }
        }
        false
    }

    fn next_record(&mut self) -> Option<Vec<u8>> {
        let end = self.end_of_record()?;
        Some(self.received.drain(..end).collect())
    }

    fn end_of_record(&self) -> Option<usize> {
        self.received.windows(2).position(|two| two == b"\n\n").map(|last| last + 2)
    }
}
