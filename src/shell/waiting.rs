//! Waiting for the manager to do what it was asked: the one place where time passes.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::sys::interrupt::{Interrupt, pause, readable};

use super::{Failure, Session};

/// How often something is looked at that does not report changes.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// What is usual is quick: a start takes the start grace of one second.
const FIRST_DOT: Duration = Duration::from_secs(2);

/// A dot for every second after that, so that a person sees that something goes on; none for what is quick.
const DOT: Duration = Duration::from_secs(1);

/// One wait.
struct Waiting {
    deadline: Option<Instant>,
    next_dot: Instant,
    dotted: bool,
}

impl Waiting {
    /// Begins a wait of at most this long; `None`: for ever.
    fn begin(limit: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            deadline: limit.and_then(|limit| now.checked_add(limit)),
            next_dot: now + FIRST_DOT,
            dotted: false,
        }
    }

    /// Lets some time pass, `longest` at most, less when `event` becomes readable. False: the wait has been too long.
    fn tick(
        &mut self,
        session: &mut Session<'_>,
        (event, longest): (Option<BorrowedFd<'_>>, Duration),
    ) -> Result<bool, Failure> {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Ok(false);
        }
        if now >= self.next_dot {
            self.next_dot = now + DOT;
            self.dotted = true;
            write!(session.out, ". ").and_then(|()| session.out.flush()).map_err(Failure::Output)?;
        }
        let due = self.deadline.map_or(self.next_dot, |deadline| deadline.min(self.next_dot));
        session.rest(longest.min(due.saturating_duration_since(now)), event)?;
        Ok(true)
    }

    /// Ends the line of dots, where what follows does not belong on it.
    fn end_line(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        if std::mem::take(&mut self.dotted) { session.say("") } else { Ok(()) }
    }
}

impl Session<'_> {
    /// Looks again and again until there is something; `None`: not within `limit`. It looks at once when the descriptor
    /// that `event` gives becomes readable, and after the time that it gives at the latest. A message that follows
    /// something goes on the line of the dots.
    pub(super) fn wait_on<S, T>(
        &mut self,
        limit: Option<Duration>,
        subject: &mut S,
        event: impl Fn(&S) -> (Option<BorrowedFd<'_>>, Duration),
        mut look: impl FnMut(&mut Self, &mut S) -> Result<Option<T>, Failure>,
    ) -> Result<Option<T>, Failure> {
        let mut waiting = Waiting::begin(limit);
        loop {
            let step = match look(self, subject) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => waiting.tick(self, event(subject)),
                Err(failure) => Err(failure),
            };
            if !matches!(step, Ok(true)) {
                // After ^C whoever tells of it ends the line.
                if !matches!(step, Err(Failure::Interrupted)) {
                    waiting.end_line(self)?;
                }
                return step.map(|_| None);
            }
        }
    }

    /// Lets time pass, less when `event` becomes readable.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] where ^C is caught and came.
    pub(super) fn rest(&self, time: Duration, event: Option<BorrowedFd<'_>>) -> Result<(), Failure> {
        match event {
            // Should it fail, the next look says why.
            Some(event) => drop(readable(event, time)),
            None => pause(time),
        }
        if self.interrupt.as_ref().is_some_and(Interrupt::take) { Err(Failure::Interrupted) } else { Ok(()) }
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
