//! Waiting for descriptors with a time limit (poll(2)).

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::memory::release_unused;

/// What is waited for on one descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, or a caller to accept.
    Read,
    /// Room to write.
    Write,
}

/// After so long without an event [`wait_at_rest`] gives memory back.
const REST_AFTER: Duration = Duration::from_secs(1);

/// Waits until one of `watched` is ready (an error or a hang-up counts) or `limit` is over; says which are ready, in
/// the same order. `None` waits without limit.
///
/// # Errors
/// Those of poll(2); an interruption reads as "none is ready".
pub fn wait(watched: &[(BorrowedFd<'_>, Interest)], limit: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut polled = to_poll(watched);
    let outcome = poll(&mut polled, timeout(limit));
    which(&polled, outcome)
}

/// As [`wait`], for a process that may wait for years: when nothing has happened for a second it gives memory back. Any
/// code that ran between that and the wait would have its pages in memory again.
///
/// # Errors
/// As [`wait`].
pub fn wait_at_rest(
    watched: &[(BorrowedFd<'_>, Interest)],
    limit: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let mut polled = to_poll(watched);
    let first = limit.map_or(REST_AFTER, |limit| limit.min(REST_AFTER));
    let second = timeout(limit.map(|limit| limit.saturating_sub(first)));
    let mut outcome = poll(&mut polled, timeout(Some(first)));
    if outcome == Ok(0) && second != PollTimeout::ZERO {
        release_unused();
        outcome = poll(&mut polled, second);
    }
    which(&polled, outcome)
}

fn to_poll<'a>(watched: &[(BorrowedFd<'a>, Interest)]) -> Vec<PollFd<'a>> {
    let one = |(descriptor, interest): &(BorrowedFd<'a>, Interest)| {
        let flags = if *interest == Interest::Read { PollFlags::POLLIN } else { PollFlags::POLLOUT };
        PollFd::new(*descriptor, flags)
    };
    watched.iter().map(one).collect()
}

fn which(polled: &[PollFd<'_>], outcome: nix::Result<i32>) -> io::Result<Vec<bool>> {
    match outcome {
        Ok(_) => Ok(polled.iter().map(|one| one.any().unwrap_or(true)).collect()),
        Err(Errno::EINTR) => Ok(vec![false; polled.len()]),
        Err(error) => Err(error.into()),
    }
}

/// Whole milliseconds, rounded up: waking before the time would mean spinning until it has come.
fn timeout(limit: Option<Duration>) -> PollTimeout {
    let Some(limit) = limit else { return PollTimeout::NONE };
    let milliseconds = limit.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_millisecond_is_rounded_up() {
        assert_eq!(timeout(Some(Duration::from_micros(1))), PollTimeout::from(1_u8));
        assert_eq!(timeout(Some(Duration::ZERO)), PollTimeout::ZERO);
        assert_eq!(timeout(Some(Duration::MAX)), PollTimeout::MAX);
        assert_eq!(timeout(None), PollTimeout::NONE);
    }
}
