//! The line by which a person at a terminal sees that a long action goes on, and for how long. It is taken back before
//! anything else is printed, so that what stays is the answer alone; elsewhere than on a terminal there is none.

use std::time::{Duration, Instant};

use super::action::Action;
use super::{Failure, Session, screen};

/// What is usual is quick: a start takes the start grace of one second.
const FIRST: Duration = Duration::from_secs(2);

/// The clock on the line moves so often.
const STEP: Duration = Duration::from_secs(1);

/// An action on its way.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    begun: Instant,
    /// How long it may take at most; `None`: nobody knows.
    limit: Option<Duration>,
    next: Instant,
    shown: bool,
}

impl Progress {
    pub(super) fn begin(what: &'static str, limit: Option<Duration>) -> Self {
        let begun = Instant::now();
        Self { what, begun, limit, next: begun + FIRST, shown: false }
    }

    /// How long until there is something new to show.
    pub(super) fn due_in(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }
}

impl Session<'_> {
    /// Notes that this action begins now.
    pub(super) fn begin(&mut self, action: &Action) {
        let runner = &self.settings.runner;
        let starting = runner.start_timeout;
        // Without a stop-timeout the program has all the time that it wants.
        let stopping = (!runner.stop_timeout.is_zero()).then_some(runner.stop_timeout);
        let (what, limit) = match action {
            Action::Start(_) => ("starting", Some(starting)),
            Action::Stop => ("stopping", stopping),
            Action::Restart | Action::TryRestart => {
                ("restarting", stopping.map(|stopping| stopping.saturating_add(starting)))
            }
            _ => ("waiting", None),
        };
        self.progress = Progress::begin(what, limit);
    }

    /// Shows how far the action is, when it is time for that.
    pub(super) fn show_progress(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if now < self.progress.next {
            return Ok(());
        }
        self.progress.next = now + STEP;
        if !self.screen.is_terminal() {
            return Ok(());
        }
        let elapsed = now.saturating_duration_since(self.progress.begun);
        let remaining = self.progress.limit.map(|limit| limit.saturating_sub(elapsed));
        let Some(line) = line(self.progress.what, elapsed, remaining, screen::columns()) else {
            return Ok(());
        };
        self.progress.shown = true;
        write!(self.out, "\r{line}\x1b[K").and_then(|()| self.out.flush()).map_err(Failure::Output)
    }

    /// Takes the line back.
    pub(super) fn hide_progress(&mut self) -> Result<(), Failure> {
        if !std::mem::take(&mut self.progress.shown) {
            return Ok(());
        }
        write!(self.out, "\r\x1b[K").and_then(|()| self.out.flush()).map_err(Failure::Output)
    }
}

/// The longest of the texts that fits; the last column stays free, in which some terminals wrap.
fn line(what: &str, elapsed: Duration, remaining: Option<Duration>, columns: usize) -> Option<String> {
    let elapsed = elapsed.as_secs();
    let mut texts = vec![format!("{what}: {elapsed} s elapsed"), format!("{elapsed} s")];
    if let Some(remaining) = remaining.map(|remaining| remaining.as_secs()) {
        texts = vec![
            format!("{what}: {elapsed} s elapsed, {remaining} s remaining"),
            format!("{elapsed} s, {remaining} s left"),
            format!("{elapsed} s"),
        ];
    }
    texts.into_iter().find(|text| text.len() < columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_as_long_as_the_window_allows() {
        for (remaining, columns, text) in [
            (Some(297), 80, Some("starting: 3 s elapsed, 297 s remaining")),
            (Some(297), 39, Some("starting: 3 s elapsed, 297 s remaining")),
            (Some(297), 38, Some("3 s, 297 s left")),
            (Some(297), 20, Some("3 s, 297 s left")),
            (Some(297), 9, Some("3 s")),
            (None, 80, Some("starting: 3 s elapsed")),
            (None, 20, Some("3 s")),
            (None, 2, None),
        ] {
            let remaining = remaining.map(Duration::from_secs);
            let seen = line("starting", Duration::from_millis(3900), remaining, columns);
            assert_eq!(seen.as_deref(), text, "{remaining:?} in {columns}");
        }
    }
}
