//! `reload`: the configuration read again, while the shell goes on. A running manager is not concerned.

use std::ffi::OsString;

use crate::exit::Exit;

use super::{Failure, Session};

impl Session<'_> {
    pub(super) fn reload(&mut self, options: &[OsString]) -> Result<Exit, Failure> {
        let Ok((settings, flags)) = self.host.reload(options) else {
            self.say("Configuration not reloaded")?;
            return Ok(Exit::Usage);
        };
        (self.settings, self.flags, self.warned) = (settings, flags, false);
        match self.settings.config_file.as_ref().map(|file| file.display().to_string()) {
            Some(file) => self.say(format_args!("Configuration reloaded from {file}"))?,
            None => self.say("Configuration reloaded without a config file")?,
        }
        Ok(Exit::Success)
    }
}
