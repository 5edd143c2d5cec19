//! Many at once.

use super::*;

const DOWN: &str = "daemon manager not running\n";

#[test]
fn fifty_starts_at_once_give_one_program_and_as_many_true_answers() {
    let sandbox = Sandbox::new();
    let starts: Vec<_> = (0..50).map(|_| zdctl(&sandbox, SLEEP).arg("start").spawn()).collect();
    let outcomes: Vec<_> = starts.into_iter().map(|start| start.wait(SOON)).collect();
    let pid = outcomes.first().expect("there are some").pid();
    let started = format!("daemon process started, pid={pid}\n");
    let running = format!("daemon process already running; pid={pid}\n");
    for outcome in &outcomes {
        assert!([&started, &running].contains(&&outcome.stdout), "{outcome:?}");
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{outcome:?}");
    }
    let first = |outcome: &&crate::sandbox::run::Outcome| outcome.stdout.ends_with(&started);
    assert_eq!(outcomes.iter().filter(first).count(), 1);
    // Those who lost have told of that before they have gone.
    let managers = || sandbox.leftovers().iter().filter(|process| process.contains("zdrun")).count();
    eventually(SOON, || managers() == 1);
    zdctl(&sandbox, SLEEP).arg("stop").stdout("daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn fifty_starts_of_a_program_that_ends_at_once_all_say_so() {
    let sandbox = Sandbox::new();
    let zdctl = || configured(&sandbox, "  program sh -c 'echo port in use; exit 3'\n  start-grace 60");
    let starts: Vec<_> = (0..50).map(|_| zdctl().arg("start").spawn()).collect();
    for start in starts {
        let outcome = start.wait(SOON);
        let why = "zdctl: program not started: the program ended before it was up: exit status 3\n\
            zdctl:   port in use\nzdctl:   (the daemon manager keeps trying, next [..]; stop ends it)\n";
        assert!((outcome.status, matches(why, &outcome.stderr)) == (1, true), "{outcome:?}");
    }
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn storm_of_starts_stops_and_restarts_ends_in_one_state_of_which_all_agree() {
    let sandbox = Sandbox::new();
    let zdctl = || configured(&sandbox, "  program sleep 1000\n  start-grace 0");
    for _ in 0..3 {
        let actions = ["start", "stop", "restart", "status"].repeat(6);
        let storm: Vec<_> = actions.iter().map(|action| (action, zdctl().arg(action).spawn())).collect();
        for (action, running) in storm {
            let outcome = running.wait(SOON);
            let stopped = "zdctl: program not started: it was stopped by another request\n";
            let gone = format!("zdctl: {DOWN}");
            let expected = match (*action, outcome.status) {
                ("start" | "restart", 1) => {
                    outcome.stdout.is_empty() && [stopped, &gone].contains(&&*outcome.stderr)
                }
                (_, 0) | ("status", 3) => outcome.stderr.is_empty(),
                _ => false,
            };
            assert!(expected, "{action}: {outcome:?}");
        }
        let count = |name: &str| sandbox.leftovers().iter().filter(|process| process.contains(name)).count();
        let running = zdctl().arg("status").output();
        match running.status {
            0 => eventually(SOON, || (count("zdrun"), count("sleep 1000")) == (1, 1)),
            _ => sandbox.assert_no_process_left(),
        }
    }
    let last = zdctl().arg("stop").output();
    assert_eq!((last.status, last.stderr.as_str()), (0, ""), "{last:?}");
    sandbox.assert_no_process_left();
}
