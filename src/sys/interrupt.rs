//! ^C as a value instead of an end, and waits that it cuts short. The action of a signal is the whole process's, and so is
//! this.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGQUIT};
use signal_hook::low_level::pipe;

use super::poll::{self, Interest};

/// Readable when SIGINT came: so one that comes in the instant before a wait ends that too.
static CAUGHT: OnceLock<UnixStream> = OnceLock::new();

/// From here on SIGINT and SIGQUIT do not end this process, and SIGINT is remembered. Programs that it starts are not
/// concerned: exec(2) gives a signal that has a handler its default action.
///
/// # Errors
/// Where the system is out of descriptors.
pub fn catch() -> io::Result<()> {
    if CAUGHT.get().is_some() {
        return Ok(());
    }
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    pipe::register(SIGINT, writer)?;
    signal_hook::flag::register(SIGQUIT, Arc::default())?;
    // Another thread may have been quicker, and then its stream serves.
    let _ = CAUGHT.set(reader);
    Ok(())
}

/// Whether SIGINT was caught since the last call.
#[must_use]
pub fn take() -> bool {
    let mut came = false;
    while CAUGHT.get().is_some_and(|mut stream| stream.read(&mut [0; 64]).is_ok_and(|length| length > 0)) {
        came = true;
    }
    came
}

/// Whether SIGINT was caught since the last [`take`], which will still say so.
#[must_use]
pub fn is_caught() -> bool {
    CAUGHT.get().is_some_and(|stream| readable(stream, Duration::ZERO).unwrap_or_default())
}

/// As [`readable`]; SIGINT since the last [`take`] ends the wait too. Without a descriptor nothing else does.
///
/// # Errors
/// None is expected.
pub fn readable_or_caught(descriptor: Option<BorrowedFd<'_>>, duration: Duration) -> io::Result<bool> {
    let watched: Vec<_> =
        descriptor.into_iter().chain(CAUGHT.get().map(AsFd::as_fd)).map(|fd| (fd, Interest::Read)).collect();
    let ready = poll::wait(&watched, Some(duration))?;
    Ok(descriptor.is_some() && ready.first() == Some(&true))
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
    fn interrupt_before_a_wait_ends_it() {
        catch().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        let long = Duration::from_secs(3600);
        for other in [None, Some(reader.as_fd())] {
            signal_hook::low_level::raise(SIGINT).unwrap();
            assert!(!readable_or_caught(other, long).unwrap());
            assert!(take());
            assert!(!take());
            assert!(!readable_or_caught(other, Duration::ZERO).unwrap());
        }
        writer.write_all(b"x").unwrap();
        assert!(readable_or_caught(Some(reader.as_fd()), long).unwrap());
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
