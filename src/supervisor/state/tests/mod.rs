//! The cells of the table in the state machine's theory, one claim each.

mod histories;
mod left_behind;

use std::time::Duration;

use super::*;
use crate::sys::process::Ended;

fn policy() -> Policy {
    Policy {
        backoff_limit: Duration::from_secs(10),
        forever: false,
        exit_codes: vec![0, 2],
        stop_timeout: Duration::from_secs(300),
        hang_around: false,
        start_test: false,
        start_grace: Duration::ZERO,
        notify: false,
        pass_status: false,
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A manager whose program 100 runs since second 0.
fn up(policy: Policy) -> State {
    let mut state = State::new(policy);
    assert_eq!(state.step(Event::Begin, seconds(0)), [Action::Spawn]);
    state.step(Event::Spawned(100), seconds(0));
    state
}

fn log(level: Level, text: &str) -> Action {
    Action::Log(level, text.to_owned())
}

#[test]
fn first_start_is_reported_to_the_starter() {
    let mut state = State::new(policy());
    state.step(Event::Begin, seconds(0));
    let actions = state.step(Event::Spawned(7), seconds(0));
    assert_eq!(actions, [log(Level::INFO, "spawned process pid=7"), Action::Report(Ok(7))]);
    assert_eq!((state.pid(), state.goal()), (Some(7), Goal::Up));
}

#[test]
fn first_start_that_cannot_work_is_reported_and_tried_again() {
    let mut state = State::new(Policy { backoff_limit: seconds(2), ..policy() });
    state.step(Event::Begin, seconds(0));
    let failed = || Event::SpawnFailed { reason: "no such file".to_owned(), lasting: true };
    let actions = state.step(failed(), seconds(0));
    assert!(actions.contains(&Action::Report(Err("no such file".to_owned()))), "{actions:?}");
    assert_eq!((state.ended(), state.deadline()), (None, Some(seconds(1))));
    assert_eq!(state.step(Event::Due, seconds(1)), [Action::Spawn]);
    let actions = state.step(failed(), seconds(1));
    let gave_up = Action::Report(Err("restarting too frequently; quit".to_owned()));
    assert!(actions.contains(&gave_up), "{actions:?}");
    assert_eq!(state.ended(), Some(1));
}

#[test]
fn shortage_at_the_first_start_is_waited_out() {
    let mut state = State::new(Policy { backoff_limit: seconds(2), ..policy() });
    state.step(Event::Begin, seconds(0));
    for now in [0, 10, 20, 30] {
        let failed = Event::SpawnFailed { reason: "no process".to_owned(), lasting: false };
        state.step(failed, seconds(now));
        assert_eq!(state.ended(), None);
        let due = state.deadline().unwrap();
        assert!(due > seconds(now) && due <= seconds(now + 2));
        assert_eq!(state.step(Event::Due, due), [Action::Spawn]);
    }
}

#[test]
fn quick_deaths_wait_longer_each_time_then_give_up() {
    let mut state = up(Policy { backoff_limit: seconds(3), ..policy() });
    let mut now = seconds(0);
    for (n, pause) in [(1, 1), (2, 2)] {
        let actions = state.step(Event::Died(Ended::Exited(1)), now);
        let logged = format!("sleep {pause} to avoid rapid restarts");
        assert_eq!(actions[1..], [log(Level::INFO, &logged)]);
        assert_eq!(state.deadline(), Some(now + seconds(pause)));
        now += seconds(pause);
        assert_eq!(state.step(Event::Due, now), [Action::Spawn]);
        state.step(Event::Spawned(100 + n), now);
    }
    let actions = state.step(Event::Died(Ended::Killed(11, true)), now);
    assert_eq!(actions[0], log(Level::INFO, "pid 102: terminated by SIGSEGV (core dumped)"));
    assert_eq!(actions[1], log(Level::CRITICAL, "restarting too frequently; quit"));
    assert_eq!(state.ended(), Some(1));
}

#[test]
fn forever_stays_at_the_limit() {
    let mut state = up(Policy { backoff_limit: seconds(2), forever: true, ..policy() });
    let mut now = seconds(0);
    for pause in [1, 2, 2, 2] {
        state.step(Event::Died(Ended::Exited(1)), now);
        assert_eq!(state.backoff(), seconds(pause));
        now += seconds(pause);
        state.step(Event::Due, now);
        state.step(Event::Spawned(5), now);
    }
}

#[test]
fn long_run_clears_the_back_off_and_restarts_at_once() {
    let mut state = up(policy());
    state.step(Event::Died(Ended::Exited(1)), seconds(1));
    state.step(Event::Due, seconds(2));
    state.step(Event::Spawned(101), seconds(2));
    let actions = state.step(Event::Died(Ended::Exited(1)), seconds(12));
    assert_eq!(actions, [log(Level::INFO, "pid 101: exit status 1"), Action::Spawn]);
    assert_eq!(state.backoff(), Duration::ZERO);
}

#[test]
fn limit_zero_restarts_for_ever_but_never_in_a_tight_loop() {
    let mut state = up(Policy { backoff_limit: Duration::ZERO, ..policy() });
    let mut now = seconds(0);
    for n in 0..50 {
        state.step(Event::Died(Ended::Exited(1)), now);
        assert_eq!(state.deadline(), Some(now + MIN_RESTART_INTERVAL));
        now += MIN_RESTART_INTERVAL;
        assert_eq!(state.step(Event::Due, now), [Action::Spawn]);
        state.step(Event::Spawned(200 + n), now);
    }
}

#[test]
fn listed_exit_status_ends_the_manager_with_it() {
    let mut state = up(policy());
    let actions = state.step(Event::Died(Ended::Exited(2)), seconds(1));
    assert_eq!(actions, [log(Level::INFO, "pid 100: exit status 2; exiting now")]);
    assert_eq!(state.ended(), Some(2));
}

#[test]
fn death_by_signal_is_listed_as_minus_one() {
    let mut state = up(Policy { exit_codes: vec![-1], ..policy() });
    state.step(Event::Died(Ended::Killed(9, false)), seconds(1));
    assert_eq!(state.ended(), Some(255));
}

#[test]
fn stop_waits_for_the_whole_group_then_ends_the_manager() {
    let mut state = up(policy());
    let actions = state.step(Event::Stop(1), seconds(20));
    assert_eq!(actions, [Action::Terminate(100), Action::Reply(1, Reply::StopSent)]);
    assert_eq!((state.pid(), state.goal()), (Some(100), Goal::Down));
    state.step(Event::Died(Ended::Killed(15, false)), seconds(21));
    assert_eq!((state.pid(), state.awaited_group(), state.ended()), (None, Some(100), None));
    assert_eq!(state.deadline(), Some(seconds(26)));
    assert_eq!(state.step(Event::GroupGone, seconds(22)), [log(Level::INFO, "Exiting")]);
    assert_eq!(state.ended(), Some(0));
}

#[test]
fn stop_escalates_at_its_timeout_and_again_until_it_is_over() {
    let mut state = up(Policy { stop_timeout: seconds(5), ..policy() });
    state.step(Event::Stop(1), seconds(10));
    assert_eq!(state.deadline(), Some(seconds(15)));
    assert_eq!(state.step(Event::Due, seconds(14)), []);
    assert_eq!(state.step(Event::Due, seconds(15))[1], Action::Kill(100));
    assert_eq!(state.deadline(), Some(seconds(16)));
    assert_eq!(state.step(Event::Due, seconds(16))[1], Action::Kill(100));
}

#[test]
fn second_stop_does_not_put_the_kill_off() {
    let mut state = up(Policy { stop_timeout: seconds(5), ..policy() });
    state.step(Event::Stop(1), seconds(10));
    let actions = state.step(Event::Stop(2), seconds(14));
    assert_eq!(actions, [Action::Terminate(100), Action::Reply(2, Reply::StopSent)]);
    assert_eq!(state.deadline(), Some(seconds(15)));
}

#[test]
fn stop_timeout_zero_never_kills_a_program_that_lives() {
    let mut state = up(Policy { stop_timeout: Duration::ZERO, ..policy() });
    state.step(Event::Stop(1), seconds(10));
    assert_eq!(state.deadline(), None);
}

#[test]
fn start_during_a_stop_becomes_a_restart() {
    let mut state = up(policy());
    state.step(Event::Stop(1), seconds(1));
    assert_eq!(state.step(Event::Start(2), seconds(1)), [Action::Reply(2, Reply::RestartSent)]);
    state.step(Event::Died(Ended::Exited(0)), seconds(2));
    assert_eq!(state.step(Event::GroupGone, seconds(2)), [Action::Spawn]);
}

#[test]
fn stop_during_a_back_off_stops() {
    let mut state = up(policy());
    state.step(Event::Died(Ended::Exited(1)), seconds(1));
    let actions = state.step(Event::Stop(3), seconds(1));
    assert_eq!(actions, [Action::Reply(3, Reply::AlreadyStopped), log(Level::INFO, "Exiting")]);
    assert_eq!(state.ended(), Some(0));
}

#[test]
fn restart_runs_the_program_again_without_a_back_off() {
    let mut state = up(policy());
    let actions = state.step(Event::Restart(4), seconds(1));
    assert_eq!(actions, [Action::Terminate(100), Action::Reply(4, Reply::RestartSent)]);
    state.step(Event::Died(Ended::Exited(0)), seconds(1));
    assert_eq!(state.step(Event::GroupGone, seconds(1)), [Action::Spawn]);
    let actions = state.step(Event::Spawned(101), seconds(1));
    assert_eq!(actions, [log(Level::INFO, "spawned process pid=101"), Action::Report(Ok(101))]);
}

#[test]
fn hang_around_keeps_the_manager_without_a_program() {
    let mut state = up(Policy { hang_around: true, ..policy() });
    state.step(Event::Stop(1), seconds(1));
    state.step(Event::Died(Ended::Exited(0)), seconds(1));
    state.step(Event::GroupGone, seconds(1));
    assert_eq!((state.ended(), state.pid(), state.goal()), (None, None, Goal::Down));
    assert_eq!(state.step(Event::Start(2), seconds(2)), [Action::Spawn]);
    let failed = Event::SpawnFailed { reason: "gone".to_owned(), lasting: true };
    let actions = state.step(failed, seconds(2));
    assert_eq!(actions[1], Action::Reply(2, Reply::NotStarted("gone".to_owned())));
    assert_eq!(state.step(Event::Exit(3), seconds(3))[0], Action::Reply(3, Reply::ExitingNow));
    assert_eq!(state.ended(), Some(0));
}

#[test]
fn signal_to_the_manager_stops_the_program_first() {
    let mut state = up(policy());
    assert_eq!(state.step(Event::Terminate, seconds(1)), [Action::Terminate(100)]);
    assert_eq!((state.goal(), state.ended()), (Goal::Exiting, None));
    state.step(Event::Died(Ended::Killed(15, false)), seconds(1));
    state.step(Event::GroupGone, seconds(1));
    assert_eq!(state.ended(), Some(0));
}

#[test]
fn first_process_of_a_container_ends_as_its_program_did() {
    for (end, status) in [(Ended::Exited(0), 0), (Ended::Exited(7), 7), (Ended::Killed(15, false), 143)] {
        let mut state = up(Policy { pass_status: true, ..policy() });
        state.step(Event::Terminate, seconds(1));
        state.step(Event::Died(end), seconds(1));
        state.step(Event::GroupGone, seconds(1));
        assert_eq!(state.ended(), Some(status));
    }
    let mut state = up(Policy { pass_status: true, backoff_limit: seconds(1), ..policy() });
    state.step(Event::Died(Ended::Killed(9, false)), seconds(0));
    assert_eq!(state.ended(), Some(137));
}

#[test]
fn start_test_repeats_until_it_passes_and_dies_with_the_program() {
    let mut state = State::new(Policy { start_test: true, ..policy() });
    state.step(Event::Begin, seconds(0));
    assert_eq!(state.step(Event::Spawned(100), seconds(0)).last(), Some(&Action::StartTest));
    assert_eq!(state.up(), None);
    state.step(Event::TestStarted(50), seconds(0));
    state.step(Event::TestEnded { passed: false }, seconds(0));
    assert!(state.testing());
    assert_eq!(state.step(Event::Due, seconds(1)), [Action::StartTest]);
    state.step(Event::TestStarted(51), seconds(1));
    assert_eq!(state.step(Event::Stop(1), seconds(2))[0], Action::KillTest(51));
    assert!(!state.testing());
}

#[test]
fn start_test_that_cannot_run_fails_the_start_at_once_and_is_tried_again() {
    for lasting in [true, false] {
        let mut state = State::new(Policy { start_test: true, ..policy() });
        state.step(Event::Begin, seconds(0));
        state.step(Event::Spawned(100), seconds(0));
        let not_run = || Event::TestNotStarted { reason: "no such file".to_owned(), lasting };
        let actions = state.step(not_run(), seconds(0));
        assert_eq!(actions[0], log(Level::CRITICAL, "no such file"));
        let report = Action::Report(Err("no such file".to_owned()));
        assert_eq!(actions.contains(&report), lasting, "a shortage may be over soon");
        state.step(Event::Due, seconds(1));
        assert_eq!(state.step(not_run(), seconds(1)), []);
        assert_eq!((state.testing(), state.pid()), (true, Some(100)));
    }
}

#[test]
fn start_counts_when_the_grace_is_over() {
    let mut state = State::new(Policy { start_grace: seconds(1), ..policy() });
    state.step(Event::Begin, seconds(0));
    assert_eq!(state.step(Event::Spawned(7), seconds(0)), [log(Level::INFO, "spawned process pid=7")]);
    assert_eq!((state.up(), state.deadline()), (None, Some(seconds(1))));
    assert_eq!(state.step(Event::Due, seconds(1)), [Action::Report(Ok(7))]);
    assert_eq!((state.up(), state.deadline()), (Some(7), None));
}

#[test]
fn start_counts_at_once_when_the_program_says_that_it_is_ready() {
    let mut state = State::new(Policy { start_grace: seconds(1), ..policy() });
    state.step(Event::Begin, seconds(0));
    state.step(Event::Spawned(7), seconds(0));
    assert_eq!(state.step(Event::Ready, seconds(0)), [Action::Report(Ok(7))]);
    assert_eq!(state.step(Event::Ready, seconds(0)), []);
}

#[test]
fn program_that_asks_for_time_gets_it_within_its_grace() {
    let mut state = State::new(Policy { start_grace: seconds(1), ..policy() });
    state.step(Event::Begin, seconds(0));
    state.step(Event::Spawned(7), seconds(0));
    assert_eq!(state.step(Event::NeedsTime(seconds(60)), seconds(0)), []);
    assert_eq!((state.up(), state.deadline()), (None, Some(seconds(60))));
    assert_eq!(state.step(Event::NeedsTime(seconds(1)), seconds(10)), []);
    assert_eq!(state.deadline(), Some(seconds(60)));
    assert_eq!(state.step(Event::Ready, seconds(20)), [Action::Report(Ok(7))]);
    assert_eq!(state.step(Event::NeedsTime(seconds(60)), seconds(21)), []);
    assert_eq!((state.up(), state.deadline()), (Some(7), None));
}

#[test]
fn program_that_is_to_say_when_it_is_ready_is_waited_for() {
    let mut state = State::new(Policy { notify: true, start_grace: seconds(1), ..policy() });
    state.step(Event::Begin, seconds(0));
    state.step(Event::Spawned(7), seconds(0));
    assert_eq!((state.up(), state.deadline()), (None, None));
    assert_eq!(state.step(Event::Ready, seconds(100)), [Action::Report(Ok(7))]);
}

#[test]
fn first_start_that_does_not_come_up_is_reported_once_and_tried_again_up_to_the_limit() {
    for forever in [false, true] {
        let policy = Policy { start_grace: seconds(1), backoff_limit: seconds(3), forever, ..policy() };
        let mut state = State::new(policy);
        state.step(Event::Begin, seconds(0));
        state.step(Event::Spawned(7), seconds(0));
        let actions = state.step(Event::Died(Ended::Exited(1)), seconds(0));
        let why = "the program ended before it was up: exit status 1";
        assert_eq!(actions.last(), Some(&Action::Report(Err(why.to_owned()))));
        for due in [1, 3] {
            assert_eq!((state.ended(), state.deadline()), (None, Some(seconds(due))));
            assert_eq!(state.step(Event::Due, seconds(due)), [Action::Spawn]);
            state.step(Event::Spawned(7), seconds(due));
            let actions = state.step(Event::Died(Ended::Exited(1)), seconds(due));
            assert!(!actions.contains(&Action::Report(Err(why.to_owned()))), "{actions:?}");
        }
        assert_eq!(state.ended(), (!forever).then_some(1));
    }
}

#[test]
fn first_start_that_ends_with_a_listed_status_ends_the_manager_with_it() {
    for status in [0, 2] {
        let mut state = State::new(Policy { start_grace: seconds(1), forever: true, ..policy() });
        state.step(Event::Begin, seconds(0));
        state.step(Event::Spawned(7), seconds(0));
        let actions = state.step(Event::DiedLeaving(Ended::Exited(status)), seconds(0));
        assert!(matches!(actions.last(), Some(Action::Report(Err(_)))), "{actions:?}");
        assert_eq!(state.ended(), Some(status));
    }
}

#[test]
fn start_that_comes_up_at_a_later_try_counts() {
    let mut state = State::new(Policy { start_grace: seconds(1), ..policy() });
    state.step(Event::Begin, seconds(0));
    state.step(Event::Spawned(7), seconds(0));
    state.step(Event::Died(Ended::Exited(1)), seconds(0));
    state.step(Event::Due, seconds(1));
    state.step(Event::Spawned(8), seconds(1));
    assert_eq!(state.step(Event::Due, seconds(2)), [Action::Report(Ok(8))]);
}

#[test]
fn start_in_a_back_off_of_the_first_start_is_at_once() {
    let mut state = State::new(Policy { start_grace: seconds(1), ..policy() });
    state.step(Event::Begin, seconds(0));
    state.step(Event::Spawned(7), seconds(0));
    state.step(Event::Died(Ended::Exited(1)), seconds(0));
    assert_eq!(state.step(Event::Start(1), seconds(0)), [Action::Spawn]);
    assert_eq!(state.backoff(), Duration::ZERO);
}

#[test]
fn first_start_that_is_stopped_is_reported_as_that() {
    for (event, by) in [
        (Event::Stop(1), Some("another request")),
        (Event::Exit(1), Some("another request")),
        (Event::Terminate, Some("a signal to the daemon manager")),
        // It is still a start.
        (Event::Restart(1), None),
    ] {
        let mut state = State::new(Policy { start_grace: seconds(1), ..policy() });
        state.step(Event::Begin, seconds(0));
        state.step(Event::Spawned(7), seconds(0));
        let actions = state.step(event, seconds(0));
        let reported = actions.iter().find_map(|action| match action {
            Action::ReportStopped(by) => Some(*by),
            _ => None,
        });
        assert_eq!(reported, by);
    }
    let mut state = up(policy());
    let actions = state.step(Event::Stop(1), seconds(1));
    assert!(!actions.iter().any(|action| matches!(action, Action::ReportStopped(_))), "{actions:?}");
}

#[test]
fn later_start_that_does_not_come_up_is_a_crash() {
    let mut state = up(Policy { start_grace: seconds(1), ..policy() });
    state.step(Event::Due, seconds(1));
    state.step(Event::Died(Ended::Exited(1)), seconds(1));
    assert_eq!(state.step(Event::Due, seconds(2)), [Action::Spawn]);
    state.step(Event::Spawned(101), seconds(2));
    state.step(Event::Died(Ended::Exited(1)), seconds(2));
    assert_eq!((state.ended(), state.backoff(), state.restarts()), (None, seconds(2), 1));
}

#[test]
fn adopted_program_is_supervised_like_any_other() {
    let mut state = State::new(policy());
    let actions = state.step(Event::Adopt(55), seconds(5));
    assert_eq!(actions, [log(Level::INFO, "adopted process pid=55"), Action::Report(Ok(55))]);
    state.step(Event::Died(Ended::Unseen), seconds(6));
    assert_eq!(state.deadline(), Some(seconds(7)));
}

#[test]
fn every_request_is_answered_at_the_end_too() {
    let mut state = up(policy());
    state.step(Event::Died(Ended::Exited(0)), seconds(1));
    for event in [Event::Start(1), Event::Stop(1), Event::Restart(1), Event::Exit(1), Event::Kill(1, 9)] {
        let actions = state.step(event, seconds(1));
        assert!(matches!(actions[..], [Action::Reply(1, _)]), "{actions:?}");
    }
}
