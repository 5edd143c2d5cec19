//! The start test: a command run again and again after a start, a second apart, until it succeeds.

use std::time::Duration;

use super::Action;
use crate::eventlog::Level;

/// From the end of one try to the next.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No test is wanted, or it has passed.
    #[default]
    Idle,
    /// The loop has been asked to start it.
    Starting,
    /// It runs.
    Running(i32),
    /// The next try is due then.
    Pausing(Duration),
}

/// The start test of the program that runs now.
#[derive(Debug, Default)]
pub(super) struct StartTest {
    phase: Phase,
    /// A test that cannot be started is reported once a start, not each second.
    logged: bool,
}

impl StartTest {
    pub(super) fn under_way(&self) -> bool {
        self.phase != Phase::Idle
    }

    pub(super) fn due(&self) -> Option<Duration> {
        if let Phase::Pausing(until) = self.phase { Some(until) } else { None }
    }

    pub(super) fn begin(&mut self) -> Action {
        *self = Self { phase: Phase::Starting, logged: false };
        Action::StartTest
    }

    pub(super) fn due_now(&mut self, now: Duration) -> Option<Action> {
        self.due().filter(|until| *until <= now)?;
        self.phase = Phase::Starting;
        Some(Action::StartTest)
    }

    pub(super) fn started(&mut self, pid: i32) -> Option<Action> {
        if self.phase != Phase::Starting {
            return Some(Action::KillTest(pid));
        }
        self.phase = Phase::Running(pid);
        None
    }

    pub(super) fn not_started(&mut self, reason: &str, now: Duration) -> Option<Action> {
        if self.phase != Phase::Starting {
            return None;
        }
        self.phase = Phase::Pausing(now.saturating_add(INTERVAL));
        let is_first = !std::mem::replace(&mut self.logged, true);
        is_first.then(|| Action::Log(Level::CRITICAL, reason.to_owned()))
    }

    pub(super) fn ended(&mut self, passed: bool, now: Duration) -> Option<Action> {
        if !matches!(self.phase, Phase::Running(_)) {
            return None;
        }
        self.phase = if passed { Phase::Idle } else { Phase::Pausing(now.saturating_add(INTERVAL)) };
        let outcome = if passed { "succeeded" } else { "failed" };
        Some(Action::Log(Level::DEBUG, format!("start test {outcome}")))
    }

    /// The program has ended or shall end: its test has no subject any more.
    pub(super) fn abandon(&mut self) -> Option<Action> {
        match std::mem::take(&mut self.phase) {
            Phase::Running(pid) => Some(Action::KillTest(pid)),
            _ => None,
        }
    }
}
