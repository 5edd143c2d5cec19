//! Where an action's outcome is shown: lines on the standard output, and on a terminal colours and the progress of what
//! takes long.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use crate::config::{Flags, Settings};
use crate::sys::terminal;

use super::failure::Failure;

/// The width of a terminal whose own is not known.
const DEFAULT_COLUMNS: usize = 80;

/// After how long an action shows its progress: a start takes the start grace of one second.
const PROGRESS_DELAY: Duration = Duration::from_secs(2);
/// How often the progress is shown again.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What a session needs of the command line that it serves.
pub trait Host {
    /// Shows an error.
    fn report(&mut self, failure: &Failure);

    /// Reads the configuration again: as at the start, or with these options in place of those given then.
    ///
    /// # Errors
    /// [`Unchanged`] when it was wrong and the reason has been shown.
    fn reload(&mut self, options: &[OsString]) -> Result<(Settings, Flags), Unchanged>;
}

/// The configuration could not be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unchanged;

/// The output of a session.
pub(super) struct Ui<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) host: &'a mut dyn Host,
    pub(super) screen: Screen,
    /// Actions come from a shell, which goes on after a failure.
    pub(super) interactive: bool,
    /// That the manager runs another program has been said.
    pub(super) warned_of_other_program: bool,
    progress: Progress,
}

/// Where the standard output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    /// To a pipe, a file, or a terminal that only prints (`TERM=dumb`): nothing is taken back or painted there.
    Plain,
    /// To a terminal that can.
    Terminal {
        /// It may have colours (no-color.org).
        colours: bool,
    },
}

/// Whether a line is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Good,
    Warning,
    Bad,
}

/// A running action, for the line that shows how long it has taken.
struct Progress {
    what: &'static str,
    begun: Instant,
    /// How long it may take at most; `None`: there is no limit.
    limit: Option<Duration>,
    next: Instant,
    shown: bool,
}

impl Progress {
    fn begin(what: &'static str, limit: Option<Duration>) -> Self {
        let begun = Instant::now();
        Self { what, begun, limit, next: begun + PROGRESS_DELAY, shown: false }
    }
}

impl<'a> Ui<'a> {
    pub(super) fn new(out: &'a mut dyn Write, host: &'a mut dyn Host) -> Self {
        let progress = Progress::begin("", None);
        Self {
            out,
            host,
            screen: Screen::of_stdout(),
            interactive: false,
            warned_of_other_program: false,
            progress,
        }
    }

    /// Prints a line.
    pub(super) fn say(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        self.hide_progress()?;
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(Failure::Output)
    }

    /// An action begins that takes this long at most.
    pub(super) fn begin(&mut self, what: &'static str, limit: Option<Duration>) {
        self.progress = Progress::begin(what, limit);
    }

    /// How long the action has taken.
    pub(super) fn elapsed(&self) -> Duration {
        self.progress.begun.elapsed()
    }

    /// Shows how far the action is, if it is time for that; gives how long until it is the next time. Elsewhere than on a
    /// terminal nothing is shown.
    pub(super) fn show_progress(&mut self) -> Result<Duration, Failure> {
        let now = Instant::now();
        let progress = &mut self.progress;
        if now < progress.next {
            return Ok(progress.next.saturating_duration_since(now));
        }
        progress.next = now + PROGRESS_INTERVAL;
        let elapsed = now.saturating_duration_since(progress.begun);
        let remaining = progress.limit.map(|limit| limit.saturating_sub(elapsed));
        if self.screen.is_terminal()
            && let Some(line) = progress_line(progress.what, elapsed, remaining, columns())
        {
            progress.shown = true;
            write!(self.out, "\r{line}\x1b[K").and_then(|()| self.out.flush()).map_err(Failure::Output)?;
        }
        Ok(PROGRESS_INTERVAL)
    }

    /// Takes the line of progress back, so that what stays is the answer alone.
    pub(super) fn hide_progress(&mut self) -> Result<(), Failure> {
        if !std::mem::take(&mut self.progress.shown) {
            return Ok(());
        }
        write!(self.out, "\r\x1b[K").and_then(|()| self.out.flush()).map_err(Failure::Output)
    }
}

/// The longest of the texts that fits; the last column stays free, in which some terminals wrap.
fn progress_line(
    what: &str,
    elapsed: Duration,
    remaining: Option<Duration>,
    columns: usize,
) -> Option<String> {
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

impl Screen {
    fn of_stdout() -> Self {
        if !io::stdout().is_terminal() || terminal::is_dumb() {
            return Self::Plain;
        }
        Self::Terminal { colours: terminal::may_have_colours(&io::stdout()) }
    }

    pub(super) fn is_terminal(self) -> bool {
        self != Self::Plain
    }

    pub(super) fn has_colours(self) -> bool {
        self == Self::Terminal { colours: true }
    }

    /// The text, painted where there are colours.
    pub(super) fn paint(self, severity: Severity, text: impl fmt::Display) -> String {
        let colour = match severity {
            Severity::Good => 32,
            Severity::Warning => 33,
            Severity::Bad => 31,
        };
        if self.has_colours() { format!("\x1b[{colour}m{text}\x1b[m") } else { text.to_string() }
    }
}

/// How many columns our output has, where it is a terminal of any kind.
pub(super) fn columns() -> usize {
    terminal::columns(io::stdout()).unwrap_or(DEFAULT_COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_change_a_text() {
        assert_eq!(Screen::Plain.paint(Severity::Good, "x"), "x");
        assert_eq!(Screen::Terminal { colours: false }.paint(Severity::Bad, "x"), "x");
        assert_eq!(Screen::Terminal { colours: true }.paint(Severity::Warning, "x"), "\x1b[33mx\x1b[m");
    }

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
            let seen = progress_line("starting", Duration::from_millis(3900), remaining, columns);
            assert_eq!(seen.as_deref(), text, "{remaining:?} in {columns}");
        }
    }
}
