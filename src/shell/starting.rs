//! `start` and `restart`.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::control::{Mood, Reply, Request, StatusRecord, with_last_words};
use crate::exit::Exit;

use super::launch::Launched;
use super::state::State;
use super::{Failure, Session};

impl Session<'_> {
    pub(super) fn start(&mut self, extra: &[OsString]) -> Result<Exit, Failure> {
        let begun = Instant::now();
        // Mostly there is a manager whose program is down, or no manager: to ask for the program before its state is known
        // saves a turn before the program's first instruction. More words are for a manager that is yet to be started.
        if extra.is_empty() && self.ask_for_program(Request::Start)?.is_some_and(|reply| will_run(&reply)) {
            return self.started();
        }
        loop {
            let record = self.record()?;
            match record.as_ref().map(|record| (record.application, record.mood)) {
                Some((Some(pid), Mood::Up)) => match self.running(pid, record.is_some_and(|r| r.ready)) {
                    // It ended before it could be watched: this start is the next try.
                    Err(Failure::ManagerGone) => {}
                    told => return told,
                },
                // Somebody has just stopped it; to a peer that is still at it, start would mean nothing.
                Some((Some(pid), Mood::Down | Mood::Exiting)) => self.await_end_of(pid)?,
                // In a back-off, or kept by hang-around, or about to end: then it is gone when asked, or another has come
                // whose program is no concern of this request.
                Some((None, _)) => {
                    if self.ask_for_program(Request::Start)?.is_some_and(|reply| will_run(&reply)) {
                        return self.started();
                    }
                }
                None => match self.launch(extra)? {
                    Launched::Running(pid) => {
                        self.say(format_args!("daemon process started, pid={pid}"))?;
                        return Ok(Exit::Success);
                    }
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

    /// The manager has been asked for the program.
    fn started(&mut self) -> Result<Exit, Failure> {
        let pid = self.await_up(None, Some(self.settings.runner.start_timeout))?;
        self.say(format_args!("daemon process started, pid={pid}"))?;
        Ok(Exit::Success)
    }

    /// Somebody else has started the program; whether it comes up is yet to be seen, unless it is `ready`.
    fn running(&mut self, pid: u32, ready: bool) -> Result<Exit, Failure> {
        let limit = Some(self.settings.runner.start_timeout);
        let pid = if ready { pid } else { self.await_up(None, limit)? };
        self.say(format_args!("daemon process already running; pid={pid}"))?;
        Ok(Exit::Success)
    }

    pub(super) fn restart(&mut self) -> Result<Exit, Failure> {
        let old = self.managed_record()?.and_then(|record| record.application);
        let Some(old) = old else { return self.start(&[]) };
        if self.ask_for_program(Request::Restart)?.is_none() {
            return self.start(&[]);
        }
        let starting = self.settings.runner.start_timeout;
        let limit = self.stop_limit().map(|stopping| stopping.saturating_add(starting));
        let pid = self.await_up(Some(old), limit)?;
        self.say(format_args!("daemon process restarted, pid={pid}"))?;
        Ok(Exit::Success)
    }

    /// Asks the manager to run the program; gives its answer. `None`: there is no manager, or it is about to end.
    fn ask_for_program(&mut self, request: Request) -> Result<Option<Reply>, Failure> {
        let reply = match self.client().ask(request) {
            // A manager that took its answer with it has not left a program behind.
            Err(Failure::Unanswered(_)) if self.record()?.is_none() => None,
            reply => reply?,
        };
        match reply {
            Some(Reply::NotStarted(why)) if why == Reply::EXITING || self.record()?.is_none() => Ok(None),
            Some(Reply::NotStarted(why)) => Err(Failure::NotStarted(why)),
            reply => Ok(reply),
        }
    }

    /// Waits until a program that is not `old` is up; gives its process number.
    fn await_up(&mut self, old: Option<u32>, limit: Option<Duration>) -> Result<u32, Failure> {
        let mut start = Start { old, new: None, stopped: false };
        let up =
            self.watch(limit, |session, record| match start.judge(record.ok_or(Failure::ManagerGone)?) {
                Verdict::Open => Ok(None),
                Verdict::Up(pid) => Ok(Some(pid)),
                Verdict::Failed(why, output) => {
                    let runner = &session.settings.runner;
                    let logs = runner.logfile.iter().chain(&runner.transcript);
                    Err(Failure::NotStarted(with_last_words(why, output.as_deref(), logs)))
                }
            })?;
        up.ok_or(Failure::StartTooLong)
    }
}

/// Whether the program has been started, or will be when what is being stopped has ended.
fn will_run(reply: &Reply) -> bool {
    matches!(reply, Reply::Started | Reply::RestartSent)
}

/// A start that the manager has been asked for, as seen in one record after the other.
struct Start {
    /// The program that is to end first.
    old: Option<u32>,
    /// The program that was started, and how many restarts that nobody asked for there were by then.
    new: Option<(u32, u64)>,
    /// Somebody has asked for its end.
    stopped: bool,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    /// It is not known yet.
    Open,
    /// It runs as this process.
    Up(u32),
    /// It has failed; the reason, and what the program said last.
    Failed(String, Option<String>),
}

impl Start {
    fn judge(&mut self, record: &StatusRecord) -> Verdict {
        let state = State::of(Some(record));
        let Some(pid) = record.application else { return self.judge_without_program(record, state) };
        self.stopped = record.mood != Mood::Up;
        if self.old == Some(pid) {
            return Verdict::Open;
        }
        // One that is being stopped for another to follow.
        if state == State::Stopping && !self.stopped {
            self.old = Some(pid);
            return Verdict::Open;
        }
        // One that others have restarted has not failed.
        if self.new.is_some_and(|(new, restarts)| new != pid && restarts != record.restarts) {
            return died(record);
        }
        self.old = None;
        self.new = Some((pid, record.restarts));
        if state == State::Running { Verdict::Up(pid) } else { Verdict::Open }
    }

    fn judge_without_program(&self, record: &StatusRecord, state: State) -> Verdict {
        match state {
            // What an earlier program left behind is still being ended.
            State::Stopping => Verdict::Open,
            State::Starting if self.new.is_none() => Verdict::Open,
            // The manager ends. Whether on request is not to be seen; that there is none will be.
            State::Stopped if record.mood == Mood::Exiting && !self.stopped && self.new.is_none() => {
                Verdict::Open
            }
            State::Stopped if self.stopped || self.new.is_none() => {
                Verdict::Failed("it was stopped by another request".to_owned(), None)
            }
            _ => died(record),
        }
    }
}

fn died(record: &StatusRecord) -> Verdict {
    Verdict::Failed(how_it_ended(record), record.last_output.clone())
}

fn how_it_ended(record: &StatusRecord) -> String {
    match (&record.start_error, &record.last_exit) {
        (Some(why), _) => why.clone(),
        (None, Some(how)) => format!("the program ended before it was up: {how}"),
        (None, None) => format!("it ended at once; the next try is {} s after that", record.backoff),
    }
}

/// A back-off, which every start and restart resets, means that the program has been executed and has ended already.
pub(super) fn expect_life(record: &StatusRecord) -> Result<(), Failure> {
    if record.application.is_some() || record.backoff == 0 || record.mood != Mood::Up {
        return Ok(());
    }
    Err(Failure::NotStarted(how_it_ended(record)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(keys: &str) -> StatusRecord {
        StatusRecord::parse(keys.replace(' ', "\n").as_bytes()).expect("a record")
    }

    fn failed(why: &str) -> Verdict {
        Verdict::Failed(why.to_owned(), None)
    }

    #[test]
    fn outcome_of_a_start_is_read_from_the_records_in_order() {
        let died = || failed("the program ended before it was up: x");
        let stopped = || failed("it was stopped by another request");
        let last = "lastexit='x'";
        for (old, records, expected) in [
            (None, vec!["application=7 ready=1".to_owned()], Verdict::Up(7)),
            (None, vec!["application=7 ready=0".to_owned()], Verdict::Open),
            (
                None,
                vec!["application=7 ready=0".to_owned(), "application=7 ready=1".to_owned()],
                Verdict::Up(7),
            ),
            (Some(7), vec!["application=7 ready=1".to_owned()], Verdict::Open),
            (
                None,
                vec![
                    "application=7 ready=0 delay=9 version=1".to_owned(),
                    "application=0 version=1".to_owned(),
                    "application=8 ready=1 version=1".to_owned(),
                ],
                Verdict::Up(8),
            ),
            (Some(7), vec!["application=7 ready=0".to_owned(), "application=0".to_owned()], Verdict::Open),
            (Some(7), vec!["application=7".to_owned(), "application=8 ready=1".to_owned()], Verdict::Up(8)),
            (Some(7), vec![format!("application=0 backoff=1 {last}")], died()),
            (None, vec!["application=8 ready=0".to_owned(), format!("application=0 {last}")], died()),
            (
                None,
                vec!["application=8 ready=0".to_owned(), format!("application=9 ready=0 restarts=1 {last}")],
                died(),
            ),
            (
                None,
                vec!["application=8 ready=0".to_owned(), format!("application=9 ready=1 {last}")],
                Verdict::Up(9),
            ),
            (
                None,
                vec![
                    "application=8 ready=0".to_owned(),
                    "application=0 delay=9 version=1 backofflimit=9".to_owned(),
                ],
                Verdict::Open,
            ),
            (None, vec!["application=8 ready=0".to_owned(), format!("application=0 mood=-1 {last}")], died()),
            (
                None,
                vec!["application=8 ready=0 mood=-1".to_owned(), format!("application=0 mood=-1 {last}")],
                stopped(),
            ),
            (Some(7), vec!["application=7 mood=0".to_owned(), "application=0 mood=0".to_owned()], stopped()),
            (Some(7), vec!["application=0 mood=0".to_owned()], stopped()),
            (Some(7), vec![format!("application=0 mood=-1 {last}")], Verdict::Open),
            // Somebody's stop that somebody else's start has overtaken.
            (
                Some(7),
                vec![
                    "application=7 mood=0".to_owned(),
                    "application=7".to_owned(),
                    "application=0".to_owned(),
                ],
                Verdict::Open,
            ),
        ] {
            let mut start = Start { old, new: None, stopped: false };
            let verdict = records.iter().map(|keys| start.judge(&record(keys))).last();
            assert_eq!(verdict, Some(expected), "{old:?} {records:?}");
        }
    }

    #[test]
    fn back_off_of_a_peer_is_a_start_that_failed() {
        let why = "program not started: it ended at once; the next try is 2 s after that";
        let failure = expect_life(&record("application=0 backoff=2")).expect_err("it has ended");
        assert_eq!(failure.to_string(), why);
        for alive in ["application=7 backoff=2", "application=0 backoff=0", "application=0 backoff=2 mood=-1"]
        {
            assert!(expect_life(&record(alive)).is_ok(), "{alive}");
        }
    }
}
