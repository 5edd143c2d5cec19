//! The way from the C library into a program.
//!
//! Before `main` the standard library finds out where the stack ends, for the sake of a message on its overflow. With
//! glibc that means reading all of `/proc/self/maps`, and costs a program that lives for a millisecond an eighth of it
//! (docs/benchmarks.md). So the programs that are to be quick begin here, where all else is done that it does there.
#![allow(unsafe_code)] // the C library calls a symbol; descriptors that may not be open

use std::io::{self, Write as _};
use std::panic;

use nix::libc;

/// Makes a function that returns an [`crate::exit::Exit`] the program. The file needs
/// `#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]`: other C libraries hand no arguments to a
/// program that begins so.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        /// What the C library calls.
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        #[allow(unsafe_code)] // the name `main` is the C library's, and in each program there is but this one
        #[unsafe(no_mangle)]
        extern "C" fn main(_count: i32, _words: *const *const u8) -> i32 {
            $crate::sys::entry::enter(|| $main().code())
        }

        #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
        fn main() -> std::process::ExitCode {
            $main().into()
        }
    };
}

/// The status that Rust programs end with on a panic.
const PANICKED: i32 = 101;

/// Runs a program as the standard library would: with three standard descriptors, SIGPIPE ignored, and its output
/// written when it is over; gives the exit status.
#[must_use]
pub fn enter(program: fn() -> u8) -> i32 {
    open_standard_descriptors();
    // SAFETY: no handler; the program has but this thread.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let status = panic::catch_unwind(program).map_or(PANICKED, i32::from);
    // Whoever wanted to know about an error has flushed it.
    let _ = io::stdout().flush();
    status
}

/// A standard descriptor that is closed would be the number of the next file opened, to which messages then go.
fn open_standard_descriptors() {
    let mut standard = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: three valid entries. Where it fails nothing is known, and nothing done.
    if unsafe { libc::poll(standard.as_mut_ptr(), 3, 0) } <= 0 {
        return;
    }
    for _ in standard.iter().filter(|one| one.revents & libc::POLLNVAL != 0) {
        // SAFETY: a string that ends in zero. The lowest free number is given, so that each gets its own in turn.
        unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
    }
}
