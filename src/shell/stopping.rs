//! `stop`, `wait`, and `quit` with its end of a manager that has nothing to manage.

use std::time::Duration;

use crate::control::{Refusal, Reply, Request, StatusRecord};
use crate::exit::Exit;

use super::state::State;
use super::status::Seen;
use super::unmanaged::Unmanaged;
use super::watching::Watching;
use super::{Done, Failure, Session};

/// What SIGKILL and the end of the manager may take beyond stop-timeout.
const MARGIN: Duration = Duration::from_secs(10);

/// How long a manager may take to end when its program has ended. One that stays was told to hang around, by a
/// configuration that is not ours.
const MANAGER_ENDS: Duration = Duration::from_secs(2);

/// What there is after the end of a program.
enum End {
    /// Nothing, and nothing will be.
    Nothing,
    /// Another, at somebody's request.
    Another,
}

impl Session<'_> {
    pub(super) fn stop(&mut self) -> Result<Exit, Failure> {
        let Some(record) = self.managed_record()? else {
            let ended = self.end_left_behind()?;
            self.say(if ended { "daemon process stopped" } else { "daemon manager not running" })?;
            return Ok(Exit::Success);
        };
        if is_over(&record) {
            self.say("daemon process not running")?;
            return Ok(Exit::Success);
        }
        // A manager that is gone by now has ended its program in order.
        if self.client().ask(Request::Stop)?.is_some() {
            let mut watching = Watching::begin(self.client());
            if let End::Nothing = self.await_end(&mut watching, record.application)? {
                self.await_end_of_manager(&mut watching)?;
            }
        }
        self.say("daemon process stopped")?;
        Ok(Exit::Success)
    }

    /// Waits until the program with this number has ended.
    pub(super) fn await_end_of(&mut self, pid: u32) -> Result<(), Failure> {
        let mut watching = Watching::begin(self.client());
        self.await_end(&mut watching, Some(pid)).map(drop)
    }

    /// Waits until the program that ran has ended with all that it left behind, and none will be started; unless
    /// somebody has another one started.
    fn await_end(&mut self, watching: &mut Watching, pid: Option<u32>) -> Result<End, Failure> {
        let limit = self.stop_limit();
        let ended = self.watch_on(watching, limit, |_, record| {
            let next = record.is_some_and(|now| now.application.is_some() && now.application != pid);
            Ok(if next { Some(End::Another) } else { record.is_none_or(is_over).then_some(End::Nothing) })
        })?;
        let seconds = limit.unwrap_or_default().as_secs();
        ended.ok_or_else(|| Failure::StopTooLong(seconds, pid.unwrap_or(0)))
    }

    /// Waits until the manager has gone too, unless it is to stay, so that what follows does not meet it on its way out.
    fn await_end_of_manager(&mut self, watching: &mut Watching) -> Result<(), Failure> {
        if !self.settings.runner.hang_around {
            self.watch_on(watching, Some(MANAGER_ENDS), |_, record| Ok(record.is_none().then_some(())))?;
        }
        Ok(())
    }

    /// How long a stop may take; `None`: there is no limit, as the program is never killed.
    pub(super) fn stop_limit(&self) -> Option<Duration> {
        let timeout = self.settings.runner.stop_timeout;
        (!timeout.is_zero()).then(|| timeout.saturating_add(MARGIN))
    }

    /// Waits for the end of the program that runs now: another that follows at once is not waited for.
    pub(super) fn wait(&mut self) -> Result<Exit, Failure> {
        if self.record()?.is_none()
            && let Some(mut left) = self.unmanaged()
        {
            self.wait_on(None, &mut left, Unmanaged::event, |_, left| left.has_ended())?;
        }
        let mut awaited = None;
        self.watch(None, |_, record| {
            let pid = record.and_then(|record| record.application);
            Ok((pid.is_none() || pid != *awaited.get_or_insert(pid)).then_some(()))
        })?;
        self.say("daemon process stopped")?;
        let record = self.record()?;
        self.say_status(Seen::of(record.as_ref()))?;
        if record.is_none() {
            self.warn_of_unmanaged();
        }
        Ok(Exit::Success)
    }

    pub(super) fn quit(&mut self) -> Result<Done, Failure> {
        match self.record()?.map(|record| record.application) {
            None => {
                self.say("daemon manager not running")?;
                self.warn_of_unmanaged();
            }
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
        let reply = self.client().ask(Request::Exit)?;
        // Zdaemon 5 knows no exit; a stop, with nothing to stop, ends it.
        if matches!(reply, Some(Reply::Refused(Refusal::Unknown(_)))) {
            self.client().ask(Request::Stop)?;
        }
        let gone = self.watch(Some(MARGIN), |_, record| Ok(record.is_none().then_some(())))?;
        gone.ok_or_else(|| Failure::refused(Request::Exit, &"it is still running"))
    }

    pub(super) fn end_of_file(&mut self) -> Result<Done, Failure> {
        self.say("")?;
        Ok(Done::Leave)
    }
}

/// Whether no program runs, nothing that it left behind, and none will be started.
fn is_over(record: &StatusRecord) -> bool {
    State::of(Some(record)) == State::Stopped
}
