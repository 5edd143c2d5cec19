//! Signalling and reaping processes.
#![allow(unsafe_code)] // the library's raw calls

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Pid, getpgrp, gettid, tcgetpgrp};

/// A process's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It called exit with this status.
    Exited(u8),
    /// A signal killed it; the flag says whether it left a core file.
    Killed(i32, bool),
    /// It is gone, and how is known to another process only: it was not our child.
    Unseen,
}

/// Reaps one process that has ended; `None` when there is none (left).
///
/// # Errors
/// None is expected; whatever waitpid says but "no child" and "interrupted".
pub fn reap() -> io::Result<Option<(i32, Ended)>> {
    loop {
        let mut status = 0;
        // libc's call, since nix's loses the process that a real-time signal killed: it has no name for the signal.
        // SAFETY: status is a valid place for an int.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            0 => return Ok(None),
            pid if pid > 0 => return Ok(Some((pid, decode(status)))),
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
                error if error.raw_os_error() == Some(libc::EINTR) => {}
                error => return Err(error),
            },
        }
    }
}

/// A wait status; without WUNTRACED and WCONTINUED there are but two kinds (waitpid(2)).
fn decode(status: i32) -> Ended {
    if libc::WIFSIGNALED(status) {
        Ended::Killed(libc::WTERMSIG(status), libc::WCOREDUMP(status))
    } else {
        // wait(2) passes the low 8 bits of the exit status.
        Ended::Exited(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
    }
}

/// What a signal is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    /// One process.
    Process(i32),
    /// All of a process group.
    Group(i32),
}

/// Sends signal `number` (0: none, only check) to a process or a group.
///
/// # Errors
/// `EINVAL` for a number that is no signal, `ESRCH` when there is no such process, `EPERM`.
pub fn send_signal(receiver: Receiver, number: i32) -> io::Result<()> {
    let target = match receiver {
        Receiver::Process(pid) if pid > 0 => pid,
        Receiver::Group(group) if group > 1 => -group,
        // 0, -1 and 1 would mean "my group", "all processes" and init.
        Receiver::Process(_) | Receiver::Group(_) => return Err(Errno::ESRCH.into()),
    };
    // SAFETY: plain system call. libc's, since nix has no type for real-time signals.
    if unsafe { libc::kill(target, number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether any process of the group is there (zombies that were not reaped count).
#[must_use]
pub fn group_lives(group: i32) -> bool {
    match send_signal(Receiver::Group(group), 0) {
        Ok(()) => true,
        Err(error) => error.raw_os_error() != Some(libc::ESRCH),
    }
}

/// Makes orphans below this process its children, so that it learns of their end (prctl(2), Linux).
///
/// # Errors
/// Where the system has no such thing; then orphans go to init.
pub fn adopt_orphans() -> io::Result<()> {
    prctl::set_child_subreaper(true).map_err(io::Error::from)
}

/// Whether `descriptor` is a terminal whose foreground group is ours: a child in another group could not read it.
#[must_use]
pub fn holds_terminal(descriptor: impl AsFd) -> bool {
    tcgetpgrp(descriptor).is_ok_and(|group| group == getpgrp())
}

/// Our own process number.
#[must_use]
pub fn own_pid() -> i32 {
    Pid::this().as_raw()
}

/// Whether this is the first process of the system or of a container: signals that such a process does not handle do not
/// reach it, orphans become its children, and no other process passes signals and statuses on.
#[must_use]
pub fn is_init() -> bool {
    own_pid() == 1
}

/// The kernel's number of the calling thread, as `ps -L` shows it; that of the first thread is the process id
/// (gettid(2)).
#[must_use]
pub fn thread_id() -> i32 {
    gettid().as_raw()
}

/// Raises the limit of open descriptors as far as this process may: the customary 1,024 are for programs that use
/// select(2).
///
/// # Errors
/// What the system says; the limit is then as it was.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let (_, maximum) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, maximum, maximum)?)
}

/// How many descriptors this process may have open.
///
/// # Errors
/// What the system says.
pub fn descriptor_limit() -> io::Result<usize> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_never_reach_everybody() {
        for receiver in [Receiver::Process(0), Receiver::Process(-1), Receiver::Group(0), Receiver::Group(1)]
        {
            assert_eq!(
                send_signal(receiver, 0).unwrap_err().raw_os_error(),
                Some(libc::ESRCH),
                "{receiver:?}"
            );
        }
    }
}
