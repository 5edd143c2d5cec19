//! Starts that succeed or fail, and the program's end: restart, back off, give up or finish a stop.

use std::time::Duration;

use super::{Action, BACK_OFF_STEP, LEFT_BEHIND, Origin, Phase, SHORTEST, State, Then};
use crate::control::Reply;
use crate::eventlog::Level;
use crate::sys::process::Ended;
use crate::sys::signal_names;

impl State {
    pub(super) fn spawned(&mut self, pid: i32, now: Duration) -> Vec<Action> {
        let Phase::Spawning(origin) = self.phase else { return Vec::new() };
        self.phase = Phase::Up { pid };
        self.last_start = Some(now);
        let mut actions = vec![Action::Log(Level::INFO, format!("spawned process pid={pid}"))];
        if let Origin::Down(client) | Origin::Waiting(client) = origin {
            actions.push(Action::Reply(client, Reply::Started));
        }
        actions.push(Action::Report(Ok(pid)));
        if self.policy.start_test {
            actions.extend(self.test.begin());
        }
        actions
    }

    pub(super) fn spawn_failed(&mut self, reason: String, lasting: bool, now: Duration) -> Vec<Action> {
        let Phase::Spawning(origin) = self.phase else { return Vec::new() };
        self.last_start = Some(now);
        let mut actions = vec![Action::Log(Level::ERROR, reason.clone())];
        match origin {
            Origin::First if lasting => {
                actions.push(Action::Report(Err(reason)));
                actions.extend(self.end(1));
            }
            Origin::Down(client) if lasting => {
                actions.push(Action::Reply(client, Reply::NotStarted(reason)));
                self.phase = Phase::Down;
            }
            Origin::Down(client) | Origin::Waiting(client) => {
                actions.push(Action::Reply(client, Reply::NotStarted(reason)));
                actions.extend(self.back_off(lasting, now));
            }
            Origin::First | Origin::Again => actions.extend(self.back_off(lasting, now)),
        }
        actions
    }

    pub(super) fn died(&mut self, end: Ended, now: Duration) -> Vec<Action> {
        match self.phase {
            Phase::Up { pid } => self.died_unasked(pid, end, now),
            Phase::Stopping { group, leader: true, kill_at, then, .. } => {
                // The program itself is gone; what it left behind gets a short time of its own.
                let latest = now.saturating_add(LEFT_BEHIND);
                let kill_at = Some(kill_at.map_or(latest, |at| at.min(latest)));
                self.phase = Phase::Stopping { group, leader: false, kill_at, kills: 0, then };
                vec![Action::Log(Level::INFO, format!("pid {group}: {}", describe(end)))]
            }
            _ => Vec::new(),
        }
    }

    fn died_unasked(&mut self, pid: i32, end: Ended, now: Duration) -> Vec<Action> {
        let mut actions = self.test.abandon();
        let told = format!("pid {pid}: {}", describe(end));
        let (listed, status) = match end {
            Ended::Exited(status) => (i32::from(status), status),
            Ended::Killed(..) => (-1, u8::MAX),
        };
        if self.policy.exit_codes.contains(&listed) {
            actions.push(Action::Log(Level::INFO, format!("{told}; exiting now")));
            self.phase = Phase::Ended(status);
            return actions;
        }
        actions.push(Action::Log(Level::INFO, told));
        let ran = now.saturating_sub(self.last_start.unwrap_or(now));
        if ran < self.policy.backoff_limit || self.policy.backoff_limit.is_zero() {
            actions.extend(self.back_off(true, now));
        } else {
            self.backoff = Duration::ZERO;
            actions.extend(self.spawn(Origin::Again));
        }
        actions
    }

    /// Plans the next start after one that did not last. Where `counts` is false (the system was short of something),
    /// it never leads to giving up.
    fn back_off(&mut self, counts: bool, now: Duration) -> Vec<Action> {
        let limit = self.policy.backoff_limit;
        if limit.is_zero() {
            let earliest = self.last_start.map_or(now, |started| started.saturating_add(SHORTEST));
            self.phase = Phase::Waiting { until: earliest.max(now) };
            return Vec::new();
        }
        self.backoff = self.backoff.saturating_add(BACK_OFF_STEP);
        if self.backoff >= limit {
            self.backoff = limit;
            if counts && !self.policy.forever {
                let why = "restarting too frequently; quit".to_owned();
                self.phase = Phase::Ended(1);
                return vec![Action::Log(Level::CRITICAL, why.clone()), Action::Report(Err(why))];
            }
        }
        self.phase = Phase::Waiting { until: now.saturating_add(self.backoff) };
        let message = format!("sleep {} to avoid rapid restarts", self.backoff.as_secs());
        vec![Action::Log(Level::INFO, message)]
    }

    pub(super) fn group_gone(&mut self) -> Vec<Action> {
        let Phase::Stopping { leader: false, then, .. } = self.phase else { return Vec::new() };
        match then {
            Then::Down => self.end_or_stay(),
            Then::Spawn => self.spawn(Origin::Again),
            Then::Exit => self.end(0),
        }
    }
}

/// A process's end in the words of zdaemon (ZDPROTO section 2.3).
fn describe(end: Ended) -> String {
    match end {
        Ended::Exited(status) => format!("exit status {status}"),
        Ended::Killed(signal, core) => {
            let left = if core { " (core dumped)" } else { "" };
            let name = signal_names::name(signal).unwrap_or_else(|| format!("signal {signal}"));
            format!("terminated by {name}{left}")
        }
    }
}
