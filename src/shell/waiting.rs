//! Waiting for the manager to do what it was asked: the one place where time passes.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::sys::interrupt::{Interrupt, pause, readable};

use super::{Failure, Session};

/// How often something is looked at that does not report changes.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// One wait.
struct Waiting {
    deadline: Option<Instant>,
}

impl Waiting {
    /// Begins a wait of at most this long; `None`: for ever.
    fn begin(limit: Option<Duration>) -> Self {
        Self { deadline: limit.and_then(|limit| Instant::now().checked_add(limit)) }
    }

    /// Lets some time pass, `longest` at most, less when `event` becomes readable. False: the wait has been too long.
    fn tick(
        &self,
        session: &mut Session<'_>,
        (event, longest): (Option<BorrowedFd<'_>>, Duration),
    ) -> Result<bool, Failure> {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Ok(false);
        }
        session.show_progress()?;
        let due =
            self.deadline.map_or(longest, |deadline| deadline.saturating_duration_since(now).min(longest));
        session.rest(due.min(session.progress.due_in(now)), event)?;
        Ok(true)
    }
}

impl Session<'_> {
    /// Looks again and again until there is something; `None`: not within `limit`. It looks at once when the descriptor
    /// that `event` gives becomes readable, and after the time that it gives at the latest.
    pub(super) fn wait_on<S, T>(
        &mut self,
        limit: Option<Duration>,
        subject: &mut S,
        event: impl Fn(&S) -> (Option<BorrowedFd<'_>>, Duration),
        mut look: impl FnMut(&mut Self, &mut S) -> Result<Option<T>, Failure>,
    ) -> Result<Option<T>, Failure> {
        let waiting = Waiting::begin(limit);
        let ended = loop {
            let step = match look(self, subject) {
                Ok(Some(found)) => break Ok(Some(found)),
                Ok(None) => waiting.tick(self, event(subject)),
                Err(failure) => Err(failure),
            };
            if !matches!(step, Ok(true)) {
                break step.map(|_| None);
            }
        };
        self.hide_progress()?;
        ended
    }

    /// Lets time pass, less when `event` becomes readable.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] where ^C is caught and came.
    pub(super) fn rest(&self, time: Duration, event: Option<BorrowedFd<'_>>) -> Result<(), Failure> {
        // Should it fail, the next look says why.
        let _ = self.readable(event, time);
        if self.interrupt.as_ref().is_some_and(Interrupt::take) { Err(Failure::Interrupted) } else { Ok(()) }
    }

    /// Waits until `event` can be read: true; or for so long, or for ^C where that is caught: false.
    ///
    /// # Errors
    /// None is expected.
    pub(super) fn readable(&self, event: Option<BorrowedFd<'_>>, time: Duration) -> io::Result<bool> {
        match (&self.interrupt, event) {
            (Some(interrupt), event) => interrupt.readable(event, time),
            (None, Some(event)) => readable(event, time),
            (None, None) => {
                pause(time);
                Ok(false)
            }
        }
    }

    /// From here on ^C ends a wait, and not this process.
    pub(super) fn catch_interrupt(&mut self) -> Result<&Interrupt, Failure> {
        let caught = match self.interrupt.take() {
            Some(caught) => caught,
            None => Interrupt::catch()
                .map_err(|source| Failure::System { what: "cannot catch interrupts", source })?,
        };
        Ok(self.interrupt.insert(caught))
    }
}
