//! The manager's state, now and at each change, and waiting for what is to become of it: the one place where time passes.
//!
//! A manager sends its record at each change to one that watches. A peer, which cannot do that, is asked again and again.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::control::repr::quote_list;
use crate::control::{MAX_REPLY, Refusal, Reply, StatusRecord};
use crate::sys::interrupt;

use super::client::{Client, RESPONSE_TIMEOUT, RETRY_TIMEOUT};
use super::failure::Failure;
use super::ui::Ui;

/// How often something is looked at that does not report changes.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What to wait for before the next look: that the descriptor becomes readable, and this long at most.
pub(super) type Event<'a> = (Option<BorrowedFd<'a>>, Duration);

/// The manager's state; `None`: there is no manager. The first time, a manager of another program is warned about.
pub(super) fn record(client: &Client, ui: &mut Ui<'_>) -> Result<Option<StatusRecord>, Failure> {
    let record = client.status()?.map(|status| status.record);
    warn_of_other_program(client, ui, record.as_ref())?;
    Ok(record)
}

/// Extra words that an earlier start was given do not make it another program.
pub(super) fn warn_of_other_program(
    client: &Client,
    ui: &mut Ui<'_>,
    record: Option<&StatusRecord>,
) -> Result<(), Failure> {
    let Some(theirs) = record.and_then(|record| record.args.as_ref()) else { return Ok(()) };
    let ours = &client.runner().program;
    if ui.warned_of_other_program || ours.is_empty() || theirs.starts_with(ours) {
        return Ok(());
    }
    ui.warned_of_other_program = true;
    let (ours, theirs) = (quote_list(ours), quote_list(theirs));
    ui.say("WARNING! zdrun is managing a different program!")?;
    ui.say(format_args!("our program   = {ours}"))?;
    ui.say(format_args!("daemon's args = {theirs}"))
}

/// Looks again and again until there is something; `None`: not within `limit`. `event` says what to wait for in between.
pub(super) fn wait_for<S, T>(
    ui: &mut Ui<'_>,
    limit: Option<Duration>,
    subject: &mut S,
    event: impl Fn(&S) -> Event<'_>,
    mut look: impl FnMut(&mut Ui<'_>, &mut S) -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let found = loop {
        match look(ui, subject) {
            Ok(None) => {}
            found => break found,
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            break Ok(None);
        }
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
        let (descriptor, longest) = event(subject);
        let waited = ui.show_progress().and_then(|due| pause(descriptor, longest.min(left).min(due)));
        if let Err(failure) = waited {
            break Err(failure);
        }
    };
    ui.hide_progress()?;
    found
}

/// Lets time pass, less when the descriptor becomes readable.
///
/// # Errors
/// [`Failure::Interrupted`] where ^C is caught and came.
pub(super) fn pause(descriptor: Option<BorrowedFd<'_>>, time: Duration) -> Result<(), Failure> {
    // Should it fail, the next look says why.
    let _ = interrupt::readable_or_caught(descriptor, time);
    if interrupt::take() { Err(Failure::Interrupted) } else { Ok(()) }
}

/// From here on ^C ends a wait, and not this process.
pub(super) fn catch_interrupt() -> Result<(), Failure> {
    interrupt::catch().map_err(|source| Failure::System { what: "cannot catch interrupts", source })
}

/// Has `judge` look at the manager's state, now and after each change, in order, until it has found what it is after;
/// `None`: not within `limit`. Its argument is `None` where there is no manager.
pub(super) fn watch<T>(
    client: &Client,
    ui: &mut Ui<'_>,
    limit: Option<Duration>,
    judge: impl FnMut(Option<&StatusRecord>) -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    watch_on(&mut Watcher::new(client), ui, limit, judge)
}

