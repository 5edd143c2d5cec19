//! Waiting for a condition: the only place where the benchmark sleeps.

use std::io;
use std::time::{Duration, Instant};

/// How long anything may take that takes no time when all is well.
pub const SOON: Duration = Duration::from_secs(30);

/// Attempts until something comes of it.
///
/// # Errors
/// `TimedOut`, naming what did not happen.
pub fn until<T>(limit: Duration, what: &str, mut attempt: impl FnMut() -> Option<T>) -> io::Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = attempt() {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no {what} after {limit:?}")));
        }
        #[expect(clippy::disallowed_methods, reason = "this is the wait for a condition with a deadline")]
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until `end`: for managers that treat a program that ran for less differently.
pub fn until_time(end: Instant) {
    let left = end.saturating_duration_since(Instant::now());
    #[expect(clippy::disallowed_methods, reason = "the passing of time is the condition")]
    std::thread::sleep(left);
}
