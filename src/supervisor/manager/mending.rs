//! The socket, or the lock file beside it, is removed under a manager that runs: by somebody who tidies up, mostly. Then
//! nobody can reach it any more, and the next start would meet no lock and run a second program.

use std::time::Duration;

use super::Manager;
use crate::control::ledger::LOCK;
use crate::eventlog::Level;

/// How long to wait before the files are made again: whoever removes a whole directory shall not find it filled anew
/// meanwhile.
const SOON: Duration = Duration::from_millis(200);
/// How long until that is tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl Manager<'_> {
    /// Something has happened to the files.
    pub(super) fn files_touched(&mut self) {
        if !self.claim.is_whole() && self.mends_at.is_none() {
            let socket = self.runner.socket_name.display();
            self.say(
                Level::WARNING,
                &format!("socket '{socket}' or its lock file was removed; making it again"),
            );
            self.mends_at = Some(self.now().saturating_add(SOON));
            self.told_of_removal = None;
        }
    }

    /// Makes the files again, when it is time for that.
    pub(super) fn mend(&mut self, now: Duration) {
        if self.mends_at.is_none_or(|at| at > now) {
            return;
        }
        match self.claim.mend(&self.log) {
            Ok(()) => {
                self.mends_at = None;
                self.environment.retain(|(name, _)| name != LOCK);
                self.environment.extend(self.claim.ledger().variable());
                let socket = self.runner.socket_name.display();
                self.say(Level::WARNING, &format!("listening again at socket '{socket}'"));
            }
            Err(error) => {
                self.mends_at = Some(now.saturating_add(AGAIN));
                let why = error.to_string();
                if self.told_of_removal.as_ref() != Some(&why) {
                    self.say(Level::ERROR, &format!("cannot be reached: {why}"));
                    self.told_of_removal = Some(why);
                }
            }
        }
    }
}
