//! What init systems ask for beside `start`, `stop`, `restart` and `status` (LSB 5.0, "Init Script Actions").

use std::ffi::OsString;

use crate::control::Mood;
use crate::exit::Exit;

use super::{Failure, Session};

impl Session<'_> {
    /// `try-restart`, `condrestart`, `force-reload`: a program that is down stays down, which is success. One that the
    /// manager is about to start again runs, in this sense.
    pub(super) fn try_restart(&mut self) -> Result<Exit, Failure> {
        let record = self.managed_record()?;
        if record.as_ref().is_some_and(|record| record.application.is_some() || record.mood == Mood::Up) {
            return self.restart();
        }
        self.say("daemon process not running")?;
        if record.is_none() {
            self.warn_of_unmanaged();
        }
        Ok(Exit::Success)
    }

    /// `reload` on the command line: the manager reads its configuration again by starting anew as it is, and the program
    /// runs on. A shell's own settings are another matter.
    pub(super) fn reload_manager(&mut self, options: &[OsString]) -> Result<Exit, Failure> {
        if !options.is_empty() {
            return Err(Failure::Arguments("reload takes options only in the shell".to_owned()));
        }
        if self.replacement()?.is_none() {
            self.say("daemon manager not running")?;
            self.warn_of_unmanaged();
            return Ok(Exit::Stopped);
        }
        self.say("daemon manager has reloaded its configuration")?;
        Ok(Exit::Success)
    }
}
