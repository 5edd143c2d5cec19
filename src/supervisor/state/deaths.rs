//! Starts that succeed or fail, and the program's end: restart, back off, give up or finish a stop.

use std::time::Duration;

use super::{
    Action, BACK_OFF_STEP, MIN_RESTART_INTERVAL, ORPHAN_TIMEOUT, Origin, Phase, Proven, State, Then,
};
use crate::control::{Reply, ended_before_up};
use crate::eventlog::Level;
use crate::sys::process::Ended;
use crate::sys::signal_names;

impl State {
    pub(super) fn spawned(&mut self, pid: i32, now: Duration) {
        let Phase::Spawning(origin) = self.phase else { return };
        let until = Some(now.saturating_add(self.policy.start_grace)).filter(|_| !self.policy.notify);
        let at_once = !self.policy.notify && self.policy.start_grace.is_zero();
        let proven = if at_once { Proven::Yes } else { Proven::Not { until } };
        self.phase = Phase::Up { pid, proven };
        self.last_start = Some(now);
        self.log(Level::INFO, format!("spawned process pid={pid}"));
        if let Origin::Down(client) | Origin::Waiting(client) = origin {
            self.reply(client, Reply::Started);
        }
        if self.policy.start_test {
            self.actions.push(self.test.begin());
        }
    }

    /// The program that an earlier manager left running is this one's from now on.
    pub(super) fn adopt(&mut self, pid: i32, now: Duration) {
        self.phase = Phase::Up { pid, proven: Proven::Yes };
        self.last_start = Some(now);
        self.log(Level::INFO, format!("adopted process pid={pid}"));
    }

    /// The program of an earlier manager has ended without one, and descendants are left: they are ended first. How
    /// it ended is not known, so that this may be the end of one that is to be left alone; two servers would be worse.
    pub(super) fn begin_after(&mut self, pid: i32, now: Duration) {
        self.log(Level::WARNING, format!("pid {pid}: gone; ending what it left behind"));
        self.end_left_behind(pid, Then::Begin, now);
    }

    fn end_left_behind(&mut self, group: i32, then: Then, now: Duration) {
        let kill_at = Some(now.saturating_add(ORPHAN_TIMEOUT));
        self.phase = Phase::Stopping { group, leader: false, kill_at, kills: 0, then };
        self.actions.extend([Action::Terminate(group), Action::TerminateStragglers(group)]);
    }

    /// The start counts: the program lived long enough, or said that it is ready.
    pub(super) fn prove(&mut self) {
        if let Phase::Up { proven, .. } = &mut self.phase {
            *proven = Proven::Yes;
        }
    }

    /// The grace ends no sooner than the program has asked for. Without a grace its own word is waited for anyway.
    pub(super) fn wait_longer(&mut self, time: Duration, now: Duration) {
        if let Phase::Up { proven: Proven::Not { until: Some(until) }, .. } = &mut self.phase {
            *until = now.saturating_add(time).max(*until);
        }
    }

    pub(super) fn spawn_failed(&mut self, reason: String, lasting: bool, now: Duration) {
        let Phase::Spawning(origin) = self.phase else { return };
        self.last_start = Some(now);
        self.log(Level::ERROR, reason.clone());
        match origin {
            Origin::Down(client) if lasting => {
                self.reply(client, Reply::NotStarted(reason));
                self.phase = Phase::Down;
            }
            Origin::Down(client) | Origin::Waiting(client) => {
                self.reply(client, Reply::NotStarted(reason));
                self.back_off(lasting, now);
            }
            Origin::Own => {
                self.back_off(lasting, now);
                // A shortage may be over before anyone who waits needs to hear of it.
                if lasting {
                    self.report_failure(reason);
                }
            }
        }
    }

    /// The program has ended; `leaves`: descendants of it are left.
    pub(super) fn died(&mut self, end: Ended, leaves: bool, now: Duration) {
        self.last_end = Some(end);
        match self.phase {
            Phase::Up { pid, .. } => self.died_unasked(pid, end, leaves, now),
            Phase::Stopping { group, leader: true, kill_at, then, .. } => {
                // The program itself is gone; what it left behind gets a short time of its own.
                let latest = now.saturating_add(ORPHAN_TIMEOUT);
                let kill_at = Some(kill_at.map_or(latest, |at| at.min(latest)));
                self.phase = Phase::Stopping { group, leader: false, kill_at, kills: 0, then };
                self.log(Level::INFO, format!("pid {group}: {}", describe(end)));
                self.actions.push(Action::TerminateStragglers(group));
            }
            _ => {}
        }
    }

