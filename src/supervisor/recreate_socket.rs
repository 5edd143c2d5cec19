//! The socket, or the lock file beside it, is removed under a manager that runs, as by a person who tidies up. Then no
//! client can reach it any more, and the next start would meet no lock and run a second program: both are made again.

use std::time::Duration;

use super::control_socket::ControlSocket;
use crate::eventlog::{EventLog, Level};

/// How long to wait before the files are made again: a process that removes a whole directory is not to find it filled
/// anew meanwhile.
const RECREATE_DELAY: Duration = Duration::from_millis(200);
/// How long until that is tried again.
const RECREATE_RETRY: Duration = Duration::from_secs(1);

/// Whether the files are to be made again.
#[derive(Debug, Default)]
pub struct Recreation {
    due: Option<Duration>,
    /// Why that did not work, as it was logged.
    last_error: Option<String>,
}

impl Recreation {
    /// When [`Recreation::run`] has something to do.
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// A change of the files was reported: plans to make them again if they have been removed. Gives a line for the log.
    pub fn files_changed(&mut self, socket: &mut ControlSocket, now: Duration) -> Option<String> {
        if self.due.is_some() || socket.files_intact() {
            return None;
        }
        self.due = Some(now.saturating_add(RECREATE_DELAY));
        self.last_error = None;
        Some(format!("socket '{}' or its lock file was removed; making it again", socket.path().display()))
    }

    /// Makes the files again, if that is due. Gives a line for the log; [`Level::WARNING`]: they are there again.
    pub fn run(
        &mut self,
        socket: &mut ControlSocket,
        log: &EventLog,
        now: Duration,
    ) -> Option<(Level, String)> {
        self.due.filter(|due| *due <= now)?;
        match socket.recreate(log) {
            Ok(()) => {
                self.due = None;
                Some((Level::WARNING, format!("listening again at socket '{}'", socket.path().display())))
            }
            Err(error) => {
                self.due = Some(now.saturating_add(RECREATE_RETRY));
                let why = error.to_string();
                let is_new = self.last_error.as_ref() != Some(&why);
                self.last_error = Some(why.clone());
                is_new.then(|| (Level::ERROR, format!("cannot be reached: {why}")))
            }
        }
    }
}
