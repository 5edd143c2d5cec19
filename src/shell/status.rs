//! `status`: whether the program runs. The lines are cut apart by scripts and never change.

use crate::control::StatusRecord;
use crate::exit::Exit;

use super::{Failure, Session};

impl Session<'_> {
    pub(super) fn tell_status(&mut self, raw: bool) -> Result<Exit, Failure> {
        let unknown = |failure| Failure::StatusUnknown(Box::new(failure));
        let status = self.client().status().map_err(unknown)?;
        self.warn_of_other_program(status.as_ref().map(|status| &status.record))?;
        let (line, exit) = describe(status.as_ref().map(|status| &status.record));
        self.say(line)?;
        if let Some(status) = status.filter(|_| raw) {
            // The record ends its last line, and the peer puts an empty one after it.
            self.say(String::from_utf8_lossy(&status.raw))?;
        }
        Ok(exit)
    }
}

/// The line, and the exit status as of an init script (LSB 5.0).
pub(super) fn describe(record: Option<&StatusRecord>) -> (String, Exit) {
    match record.map(|record| record.application) {
        None => ("daemon manager not running".to_owned(), Exit::NotRunning),
        Some(None) => ("daemon manager running; daemon process not running".to_owned(), Exit::NotRunning),
        Some(Some(pid)) => (format!("program running; pid={pid}"), Exit::Success),
    }
}
