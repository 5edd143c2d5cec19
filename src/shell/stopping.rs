//! `stop`, `wait`, and `quit` with its end of a manager that has nothing to manage.

use std::time::Duration;

use crate::control::{Mood, Request};
use crate::exit::Exit;

use super::status::describe;
use super::{Done, Failure, Session};

/// What SIGKILL and the end of the manager may take beyond stop-timeout.
const MARGIN: Duration = Duration::from_secs(10);

/// How long a manager may take to end when its program has ended. One that stays was told to hang around, by a
/// configuration that is not ours.
const MANAGER_ENDS: Duration = Duration::from_secs(2);

impl Session<'_> {
    pub(super) fn stop(&mut self) -> Result<Exit, Failure> {
        let Some(record) = self.record()? else {
            self.say("daemon manager not running")?;
            return Ok(Exit::Success);
        };
        if record.application.is_none() && record.mood != Mood::Up {
            self.say("daemon process not running")?;
            return Ok(Exit::Success);
        }
        // A manager that is gone by now has ended its program in order.
        if self.client().ask(Request::Stop)?.is_some() {
            self.await_end_of(record.application.unwrap_or(0))?;
            self.await_end_of_manager()?;
        }
        self.say("daemon process stopped")?;
        Ok(Exit::Success)
    }

    /// Waits until no program runs, and none will be started.
    pub(super) fn await_end_of(&mut self, pid: u32) -> Result<(), Failure> {
        let limit = self.stop_limit();
        let ended = self.wait_until(limit, |session| {
            let record = session.record()?;
            let ended = record.is_none_or(|record| record.application.is_none() && record.mood != Mood::Up);
            Ok(ended.then_some(()))
        })?;
        ended.ok_or_else(|| Failure::StopTooLong(limit.unwrap_or_default().as_secs(), pid))
    }

    /// Waits until the manager has gone too, unless it is to stay, so that what follows does not meet it on its way out.
    fn await_end_of_manager(&mut self) -> Result<(), Failure> {
        if !self.settings.runner.hang_around {
            self.wait_until(Some(MANAGER_ENDS), |session| Ok(session.record()?.is_none().then_some(())))?;
        }
        Ok(())
    }

    /// How long a stop may take; `None`: there is no limit, as the program is never killed.
    pub(super) fn stop_limit(&self) -> Option<Duration> {
        let timeout = self.settings.runner.stop_timeout;
        (!timeout.is_zero()).then(|| timeout.saturating_add(MARGIN))
    }

    pub(super) fn wait(&mut self) -> Result<Exit, Failure> {
        self.wait_until(None, |session| {
            let record = session.record()?;
            Ok(record.is_none_or(|record| record.application.is_none()).then_some(()))
        })?;
        self.say("daemon process stopped")?;
        let record = self.record()?;
        self.say(describe(record.as_ref()).0)?;
        Ok(Exit::Success)
    }

    pub(super) fn quit(&mut self) -> Result<Done, Failure> {
        match self.record()?.map(|record| record.application) {
            None => self.say("daemon manager not running")?,
            Some(Some(_)) => self.say("daemon process and daemon manager still running")?,
            Some(None) => {
                self.say("daemon process not running; stopping daemon manager")?;
                self.end_manager()?;
                self.say("daemon manager stopped")?;
            }
        }
        Ok(Done::Leave)
    }

    fn end_manager(&mut self) -> Result<(), Failure> {
        let answer = self.client().ask(Request::Exit)?;
        // Zdaemon 5 knows no exit; a stop, with nothing to stop, ends it.
        if answer.is_some_and(|answer| answer.starts_with("Unknown command")) {
            self.client().ask(Request::Stop)?;
        }
        let gone = self.wait_until(Some(MARGIN), |session| Ok(session.record()?.is_none().then_some(())))?;
        gone.ok_or_else(|| Failure::refused(Request::Exit, "it is still running"))
    }

    pub(super) fn end_of_file(&mut self) -> Result<Done, Failure> {
        self.say("")?;
        Ok(Done::Leave)
    }
}
