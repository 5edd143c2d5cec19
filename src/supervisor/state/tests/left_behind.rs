//! Those whom the program leaves behind when it ends.

use super::*;

#[test]
fn those_who_left_the_group_are_asked_to_end_after_the_program() {
    let mut state = up(policy());
    state.step(Event::Stop(1), seconds(1));
    let actions = state.step(Event::Died(Ended::Exited(0)), seconds(2));
    assert_eq!(actions, [log(Level::INFO, "pid 100: exit status 0"), Action::TerminateStragglers(100)]);
    assert_eq!(state.step(Event::Due, seconds(7))[1], Action::Kill(100));
}

#[test]
fn what_is_left_behind_cannot_hold_a_stop_up_for_ever() {
    let mut state = up(policy());
    state.step(Event::Stop(1), seconds(1));
    state.step(Event::Died(Ended::Exited(0)), seconds(2));
    let mut kills = 0;
    while let Some(due) = state.deadline() {
        kills += state.step(Event::Due, due).iter().filter(|action| **action == Action::Kill(100)).count();
    }
    assert_eq!((kills, state.ended()), (10, Some(0)));
}

#[test]
fn what_a_crash_left_behind_is_ended_before_the_next_start() {
    let crash = Event::DiedLeaving(Ended::Killed(9, false));
    let logged = log(Level::INFO, "pid 100: terminated by SIGKILL; ending what it left behind");
    // (when it crashes, what follows when all are gone two seconds later)
    for (at, next) in
        [(20, vec![Action::Spawn]), (5, vec![log(Level::INFO, "sleep 1 to avoid rapid restarts")])]
    {
        let mut state = up(policy());
        let actions = state.step(crash.clone(), seconds(at));
        assert_eq!(actions, [logged.clone(), Action::Terminate(100), Action::TerminateStragglers(100)]);
        assert_eq!((state.pid(), state.awaited_group(), state.goal()), (None, Some(100), Goal::Up));
        assert_eq!(state.deadline(), Some(seconds(at + 5)));
        assert_eq!(state.step(Event::GroupGone, seconds(at + 2)), next);
    }
    // A stop in between is a stop.
    let mut state = up(policy());
    state.step(crash.clone(), seconds(20));
    assert_eq!(
        state.step(Event::Stop(1), seconds(21)),
        [Action::Terminate(100), Action::Reply(1, Reply::StopSent)]
    );
    state.step(Event::GroupGone, seconds(22));
    assert_eq!(state.ended(), Some(0));
}

#[test]
fn what_a_failed_first_start_left_behind_is_ended_before_the_next_try() {
    let mut state = up(Policy { start_grace: seconds(1), ..policy() });
    let actions = state.step(Event::DiedLeaving(Ended::Exited(3)), seconds(0));
    let why = "the program ended before it was up: exit status 3";
    assert!(actions.contains(&Action::Report(Err(why.to_owned()))), "{actions:?}");
    assert_eq!((state.ended(), state.goal()), (None, Goal::Up));
    state.step(Event::GroupGone, seconds(1));
    assert_eq!((state.ended(), state.deadline()), (None, Some(seconds(2))));
}

#[test]
fn what_is_left_at_an_end_that_ends_the_manager_is_left_alone() {
    let mut state = up(policy());
    let actions = state.step(Event::DiedLeaving(Ended::Exited(0)), seconds(20));
    assert_eq!(actions, [log(Level::INFO, "pid 100: exit status 0; exiting now")]);
    assert_eq!(state.ended(), Some(0));
}

#[test]
fn what_an_earlier_program_left_behind_is_ended_before_the_first_start() {
    let mut state = State::new(Policy { start_grace: seconds(1), ..policy() });
    let logged = log(Level::WARNING, "pid 90: gone; ending what it left behind");
    let actions = state.step(Event::BeginAfter(90), seconds(0));
    assert_eq!(actions, [logged, Action::Terminate(90), Action::TerminateStragglers(90)]);
    assert_eq!((state.pid(), state.awaited_group(), state.goal()), (None, Some(90), Goal::Up));
    // It starts anyway.
    assert_eq!(state.step(Event::Start(1), seconds(1)), [Action::Reply(1, Reply::RestartSent)]);
    assert_eq!(state.step(Event::Due, seconds(5))[1], Action::Kill(90));
    assert_eq!(state.step(Event::GroupGone, seconds(6)), [Action::Spawn]);
    state.step(Event::Spawned(100), seconds(6));
    // It is the manager's first start: a failure is reported.
    let actions = state.step(Event::Died(Ended::Exited(3)), seconds(6));
    let why = "the program ended before it was up: exit status 3";
    assert!(actions.contains(&Action::Report(Err(why.to_owned()))), "{actions:?}");
    assert_eq!((state.ended(), state.goal()), (None, Goal::Up));
}

#[test]
fn what_an_earlier_program_left_behind_and_cannot_be_ended_keeps_the_next_from_starting() {
    // (a client's request, whether it then ends without a refusal, as nothing is to be started)
    for (request, is_stop) in [(None, false), (Some(Event::Start(1)), false), (Some(Event::Stop(1)), true)] {
        let mut state = State::new(policy());
        state.step(Event::BeginAfter(90), seconds(0));
        state.step(request.unwrap_or(Event::Ready), seconds(1));
        let mut actions = Vec::new();
        while let Some(due) = state.deadline() {
            actions = state.step(Event::Due, due);
        }
        assert!(actions.contains(&Action::Refuse(90)) != is_stop, "{actions:?}");
        assert_eq!(state.ended(), Some(u8::from(!is_stop)));
    }
}
