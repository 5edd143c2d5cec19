//! Judges a start by the manager's status records, one after the other.

use crate::control::{Goal, StatusRecord};

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
}

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It is not known yet.
    Open,
    /// It runs as this process.
    Up(u32),
    /// It has failed; the reason, and the program's last output.
    Failed(String, Option<String>),
}

impl StartWatch {
    /// A start of a program other than `old`.
    pub(super) fn new(old: Option<u32>) -> Self {
        Self { old, new: None, stopped: false }
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
            // The manager ends, on request or not: the next look finds none.
            State::Stopped if record.goal == Goal::Exiting && !self.stopped && self.new.is_none() => {
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

/// A back-off, which every start and restart resets, means that the program was executed and has ended already.
///
/// # Errors
/// How it ended.
pub(super) fn fail_if_exited(record: &StatusRecord) -> Result<(), Failure> {
    if record.application.is_some() || record.backoff == 0 || record.goal != Goal::Up {
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
            let mut start = StartWatch::new(old);
            let verdict = records.iter().map(|keys| start.judge(&record(keys))).last();
            assert_eq!(verdict, Some(expected), "{old:?} {records:?}");
        }
    }

    #[test]
    fn back_off_of_a_peer_is_a_start_that_failed() {
        let why = "program not started: it ended at once; the next try is 2 s after that";
        let failure = fail_if_exited(&record("application=0 backoff=2")).expect_err("it has ended");
        assert_eq!(failure.to_string(), why);
        for alive in ["application=7 backoff=2", "application=0 backoff=0", "application=0 backoff=2 mood=-1"]
        {
            assert!(fail_if_exited(&record(alive)).is_ok(), "{alive}");
        }
    }
}