    /// What is left is ended before the program is started again, as two servers on the same data would be the worst. An
    /// exit status that ends the manager leaves it alone: so servers fork away.
    fn died_unasked(&mut self, pid: i32, end: Ended, leaves: bool, now: Duration) {
        let was_up = self.up().is_some();
        let listed = self.listed_status(end);
        let next = match listed {
            Some(_) => "; exiting now",
            None if leaves => "; ending what it left behind",
            None => "",
        };
        self.actions.extend(self.test.abandon());
        self.log(Level::INFO, format!("pid {pid}: {}{next}", describe(end)));
        let ran = now.saturating_sub(self.last_start.unwrap_or(now));
        match listed {
            Some(status) => self.phase = Phase::Ended(status),
            None if leaves => self.end_left_behind(pid, Then::Again { ran }, now),
            None => self.again(ran, now),
        }
        if !was_up {
            let why = ended_before_up(&describe(end));
            if !self.reported {
                self.log(Level::ERROR, why.clone());
            }
            self.report_failure(why);
        }
    }

    /// Reports why the first start has failed, whatever follows from that; a later one is the manager's own affair.
    pub(super) fn report_failure(&mut self, why: String) {
        if !std::mem::replace(&mut self.reported, true) {
            self.actions.push(Action::Report(Err(why)));
        }
    }

    /// Starts the program again after an end without a request: at once, if it ran for long enough.
    fn again(&mut self, ran: Duration, now: Duration) {
        if ran < self.policy.backoff_limit || self.policy.backoff_limit.is_zero() {
            return self.back_off(true, now);
        }
        self.backoff = Duration::ZERO;
        self.restarts = self.restarts.saturating_add(1);
        self.spawn(Origin::Own);
    }

    /// The status to end with, if the program's end is one after which it is not started again.
    fn listed_status(&self, end: Ended) -> Option<u8> {
        let (listed, status) = match end {
            Ended::Exited(status) => (i32::from(status), status),
            Ended::Killed(..) => (-1, self.final_status(u8::MAX)),
            Ended::Unseen => return None,
        };
        self.policy.exit_codes.contains(&listed).then_some(status)
    }

    /// The status to end with: this one, or how the program ended, where that is to be passed on; 128 + n for signal n,
    /// as a shell has it.
    fn final_status(&self, otherwise: u8) -> u8 {
        match self.last_end.filter(|_| self.policy.pass_status) {
            Some(Ended::Exited(status)) => status,
            Some(Ended::Killed(signal, _)) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Some(Ended::Unseen) | None => otherwise,
        }
    }

    /// Plans the next start after one that did not last. Where `counts` is false (the system was short of something),
    /// it never leads to giving up.
    fn back_off(&mut self, counts: bool, now: Duration) {
        let limit = self.policy.backoff_limit;
        if limit.is_zero() {
            let earliest =
                self.last_start.map_or(now, |started| started.saturating_add(MIN_RESTART_INTERVAL));
            self.phase = Phase::Waiting { until: earliest.max(now) };
            return;
        }
        self.backoff = self.backoff.saturating_add(BACK_OFF_STEP);
        if self.backoff >= limit {
            self.backoff = limit;
            if counts && !self.policy.forever {
                let why = "restarting too frequently; quit".to_owned();
                self.phase = Phase::Ended(self.final_status(1));
                self.log(Level::CRITICAL, why.clone());
                return self.actions.push(Action::Report(Err(why)));
            }
        }
        self.phase = Phase::Waiting { until: now.saturating_add(self.backoff) };
        self.log(Level::INFO, format!("sleep {} to avoid rapid restarts", self.backoff.as_secs()));
    }

    pub(super) fn group_gone(&mut self, now: Duration) {
        let Phase::Stopping { leader: false, then, .. } = self.phase else { return };
        match then {
            Then::Down => self.end_or_stay(),
            Then::Spawn | Then::Begin => self.spawn(Origin::Own),
            Then::Exit => self.end(self.final_status(0)),
            Then::Again { ran } => self.again(ran, now),
        }
    }
}

/// A process's end in the words of zdaemon (ZDPROTO section 2.3).
#[must_use]
pub fn describe(end: Ended) -> String {
    match end {
        Ended::Exited(status) => format!("exit status {status}"),
        Ended::Killed(signal, core) => {
            let left = if core { " (core dumped)" } else { "" };
            let name = signal_names::name(signal).unwrap_or_else(|| format!("signal {signal}"));
            format!("terminated by {name}{left}")
        }
        Ended::Unseen => "ended; how is only known to the manager that started it".to_owned(),
    }
}
