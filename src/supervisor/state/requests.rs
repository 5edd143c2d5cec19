//! What clients, and signals to the manager, ask for.

use std::time::Duration;

use super::{Action, Client, Event, Origin, Phase, State, Then};
use crate::control::Reply;
use crate::eventlog::Level;

impl State {
    pub(super) fn reply(&mut self, client: Client, reply: Reply) {
        self.actions.push(Action::Reply(client, reply));
    }

    pub(super) fn log(&mut self, level: Level, message: impl Into<String>) {
        self.actions.push(Action::Log(level, message.into()));
    }

    pub(super) fn spawn(&mut self, origin: Origin) {
        self.phase = Phase::Spawning(origin);
        self.actions.push(Action::Spawn);
    }

    pub(super) fn end(&mut self, status: u8) {
        self.phase = Phase::Ended(status);
        self.log(Level::INFO, "Exiting");
    }

    pub(super) fn end_or_stay(&mut self) {
        if self.policy.hang_around {
            self.phase = Phase::Down;
        } else {
            self.end(0);
        }
    }

    pub(super) fn start(&mut self, client: Client) {
        self.backoff = Duration::ZERO;
        match &mut self.phase {
            Phase::Down => self.spawn(Origin::Down(client)),
            Phase::Waiting { .. } => self.spawn(Origin::Waiting(client)),
            Phase::Stopping { then, .. } => {
                // SIGTERM is out: the program will end, so a start now can only mean "and run it again".
                if *then != Then::Begin {
                    *then = Then::Spawn;
                }
                self.reply(client, Reply::RestartSent);
            }
            Phase::Up { .. } | Phase::Spawning(_) | Phase::Ended(_) => {
                self.reply(client, Reply::AlreadyStarted);
            }
        }
    }

    pub(super) fn restart(&mut self, client: Client, now: Duration) {
        self.backoff = Duration::ZERO;
        match self.phase {
            Phase::Down | Phase::Waiting { .. } => self.start(client),
            _ => self.stop_then(Then::Spawn, client, Reply::RestartSent, now),
        }
    }

    pub(super) fn stop(&mut self, client: Client, now: Duration) {
        self.backoff = Duration::ZERO;
        match self.phase {
            Phase::Down | Phase::Waiting { .. } => {
                self.reply(client, Reply::AlreadyStopped);
                self.end_or_stay();
            }
            _ => self.stop_then(Then::Down, client, Reply::StopSent, now),
        }
    }

    pub(super) fn exit(&mut self, client: Client, now: Duration) {
        match self.phase {
            Phase::Down | Phase::Waiting { .. } => {
                self.reply(client, Reply::ExitingNow);
                self.end(0);
            }
            _ => self.stop_then(Then::Exit, client, Reply::ExitSent, now),
        }
    }

    pub(super) fn terminate(&mut self, now: Duration) {
        match self.phase {
            Phase::Down | Phase::Waiting { .. } => self.end(0),
            _ => {
                self.stop_for(Then::Exit, now);
                self.report_stopped("a signal to the daemon manager");
            }
        }
    }

    fn stop_then(&mut self, then: Then, client: Client, reply: Reply, now: Duration) {
        self.stop_for(then, now);
        if then != Then::Spawn {
            self.report_stopped("another request");
        }
        self.reply(client, reply);
    }

    fn report_stopped(&mut self, by: &'static str) {
        if !std::mem::replace(&mut self.reported, true) {
            self.actions.push(Action::ReportStopped(by));
        }
    }

    /// Sends SIGTERM on behalf of `then`. A stop that is under way keeps its deadline: a second one must not put
    /// SIGKILL off.
    fn stop_for(&mut self, then: Then, now: Duration) {
        self.actions.extend(self.test.abandon());
        match &mut self.phase {
            Phase::Up { pid, .. } => {
                let group = *pid;
                let timeout = self.policy.stop_timeout;
                let kill_at = (!timeout.is_zero()).then(|| now.saturating_add(timeout));
                self.phase = Phase::Stopping { group, leader: true, kill_at, kills: 0, then };
                self.actions.push(Action::Terminate(group));
            }
            Phase::Stopping { group, then: old, .. } => {
                *old = then;
                self.actions.push(Action::Terminate(*group));
            }
            _ => {}
        }
    }

    /// Answers a request that comes while the manager is on its way out.
    pub(super) fn refuse_at_end(&mut self, event: &Event) {
        match event {
            Event::Start(client) | Event::Restart(client) => {
                self.reply(*client, Reply::NotStarted(Reply::EXITING.to_owned()));
            }
            Event::Stop(client) => self.reply(*client, Reply::AlreadyStopped),
            Event::Exit(client) => self.reply(*client, Reply::ExitingNow),
            Event::Kill(client, _) => self.reply(*client, Reply::NotRunning),
            _ => {}
        }
    }
}
