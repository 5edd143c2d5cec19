//! The heart: what the manager does about what happens, as a pure function.
//!
//! [`State::step`] takes an event and the time and returns actions; it has no clock, process, descriptor or log. The
//! loop around it (`supervisor::manager`) turns readiness into events and actions into system calls and has no policy.
//!
//! ```text
//! phase     start          stop           restart        exit, SIGTERM  died / gone            due
//! Down      spawn          end or stay    spawn          end            -                      -
//! Waiting   spawn          end or stay    spawn          end            -                      spawn
//! Up        "already"      TERM: Down     TERM: Spawn    TERM: Exit     exit code: end;        proven
//!                                                                       else back off or spawn,
//!                                                                       before that Stopping if it
//!                                                                       left others behind
//! Stopping  then = Spawn   then = Down    then = Spawn   then = Exit    all gone: do `then`    KILL
//! ```
//!
//! A program that runs is *up* when it has proven itself: it lived through the start grace or said that it is ready,
//! and its start test passed. How the first start went is reported: at once when its first try has failed, and then it is
//! tried again like any other.
//!
//! "end or stay": without `hang-around` the manager ends when nothing is left to run, with it the phase is Down.
//! Promises: never two programs; a stop is never lost; a back-off never exceeds its limit; each phase has a way out.

mod actions;
mod deaths;
mod requests;
mod start_test;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use actions::{Action, Client, Event, Policy, Snapshot};
pub use deaths::describe;

use crate::control::{Goal, Reply};
use crate::eventlog::Level;
use crate::sys::process::Ended;

use start_test::StartTest;

/// How long processes that the program left behind have, after it ended, before SIGKILL.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long until SIGKILL is sent again to what SIGKILL did not end.
const KILL_INTERVAL: Duration = Duration::from_secs(1);
/// How many times SIGKILL is sent to what the program left behind before the manager goes on without it: a zombie whose
/// parent is elsewhere stays in the group for as long as that parent likes.
const MAX_KILLS: u32 = 10;
/// The shortest time between two starts where the back-off limit is 0.
const MIN_RESTART_INTERVAL: Duration = Duration::from_millis(100);
/// What a quick death adds to the back-off.
const BACK_OFF_STEP: Duration = Duration::from_secs(1);

/// What follows when the program and its group are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Down,
    Spawn,
    Exit,
    /// An end that was not asked for, after it had run for so long: spawn or back off.
    Again {
        ran: Duration,
    },
    /// The manager has done nothing yet, and begins.
    Begin,
}

/// On whose behalf a spawn is tried; what a failure means depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A client's `start` or `restart` while nothing was wanted: a failure is its reply, and nothing is wanted still.
    Down(Client),
    /// A client's `start` or `restart` in a back-off: a failure is its reply, and the back-off goes on.
    Waiting(Client),
    /// The manager's own: a failure counts as a quick death.
    Own,
}

/// Whether a program that runs can be expected to go on running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proven {
    /// Not before that time, or before it says so itself.
    Not {
        until: Option<Duration>,
    },
    Yes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing runs, nothing is wanted.
    Down,
    /// The loop has been asked to start the program and has not yet said how it went.
    Spawning(Origin),
    /// The program runs.
    Up { pid: i32, proven: Proven },
    /// The program shall run again at that time.
    Waiting { until: Duration },
    /// SIGTERM was sent, or what a crash left behind is being ended. `leader`: the program itself is still there; `group`:
    /// which is waited for.
    Stopping { group: i32, leader: bool, kill_at: Option<Duration>, kills: u32, then: Then },
    /// The manager ends with this status.
    Ended(u8),
}

/// The state of the manager. Times are on any clock that never steps, the same in all calls.
#[derive(Debug)]
pub struct State {
    policy: Policy,
    phase: Phase,
    backoff: Duration,
    last_start: Option<Duration>,
    last_end: Option<Ended>,
    restarts: u64,
    /// The outcome of the first start has been reported to the process that started the manager.
    reported: bool,
    test: StartTest,
    /// What is to be done about the event at hand.
    actions: Vec<Action>,
}

