//! Programs that some tests need and a machine may lack.

use std::panic::Location;
use std::process::Command;

use super::forks;
use crate::peers::skip;

/// Whether strace(1) can make system calls fail here; if not, the test is reported as skipped.
///
/// # Panics
/// With CI=true, where a skipped claim would be an unproven one.
#[track_caller]
pub(crate) fn can_trace() -> bool {
    works("strace", &["-f", "-b", "execve", "-qq", "-e", "inject=getpid:error=EPERM:when=1", "true"])
}

/// Whether faketime(1) is there; as [`can_trace`].
#[track_caller]
pub(crate) fn can_fake_time() -> bool {
    works("faketime", &["-f", "+1d", "true"])
}

#[track_caller]
fn works(program: &str, arguments: &[&str]) -> bool {
    let outcome = forks::output(Command::new(program).args(arguments));
    let works = outcome.is_ok_and(|outcome| outcome.status.success());
    if !works {
        skip(Location::caller(), &format!("{program} does not work here"));
    }
    works
}
