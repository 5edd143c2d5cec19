//! What clients, and signals to the manager, ask for.

use std::time::Duration;

use super::{Action, Client, Event, Origin, Phase, State, Then};
use crate::control::Reply;
use crate::eventlog::Level;

impl State {
    pub(super) fn spawn(&mut self, origin: Origin) -> Vec<Action> {
        self.phase = Phase::Spawning(origin);
        vec![Action::Spawn]
    }

    pub(super) fn end(&mut self, status: u8) -> Vec<Action> {
        self.phase = Phase::Ended(status);
        vec![Action::Log(Level::INFO, "Exiting".to_owned())]
    }

    pub(super) fn end_or_stay(&mut self) -> Vec<Action> {
        if self.policy.hang_around {
            self.phase = Phase::Down;
            return Vec::new();
        }
        self.end(0)
    }

    pub(super) fn start(&mut self, client: Client) -> Vec<Action> {
        self.backoff = Duration::ZERO;
        match &mut self.phase {
            Phase::Down => self.spawn(Origin::Down(client)),
            Phase::Waiting { .. } => self.spawn(Origin::Waiting(client)),
            Phase::Stopping { then: Then::Begin, .. } => vec![Action::Reply(client, Reply::RestartSent)],
            Phase::Stopping { then, .. } => {
                // SIGTERM is out: the program will end, so a start now can only mean "and run it again".
                *then = Then::Spawn;
                vec![Action::Reply(client, Reply::RestartSent)]
            }
            Phase::Up { .. } | Phase::Spawning(_) | Phase::Ended(_) => {
                vec![Action::Reply(client, Reply::AlreadyStarted)]
            }
        }
    }

    pub(super) fn restart(&mut self, client: Client, now: Duration) -> Vec<Action> {
        self.backoff = Duration::ZERO;
        match self.phase {
            Phase::Down | Phase::Waiting { .. } => self.start(client),
            _ => self.stop_then(Then::Spawn, client, Reply::RestartSent, now),
        }
    }

    pub(super) fn stop(&mut self, client: Client, now: Duration) -> Vec<Action> {
        self.backoff = Duration::ZERO;
        match self.phase {
            Phase::Down | Phase::Waiting { .. } => {
                let mut actions = vec![Action::Reply(client, Reply::AlreadyStopped)];
                actions.extend(self.end_or_stay());
                actions
            }
            _ => self.stop_then(Then::Down, client, Reply::StopSent, now),
        }
    }

    pub(super) fn exit(&mut self, client: Client, now: Duration) -> Vec<Action> {
        match self.phase {
            Phase::Down | Phase::Waiting { .. } => {
                let mut actions = vec![Action::Reply(client, Reply::ExitingNow)];
                actions.extend(self.end(0));
                actions
            }
            _ => self.stop_then(Then::Exit, client, Reply::ExitSent, now),
        }
    }

    pub(super) fn terminate(&mut self, now: Duration) -> Vec<Action> {
        match self.phase {
            Phase::Down | Phase::Waiting { .. } => self.end(0),
            _ => self.stop_for(Then::Exit, now),
        }
    }

    pub(super) fn stop_then(
        &mut self,
        then: Then,
        client: Client,
        reply: Reply,
        now: Duration,
    ) -> Vec<Action> {
        let mut actions = self.stop_for(then, now);
        actions.push(Action::Reply(client, reply));
        actions
    }

    /// Sends SIGTERM on behalf of `then`. A stop that is under way keeps its deadline: a second one must not put
    /// SIGKILL off.
    pub(super) fn stop_for(&mut self, then: Then, now: Duration) -> Vec<Action> {
        let mut actions = self.test.abandon();
        match &mut self.phase {
            Phase::Up { pid, .. } => {
                let group = *pid;
                let timeout = self.policy.stop_timeout;
                let kill_at = (!timeout.is_zero()).then(|| now.saturating_add(timeout));
                self.phase = Phase::Stopping { group, leader: true, kill_at, kills: 0, then };
                actions.push(Action::Terminate(group));
            }
            Phase::Stopping { group, then: old, .. } => {
                *old = then;
                actions.push(Action::Terminate(*group));
            }
            _ => {}
        }
        actions
    }
}

/// Requests that come while the manager is on its way out.
pub(super) fn refuse_at_end(event: &Event) -> Vec<Action> {
    match event {
        Event::Start(client) | Event::Restart(client) => {
            vec![Action::Reply(*client, Reply::NotStarted(Reply::EXITING.to_owned()))]
        }
        Event::Stop(client) => vec![Action::Reply(*client, Reply::AlreadyStopped)],
        Event::Exit(client) => vec![Action::Reply(*client, Reply::ExitingNow)],
        Event::Kill(client, _) => vec![Action::Reply(*client, Reply::NotRunning)],
        _ => Vec::new(),
    }
}