/// As [`watch`], and goes on where an earlier call left off.
pub(super) fn watch_on<T>(
    watcher: &mut Watcher<'_>,
    ui: &mut Ui<'_>,
    limit: Option<Duration>,
    mut judge: impl FnMut(Option<&StatusRecord>) -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    // One update at a time, so that no flood of them keeps the limit or ^C out.
    wait_for(ui, limit, watcher, Watcher::event, |ui, watcher| match watcher.update()? {
        Update::None => Ok(None),
        Update::State(record) => {
            warn_of_other_program(watcher.client, ui, Some(&record))?;
            judge(Some(&record))
        }
        Update::NoManager => judge(None),
    })
}

/// What has become of the manager since the last look.
enum Update {
    /// Nothing.
    None,
    /// This is its state, or was: there may be a later one.
    State(Box<StatusRecord>),
    /// There is none.
    NoManager,
}

/// A manager that is watched.
pub(super) struct Watcher<'a> {
    client: &'a Client,
    source: Source,
    /// Since when connecting has brought no record.
    failing_since: Option<Instant>,
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
    has_reported: bool,
}

impl<'a> Watcher<'a> {
    /// Begins with the state of the moment.
    pub(super) fn new(client: &'a Client) -> Self {
        Self { client, source: Source::Closed, failing_since: None }
    }

    /// What announces the next update.
    fn event(&self) -> Event<'_> {
        match &self.source {
            Source::Stream(stream) if stream.end_of_record().is_some() => (None, Duration::ZERO),
            Source::Stream(stream) if stream.has_reported => (Some(stream.socket.as_fd()), Duration::MAX),
            Source::Stream(stream) => (Some(stream.socket.as_fd()), POLL_INTERVAL),
            Source::Closed | Source::Asked => (None, POLL_INTERVAL),
        }
    }

    fn update(&mut self) -> Result<Update, Failure> {
        let stream = match &mut self.source {
            Source::Stream(stream) => stream,
            Source::Closed => return self.open(),
            Source::Asked => return self.ask(),
        };
        let ended = stream.read();
        if let Some(text) = stream.next_record() {
            let record = StatusRecord::parse(&text).ok_or_else(|| self.client.invalid_reply())?;
            (stream.has_reported, self.failing_since) = (true, None);
            return Ok(Update::State(Box::new(record)));
        }
        if ended {
            return self.go_on_after_end();
        }
        if stream.received.len() > MAX_REPLY {
            return Err(self.client.invalid_reply());
        }
        if !stream.has_reported && stream.opened.elapsed() > RESPONSE_TIMEOUT {
            return Err(Failure::NoResponse(RESPONSE_TIMEOUT));
        }
        Ok(Update::None)
    }

    fn open(&mut self) -> Result<Update, Failure> {
        let Some(socket) = self.client.watch()? else { return Ok(Update::NoManager) };
        let (received, opened, has_reported) = (Vec::new(), Instant::now(), false);
        self.source = Source::Stream(Stream { socket, received, opened, has_reported });
        Ok(Update::None)
    }

    fn ask(&self) -> Result<Update, Failure> {
        Ok(self.client.status()?.map_or(Update::NoManager, |status| Update::State(Box::new(status.record))))
    }

    /// A stream ends with its manager, or when another binary takes the manager's place, or when too many watch.
    fn go_on_after_end(&mut self) -> Result<Update, Failure> {
        let Source::Stream(Stream { received, has_reported, .. }) =
            std::mem::replace(&mut self.source, Source::Closed)
        else {
            return Ok(Update::None);
        };
        let reply = Reply::parse(&String::from_utf8_lossy(&received));
        if matches!(reply, Some(Reply::Refused(Refusal::Unknown(_)))) {
            self.source = Source::Asked;
            return self.ask();
        }
        if has_reported && received.is_empty() {
            return self.open();
        }
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        // One that ends the stream without a word is being replaced, perhaps several times.
        let limit = if received.is_empty() { RESPONSE_TIMEOUT } else { RETRY_TIMEOUT };
        if since.elapsed() > limit { Err(self.client.invalid_reply()) } else { Ok(Update::None) }
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
