//! A program that runs in place of this process, which waits for its end and hands on the signals that it gets itself.
//!
//! What another process sends is meant for the program: it knows only our number. What the terminal sends (^C, ^\, the end of
//! the line) comes to the whole group, and so to the program without us.
#![allow(unsafe_code)] // what a child does between fork and exec

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::process::{Ended, Receiver, reap, send_signal};

const HANDED_ON: &[Signal] =
    &[Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// How a program ended that ran here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RanHere {
    /// Its end.
    pub ended: Ended,
    /// ^C was typed meanwhile.
    pub interrupted: bool,
}

/// Runs a program to its end; `started` learns its process number. All children of this process that end meanwhile are
/// reaped.
///
/// # Errors
/// The program cannot be executed; the system is out of descriptors.
pub fn run_here(command: &mut Command, started: impl FnOnce(i32)) -> io::Result<RanHere> {
    let mask: SigSet = HANDED_ON.iter().copied().chain([Signal::SIGCHLD]).collect();
    let before = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let restore = move || Ok(before.thread_set_mask()?);
    // SAFETY: the closure makes one system call on a value that it owns; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(restore) };
    let outcome = run_blocked(command, &mask, started);
    before.thread_set_mask()?;
    outcome
}

fn run_blocked(command: &mut Command, mask: &SigSet, started: impl FnOnce(i32)) -> io::Result<RanHere> {
    let signals = SignalFd::with_flags(mask, SfdFlags::SFD_CLOEXEC)?;
    let child = command.spawn()?;
    let pid = child.id().cast_signed();
    started(pid);
    let mut interrupted = false;
    loop {
        while let Some((ended_pid, ended)) = reap()? {
            if ended_pid == pid {
                return Ok(RanHere { ended, interrupted });
            }
        }
        // Interrupted only by a signal that is not in the mask, such as SIGCONT.
        let Ok(Some(signal)) = signals.read_signal() else { continue };
        let number = signal.ssi_signo.cast_signed();
        let is_from_terminal = signal.ssi_code > 0;
        if is_from_terminal {
            interrupted |= number == Signal::SIGINT as i32;
        } else if number != Signal::SIGCHLD as i32 {
            // It may have ended in this instant.
            let _ = send_signal(Receiver::Process(pid), number);
        }
    }
}
