//! ^C as a value instead of an end, and a wait that it cuts short.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGQUIT};

use super::poll::{self, Interest};

/// From its making on, SIGINT and SIGQUIT no longer end this process, and SIGINT is remembered. Programs that it starts
/// are not concerned: exec(2) gives a signal that has a handler its default action.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes over the two signals, for as long as this process lives.
    ///
    /// # Errors
    /// None is expected.
    pub fn catch() -> io::Result<Self> {
        let seen = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, Arc::clone(&seen))?;
        signal_hook::flag::register(SIGQUIT, Arc::default())?;
        Ok(Self(seen))
    }

    /// Whether SIGINT came since the last call.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Waits; a signal may end it early. For loops that ask again and again for something that reports no change.
pub fn pause(duration: Duration) {
    // An error means: not waited, and then the caller's next look says why.
    let _ = poll::wait(&[], Some(duration));
}

/// Waits until `descriptor` can be read without blocking (also at its end): true; or for so long, or for a signal: false.
///
/// # Errors
/// None is expected.
pub fn readable(descriptor: impl AsFd, duration: Duration) -> io::Result<bool> {
    Ok(poll::wait(&[(descriptor.as_fd(), Interest::Read)], Some(duration))? == [true])
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Instant;

    use super::*;

    #[test]
    fn pause_takes_its_time() {
        let begun = Instant::now();
        pause(Duration::from_millis(20));
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn data_and_the_end_are_readable_and_silence_is_not() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert!(!readable(&reader, Duration::ZERO).unwrap());
        writer.write_all(b"x").unwrap();
        assert!(readable(&reader, Duration::from_secs(30)).unwrap());
        let (reader, writer) = io::pipe().unwrap();
        drop(writer);
        assert!(readable(&reader, Duration::from_secs(30)).unwrap());
    }
}
