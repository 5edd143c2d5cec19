//! Judges a start by the manager's status records, one after the other.

use std::time::Duration;

use crate::control::{FailedStart, Goal, NextTry, StatusRecord, ended_before_up};

use super::client::Client;
use super::failure::Failure;
use super::state::State;

/// A start that the manager has been asked for.
pub(super) struct StartWatch {
    /// The program that is to end first.
    old: Option<u32>,
    /// The program that was started, and how many restarts that nothing had requested there were by then.
    new: Option<(u32, u64)>,
    /// Another request asks for its end.
    stopped: bool,
    /// How long a program must live before its start counts, where its manager does not say whether it does.
    grace: Duration,
}

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It is not known yet.
    Open,
    /// It runs as this process.
    Up(u32),
    /// It has failed, for this reason.
    Failed(String),
    /// Another request has ended it.
    Stopped,
}

impl StartWatch {
    /// A start of a program other than `old`; `grace`: how long it must live under a peer's manager.
    pub(super) fn new(old: Option<u32>, grace: Duration) -> Self {
        Self { old, new: None, stopped: false, grace }
    }

    /// Takes the next record into account.
    pub(super) fn judge(&mut self, record: &StatusRecord) -> Verdict {
        let state = State::of(Some(record));
        let Some(pid) = record.application else { return self.judge_without_program(record, state) };
        self.stopped = record.goal != Goal::Up;
        if self.old == Some(pid) {
            return Verdict::Open;
        }
        // One that is being stopped for another to follow.
        if state == State::Stopping && !self.stopped {
            self.old = Some(pid);
            return Verdict::Open;
        }
        // A restart that another request caused is no failure.
        if self.new.is_some_and(|(new, restarts)| new != pid && restarts != record.restarts) {
            return Verdict::Failed(how_it_ended(record));
        }
        self.old = None;
        self.new = Some((pid, record.restarts));
        if let Some(why) = record.start_error.as_ref().filter(|_| record.testing) {
            return Verdict::Failed(why.clone());
        }
        let is_up = state == State::Running && (record.version.is_some() || has_lived(record, self.grace));
        if is_up { Verdict::Up(pid) } else { Verdict::Open }
    }

    fn judge_without_program(&self, record: &StatusRecord, state: State) -> Verdict {
        match state {
            // What an earlier program left behind is still being ended.
            State::Stopping => Verdict::Open,
            State::Starting if self.new.is_none() => Verdict::Open,
            // The manager ends, on request or not: the next look finds none.
            State::Stopped if record.goal == Goal::Exiting && !self.stopped && self.new.is_none() => {
                Verdict::Open
            }
            State::Stopped if self.stopped || self.new.is_none() => Verdict::Stopped,
            _ => Verdict::Failed(how_it_ended(record)),
        }
    }

    /// What it means that there is no manager any more.
    pub(super) fn without_manager(&self) -> Failure {
        match self.new {
            // A peer's does not say how.
            Some(_) => {
                Failure::NotStarted("the program has ended, and the daemon manager with it".to_owned())
            }
            None => Failure::ManagerGone,
        }
    }
}

/// Whether the program that a peer's record names has lived for so long, by the record's own clock.
fn has_lived(record: &StatusRecord, time: Duration) -> bool {
    let Some(started) = record.lasttime else { return true };
    let lived = record.now - started;
    // A clock that was set back in between says nothing.
    lived < 0.0 || lived >= time.as_secs_f64()
}

fn how_it_ended(record: &StatusRecord) -> String {
    match (&record.start_error, &record.last_exit) {
        (Some(why), _) => why.clone(),
        (None, Some(how)) => ended_before_up(how),
        (None, None) => "the program ended before it was up".to_owned(),
    }
}

/// The failure of a start of which the manager's record is this now.
pub(super) fn failed_start(
    client: &Client,
    why: &str,
    last_output: Option<&str>,
    record: &StatusRecord,
) -> Failure {
    let next = match (State::of(Some(record)), record.delay) {
        (State::Backoff, Some(at)) => {
            Some(NextTry::After(Duration::try_from_secs_f64(at - record.now).unwrap_or_default()))
        }
        (State::Stopping, _) if record.goal == Goal::Up => Some(NextTry::WhenAllEnded),
        (State::Starting | State::Running, _) => Some(NextTry::LeftRunning),
        _ => None,
    };
    let logs = client.runner().logs();
    Failure::NotStarted(FailedStart { why, last_output, logs: &logs, next }.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(keys: &str) -> StatusRecord {
        StatusRecord::parse(keys.replace(' ', "\n").as_bytes()).expect("a record")
    }

    fn failed(why: &str) -> Verdict {
        Verdict::Failed(why.to_owned())
    }

    #[test]
    fn outcome_of_a_start_is_read_from_the_records_in_order() {
        let died = || failed("the program ended before it was up: x");
        let stopped = || Verdict::Stopped;
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
            // A stop that another start has overtaken.
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
            let mut start = StartWatch::new(old, Duration::from_secs(1));
            let verdict = records.iter().map(|keys| start.judge(&record(keys))).last();
            assert_eq!(verdict, Some(expected), "{old:?} {records:?}");
        }
    }

    #[test]
    fn peers_program_counts_when_it_has_lived_through_the_grace() {
        let peers = |pid: u32, started: u32, now: f64| {
            record(&format!("application={pid} should_be_up=1 lasttime={started}.0 now={now:?}"))
        };
        let mut start = StartWatch::new(None, Duration::from_secs(1));
        assert_eq!(start.judge(&peers(7, 100, 100.5)), Verdict::Open);
        assert_eq!(start.judge(&peers(7, 100, 101.0)), Verdict::Up(7));
        // One that runs already need not be waited for; nor is a clock that was set back.
        for now in [500.0, 50.0] {
            let mut start = StartWatch::new(None, Duration::from_secs(1));
            assert_eq!(start.judge(&peers(7, 100, now)), Verdict::Up(7), "{now}");
        }
        let mut start = StartWatch::new(None, Duration::from_secs(1));
        assert_eq!(start.judge(&peers(7, 100, 100.5)), Verdict::Open);
        assert_eq!(
            start.judge(&record("application=0 should_be_up=1 backoff=1 delay=102.0 now=101.0")),
            failed("the program ended before it was up")
        );
        assert!(matches!(start.without_manager(), Failure::NotStarted(_)));
    }
}
