//! The reading position in a file.

use std::sync::Arc;

use super::problem::Location;
use super::source::Source;

/// A file that is being read.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) source: Arc<Source>,
    pub(super) text: Arc<String>,
    /// Where the next line begins.
    pub(super) next: usize,
    pub(super) line: u32,
    /// Number of sections that were open when it began, which it must not end.
    pub(super) base: usize,
}

impl OpenFile {
    /// The next line's place in the text.
    pub(super) fn next_line(&mut self) -> Option<(usize, usize)> {
        let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
        let start = self.next;
        let length = rest.find('\n').unwrap_or(rest.len());
        self.next = start + length + 1;
        self.line = self.line.saturating_add(1);
        Some((start, start + length))
    }

    /// The line that was read last.
    pub(super) fn here(&self) -> Location {
        Location::Line(Arc::clone(&self.source), self.line)
    }
}
