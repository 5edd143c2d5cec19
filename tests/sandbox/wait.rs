//! Waiting for a condition: the only place where tests sleep.

use std::time::{Duration, Instant};

/// Returns as soon as the condition holds.
///
/// # Panics
/// When the deadline passes first.
#[track_caller]
pub(crate) fn eventually(deadline: Duration, mut condition: impl FnMut() -> bool) {
    eventually_some(deadline, || condition().then_some(()));
}

/// Returns what the attempt yields as soon as it yields something.
///
/// # Panics
/// When the deadline passes first.
#[track_caller]
pub(crate) fn eventually_some<T>(deadline: Duration, attempt: impl FnMut() -> Option<T>) -> T {
    match poll(deadline, attempt) {
        Some(found) => found,
        None => panic!("still waiting after {deadline:?}"),
    }
}

/// Attempts until something comes of it, or the deadline passes: `None`. There is always one attempt.
pub(crate) fn poll<T>(deadline: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    // Quick things are seen quickly; slow ones do not cost a processor.
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = attempt() {
            return Some(found);
        }
        let now = Instant::now();
        if now >= end {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "this is the wait for a condition with a deadline")]
        std::thread::sleep(pause.min(end - now));
        pause = (pause * 3 / 2).min(Duration::from_millis(50));
    }
}
