//! Calls that a signal may interrupt.

use nix::errno::Errno;

/// Makes a call again that a signal has interrupted, as some file systems of a network let it.
pub(super) fn retried<T>(call: impl Fn() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}
