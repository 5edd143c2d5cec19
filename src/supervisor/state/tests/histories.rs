//! Random histories against a simulated world: what must hold whatever happens.

use proptest::prelude::*;

use super::*;

/// What may happen from outside; the rest (spawn outcomes, deaths of what was killed) the world below adds.
#[derive(Debug, Clone, Copy)]
enum Move {
    Ask(u8),
    Crash(Ended),
    CrashLeaving(Ended),
    LeaderEnds,
    GroupEnds,
    TestEnds(bool),
    Ready,
    NeedsTime(u64),
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Move> {
    let end = prop_oneof![
        any::<u8>().prop_map(Ended::Exited),
        (1..32i32, any::<bool>()).prop_map(|(signal, core)| Ended::Killed(signal, core)),
    ];
    prop_oneof![
        (0..5u8).prop_map(Move::Ask),
        end.clone().prop_map(Move::Crash),
        end.prop_map(Move::CrashLeaving),
        Just(Move::LeaderEnds),
        Just(Move::GroupEnds),
        any::<bool>().prop_map(Move::TestEnds),
        Just(Move::Ready),
        (0..400u64).prop_map(Move::NeedsTime),
        (0..400_000u64).prop_map(Move::Pass),
    ]
}

/// A world with at most one program, as the manager's loop presents it.
struct World {
    state: State,
    now: Duration,
    next_pid: i32,
    leader: Option<i32>,
    group: Option<i32>,
    test: Option<i32>,
    answers: u64,
    asked: u64,
}

impl World {
    fn happen(&mut self, event: Event, spawn_works: bool) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.state.step(event, self.now) {
                events.extend(self.carry_out(&action, spawn_works));
            }
        }
        assert!(self.state.backoff() <= self.state.policy.backoff_limit, "back-off above its limit");
        assert_eq!(self.state.pid(), self.leader, "the manager knows its program");
    }

    fn carry_out(&mut self, action: &Action, spawn_works: bool) -> Option<Event> {
        match *action {
            Action::Spawn => {
                assert_eq!((self.leader, self.group), (None, None), "a second program");
                if !spawn_works {
                    return Some(Event::SpawnFailed { reason: "no".to_owned(), lasting: true });
                }
                self.next_pid += 1;
                self.leader = Some(self.next_pid);
                self.group = self.leader;
                return Some(Event::Spawned(self.next_pid));
            }
            Action::StartTest => {
                assert_eq!(self.test, None, "a second start test");
                self.next_pid += 1;
                self.test = Some(self.next_pid);
                return Some(Event::TestStarted(self.next_pid));
            }
            Action::KillTest(pid) => {
                assert_eq!(self.test.take(), Some(pid));
            }
            Action::Terminate(group) | Action::Kill(group) => {
                assert_eq!(self.group, Some(group), "a signal to another process");
            }
            Action::TerminateStragglers(group) => {
                assert_eq!((self.leader, self.group), (None, Some(group)), "a signal to another process");
            }
            Action::Relay { pid, .. } => {
                assert_eq!(self.leader, Some(pid), "a signal to another process");
                self.answers += 1;
            }
            Action::Reply(..) => self.answers += 1,
            Action::Refuse(group) => {
                assert_eq!((self.leader, self.group.take()), (None, Some(group)));
                assert!(self.state.ended().is_some(), "a refusal is the end");
            }
            // SIGKILL did not help: what is left behind is not waited for any more.
            Action::Log(Level::WARNING, ref logged) if logged.ends_with("going on without it") => {
                self.group = None;
            }
            Action::Log(..) | Action::Report(_) | Action::ReportStopped(_) => {}
        }
        None
    }

    fn make(&mut self, a_move: Move) {
        match a_move {
            Move::Ask(which) => {
                self.asked += 1;
                let client = self.asked;
                let event = match which {
                    0 => Event::Start(client),
                    1 => Event::Stop(client),
                    2 => Event::Restart(client),
                    3 => Event::Kill(client, 1),
                    _ => Event::Exit(client),
                };
                self.happen(event, true);
            }
            Move::Crash(end) if self.leader.is_some() => self.leader_ends(end),
            Move::CrashLeaving(end) if self.leader.is_some() => {
                self.leader = None;
                self.happen(Event::DiedLeaving(end), true);
                if self.state.ended().is_some() {
                    self.group = None; // a server that forked away
                }
            }
            Move::LeaderEnds if self.leader.is_some() => self.leader_ends(Ended::Killed(15, false)),
            Move::GroupEnds if self.leader.is_none() => {
                if let Some(group) = self.state.awaited_group() {
                    assert_eq!(self.group.take(), Some(group));
                    self.happen(Event::GroupGone, true);
                }
            }
            Move::TestEnds(passed) if self.test.take().is_some() => {
                self.happen(Event::TestEnded { passed }, true);
            }
            Move::Ready => self.happen(Event::Ready, true),
            Move::NeedsTime(time) => self.happen(Event::NeedsTime(seconds(time)), true),
            Move::Pass(milliseconds) => {
                self.now += Duration::from_millis(milliseconds);
                if self.state.deadline().is_some_and(|due| due <= self.now) {
                    self.happen(Event::Due, milliseconds % 7 != 0);
                }
            }
            _ => {}
        }
    }

    fn leader_ends(&mut self, end: Ended) {
        self.leader = None;
        if self.state.goal() == Goal::Up && !matches!(self.state.phase, Phase::Stopping { .. }) {
            self.group = None;
        }
        self.happen(Event::Died(end), true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_keep_the_promises(
        history in proptest::collection::vec(moves(), 1..200),
        limit in 0..20u64,
        (forever, hang_around, start_test, notify, left) in any::<(bool, bool, bool, bool, bool)>(),
        (stop_timeout, grace) in (0..20u64, 0..3u64),
    ) {
        let policy = Policy {
            backoff_limit: seconds(limit),
            stop_timeout: seconds(stop_timeout),
            start_grace: seconds(grace),
            forever, hang_around, start_test, notify,
            ..policy()
        };
        let state = State::new(policy);
        let (now, next_pid) = (Duration::ZERO, 100);
        let group = left.then_some(99);
        let mut world = World { state, now, next_pid, leader: None, group, test: None, answers: 0, asked: 0 };
        world.happen(group.map_or(Event::Begin, Event::BeginAfter), true);
        for a_move in history {
            world.make(a_move);
            prop_assert_eq!(world.answers, world.asked, "each request is answered once, at once");
        }
        // A stop is never lost: whatever came before, it leads to no program.
        world.make(Move::Ask(1));
        world.make(Move::LeaderEnds);
        world.make(Move::GroupEnds);
        prop_assert_eq!((world.leader, world.group), (None, None));
        prop_assert!(world.state.ended().is_some() || world.state.goal() == Goal::Down);
        world.make(Move::Pass(1_000_000));
        prop_assert_eq!(world.leader, None);
    }
}
