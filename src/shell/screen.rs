//! What our output can show: whether it is a terminal, how wide it is, and whether it may have colours.

use std::fmt;
use std::io::{self, IsTerminal as _};

use crate::sys::terminal;

/// The width of a terminal that does not tell it.
const USUAL: usize = 80;

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
pub(super) enum Tone {
    Good,
    Middling,
    Bad,
}

impl Screen {
    pub(super) fn of_stdout() -> Self {
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
    pub(super) fn paint(self, tone: Tone, text: impl fmt::Display) -> String {
        let colour = match tone {
            Tone::Good => 32,
            Tone::Middling => 33,
            Tone::Bad => 31,
        };
        if self.has_colours() { format!("\x1b[{colour}m{text}\x1b[m") } else { text.to_string() }
    }
}

/// How many columns our output has, where it is a terminal of any kind.
pub(super) fn columns() -> usize {
    terminal::columns(io::stdout()).unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_change_a_text() {
        assert_eq!(Screen::Plain.paint(Tone::Good, "x"), "x");
        assert_eq!(Screen::Terminal { colours: false }.paint(Tone::Bad, "x"), "x");
        assert_eq!(Screen::Terminal { colours: true }.paint(Tone::Middling, "x"), "\x1b[33mx\x1b[m");
    }
}
