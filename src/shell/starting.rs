//! `start` and `restart`.

use std::ffi::OsString;
use std::time::Instant;

use crate::control::{Mood, Request, StatusRecord};
use crate::exit::Exit;

use super::launch::Launched;
use super::{Failure, Session};

impl Session<'_> {
    pub(super) fn start(&mut self, extra: &[OsString]) -> Result<Exit, Failure> {
        let begun = Instant::now();
        loop {
            let record = self.record()?;
            match record.as_ref().map(|record| (record.application, record.mood)) {
                Some((Some(pid), Mood::Up)) => {
                    self.say(format_args!("daemon process already running; pid={pid}"))?;
                    return Ok(Exit::Success);
                }
                // Somebody has just stopped it; to a peer that is still at it, start would mean nothing.
                Some((Some(pid), Mood::Down | Mood::Exiting)) => self.await_end_of(pid)?,
                // In a back-off, or kept by hang-around, or about to end: then it is gone when asked.
                Some((None, _)) => {
                    if self.client().ask(Request::Start)?.is_some() {
                        return self.await_start(None);
                    }
                }
                None => match self.launch(extra)? {
                    Launched::Running(pid) => return self.started(pid),
                    // Another start was quicker, and its outcome is ours.
                    Launched::Other => {}
                },
            }
            if begun.elapsed() > self.settings.runner.start_timeout {
                return Err(Failure::StartTooLong);
            }
            self.rest(super::waiting::POLL, None)?;
        }
    }

    pub(super) fn restart(&mut self) -> Result<Exit, Failure> {
        let Some(old) = self.record()?.and_then(|record| record.application) else { return self.start(&[]) };
        match self.client().ask(Request::Restart)? {
            Some(_) => self.await_restart(old),
            None => self.start(&[]),
        }
    }

    fn await_restart(&mut self, old: u32) -> Result<Exit, Failure> {
        let stopping = self.stop_limit();
        let limit = stopping.map(|limit| limit.saturating_add(self.settings.runner.start_timeout));
        let pid = self.wait_until(limit, |session| {
            let record = session.record()?.ok_or(Failure::ManagerGone)?;
            expect_life(&record)?;
            Ok(record.application.filter(|pid| *pid != old && !record.testing))
        })?;
        let pid = pid.ok_or(Failure::StartTooLong)?;
        self.say(format_args!("daemon process restarted, pid={pid}"))?;
        Ok(Exit::Success)
    }

    /// The program was executed; where a test decides whether it is ready, that is still to come.
    fn started(&mut self, pid: u32) -> Result<Exit, Failure> {
        if !self.settings.runner.start_test_program.is_empty() {
            return self.await_start(Some(pid));
        }
        self.say(format_args!("daemon process started, pid={pid}"))?;
        Ok(Exit::Success)
    }

    /// Waits until the program runs (this one, where it is known already) and is ready.
    fn await_start(&mut self, known: Option<u32>) -> Result<Exit, Failure> {
        let pid = self.wait_until(Some(self.settings.runner.start_timeout), |session| {
            let record = session.record()?.ok_or(Failure::ManagerGone)?;
            expect_life(&record)?;
            match (known, record.application) {
                (Some(pid), now) if now != Some(pid) => {
                    Err(Failure::NotStarted(format!("process {pid} ended before it was ready")))
                }
                (_, now) => Ok(now.filter(|_| !record.testing)),
            }
        })?;
        let pid = pid.ok_or(Failure::StartTooLong)?;
        self.say(format_args!("daemon process started, pid={pid}"))?;
        Ok(Exit::Success)
    }
}

/// A back-off, which every start and restart resets, means that the program has been executed and has ended already.
pub(super) fn expect_life(record: &StatusRecord) -> Result<(), Failure> {
    if record.application.is_some() || record.backoff == 0 || record.mood != Mood::Up {
        return Ok(());
    }
    let next = format!("it ended at once; the next try is {} s after that", record.backoff);
    Err(Failure::NotStarted(next))
}