impl State {
    /// A manager that has done nothing yet; its first event is [`Event::Begin`].
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            phase: Phase::Down,
            backoff: Duration::ZERO,
            last_start: None,
            last_end: None,
            restarts: 0,
            reported: false,
            test: StartTest::default(),
            actions: Vec::new(),
        }
    }

    /// What another state machine needs to go on in this one's place; `None`: something is under way that it could
    /// not go on with.
    #[must_use]
    pub fn snapshot(&self, now: Duration) -> Option<Snapshot> {
        if self.test.under_way() {
            return None;
        }
        let (program, proven, waits) = match self.phase {
            Phase::Down => (None, false, None),
            Phase::Waiting { until } => (None, false, Some(until.saturating_sub(now))),
            Phase::Up { pid, proven } if self.reported => (Some(pid), proven == Proven::Yes, None),
            Phase::Up { .. } | Phase::Spawning(_) | Phase::Stopping { .. } | Phase::Ended(_) => return None,
        };
        let ran = self.last_start.map(|started| now.saturating_sub(started));
        let (last_status, last_signal) = match self.last_end {
            Some(Ended::Exited(status)) => (Some(status), None),
            Some(Ended::Killed(signal, core)) => (None, Some((signal, core))),
            Some(Ended::Unseen) | None => (None, None),
        };
        Some(Snapshot {
            program,
            proven,
            waits,
            ran,
            backoff: self.backoff,
            restarts: self.restarts,
            last_status,
            last_signal,
        })
    }

    /// Goes on where another left off, at a time of `now` in which the program's last start is 0.
    #[must_use]
    pub fn resume(policy: Policy, snapshot: Snapshot, now: Duration) -> Self {
        let Snapshot { program, proven, waits, ran, backoff, restarts, last_status, last_signal } = snapshot;
        let killed = last_signal.map(|(signal, core)| Ended::Killed(signal, core));
        let last_end = last_status.map(Ended::Exited).or(killed);
        let grace = Some(now.saturating_add(policy.start_grace)).filter(|_| !policy.notify);
        let proven = if proven { Proven::Yes } else { Proven::Not { until: grace } };
        let phase = match (program, waits) {
            (Some(pid), _) => Phase::Up { pid, proven },
            (None, Some(remaining)) => Phase::Waiting { until: now.saturating_add(remaining) },
            (None, None) => Phase::Down,
        };
        let last_start = ran.map(|_| Duration::ZERO);
        Self { phase, backoff, last_start, last_end, restarts, reported: true, ..Self::new(policy) }
    }

    /// What is to be done about `event`, in order.
    pub fn step(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let was_up = self.up();
        self.decide(event, now);
        if let Some(pid) = self.up().filter(|pid| was_up != Some(*pid)) {
            self.reported = true;
            self.actions.push(Action::Report(Ok(pid)));
        }
        std::mem::take(&mut self.actions)
    }

    fn decide(&mut self, event: Event, now: Duration) {
        if matches!(self.phase, Phase::Ended(_)) {
            return self.refuse_at_end(&event);
        }
        match event {
            Event::Begin => self.spawn(Origin::Own),
            Event::Adopt(pid) => self.adopt(pid, now),
            Event::BeginAfter(pid) => self.begin_after(pid, now),
            Event::Ready => self.prove(),
            Event::NeedsTime(time) => self.wait_longer(time, now),
            Event::Start(client) => self.start(client),
            Event::Restart(client) => self.restart(client, now),
            Event::Stop(client) => self.stop(client, now),
            Event::Exit(client) => self.exit(client, now),
            Event::Kill(client, signal) => match self.pid() {
                Some(pid) => self.actions.push(Action::Relay { client, pid, signal }),
                None => self.reply(client, Reply::NotRunning),
            },
            Event::Terminate => self.terminate(now),
            Event::Spawned(pid) => self.spawned(pid, now),
            Event::SpawnFailed { reason, lasting } => self.spawn_failed(reason, lasting, now),
            Event::Died(end) => self.died(end, false, now),
            Event::DiedLeaving(end) => self.died(end, true, now),
            Event::GroupGone => self.group_gone(now),
            Event::Due => self.due(now),
            Event::TestStarted(pid) => self.actions.extend(self.test.started(pid)),
            Event::TestNotStarted { reason, lasting } => {
                self.actions.extend(self.test.not_started(&reason, now));
                if lasting {
                    self.report_failure(reason);
                }
            }
            Event::TestEnded { passed } => self.actions.extend(self.test.ended(passed, now)),
        }
    }

    /// When [`Event::Due`] is due; `None`: nothing is.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let grace = match self.phase {
            Phase::Up { proven: Proven::Not { until }, .. } => until,
            _ => None,
        };
        self.delay().into_iter().chain(grace).chain(self.test.due()).min()
    }

    /// When the program is started again or killed; `None`: neither is ahead.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Stopping { kill_at, .. } => kill_at,
            _ => None,
        }
    }

    /// The program's process number; `None`: it does not run.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        match self.phase {
            Phase::Up { pid, .. } => Some(pid),
            Phase::Stopping { group, leader: true, .. } => Some(group),
            _ => None,
        }
    }

    /// The program's process number, if it is up: proven and tested, and not being stopped.
    #[must_use]
    pub fn up(&self) -> Option<i32> {
        match self.phase {
            Phase::Up { pid, proven: Proven::Yes, .. } if !self.test.under_way() => Some(pid),
            _ => None,
        }
    }

    /// The process group whose end the loop shall watch for and report as [`Event::GroupGone`].
    #[must_use]
    pub fn awaited_group(&self) -> Option<i32> {
        match self.phase {
            Phase::Stopping { group, leader: false, .. } => Some(group),
            _ => None,
        }
    }

    /// The status to end with; `None`: go on.
    #[must_use]
    pub fn ended(&self) -> Option<u8> {
        if let Phase::Ended(status) = self.phase { Some(status) } else { None }
    }

    /// What the manager is after.
    #[must_use]
    pub fn goal(&self) -> Goal {
        match self.phase {
            Phase::Down | Phase::Stopping { then: Then::Down, .. } => Goal::Down,
            Phase::Ended(_) | Phase::Stopping { then: Then::Exit, .. } => Goal::Exiting,
            Phase::Spawning(_)
            | Phase::Up { .. }
            | Phase::Waiting { .. }
            | Phase::Stopping { then: Then::Spawn | Then::Again { .. } | Then::Begin, .. } => Goal::Up,
        }
    }

    /// The delay before the next restart after a quick death.
    #[must_use]
    pub fn backoff(&self) -> Duration {
        self.backoff
    }

    /// When the program was last started.
    #[must_use]
    pub fn last_start(&self) -> Option<Duration> {
        self.last_start
    }

    /// How the program last ended; `None`: it has not yet.
    #[must_use]
    pub fn last_end(&self) -> Option<Ended> {
        self.last_end
    }

    /// How many times the program was started again without a request.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Whether the start test of the running program has yet to succeed.
    #[must_use]
    pub fn testing(&self) -> bool {
        self.test.under_way()
    }

    fn due(&mut self, now: Duration) {
        self.actions.extend(self.test.due_now(now));
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => {
                self.restarts = self.restarts.saturating_add(1);
                self.spawn(Origin::Own);
            }
            Phase::Up { proven: Proven::Not { until: Some(until) }, .. } if *until <= now => self.prove(),
            Phase::Stopping { group, kills, then: Then::Begin, .. } if *kills >= MAX_KILLS => {
                self.actions.push(Action::Refuse(*group));
                self.end(1);
            }
            Phase::Stopping { group, leader: false, kills, .. } if *kills >= MAX_KILLS => {
                let message = format!("pid {group}: what it left behind does not end; going on without it");
                self.log(Level::WARNING, message);
                self.group_gone(now);
            }
            Phase::Stopping { group, kill_at, kills, .. } if kill_at.is_some_and(|at| at <= now) => {
                *kill_at = Some(now.saturating_add(KILL_INTERVAL));
                *kills = kills.saturating_add(1);
                let group = *group;
                self.log(
                    Level::WARNING,
                    format!("pid {group}: still there at its stop timeout; sending SIGKILL"),
                );
                self.actions.push(Action::Kill(group));
            }
            _ => {}
        }
    }
}
