//! `check`: the configuration as it is now, and what it names, looked at before they are needed.

use crate::config;
use crate::exit::Exit;

use super::{Failure, Session};

impl Session<'_> {
    /// Reads the file again, with the options of this session; the settings in force stay what they are.
    pub(super) fn check(&mut self) -> Result<Exit, Failure> {
        config::check(&self.flags).map_err(Failure::Configuration)?;
        self.say(config::CHECK_PASSED)?;
        Ok(Exit::Success)
    }
}
