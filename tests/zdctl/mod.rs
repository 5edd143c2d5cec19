//! `zdctl` as a process: what a person or a script sees of it.

mod check;
mod check_program;
mod edited;
mod fake;
mod faulty;
mod foreground;
mod logs;
mod one_file;
mod oneshot;
mod other_user;
mod outdated;
mod reexec;
mod reopen;
mod service;
mod shell;
mod shell_keys;
mod shell_terminal;
mod start;
mod status;
mod storm;
mod unmanaged;
mod usage;

use std::path::Path;

use crate::sandbox::run::Run;
use crate::sandbox::{SOON, Sandbox, eventually, eventually_some, matches};

/// `zdctl` for a detached program with the socket `sock`.
fn zdctl(sandbox: &Sandbox, program: &str) -> Run {
    sandbox.zdctl().args(["-d", "-s", "sock", "-p", program])
}

/// `zdctl` with the file `zdctl.conf`, made of these lines of a `<runner>` for a detached program with the socket `sock`.
fn configured(sandbox: &Sandbox, runner: &str) -> Run {
    let sock = sandbox.path("sock");
    let file = format!("<runner>\n  daemon true\n  socket-name {}\n{runner}\n</runner>\n", sock.display());
    // Left alone where it is so already: another command may be about to read it.
    let path = sandbox.path("zdctl.conf");
    if std::fs::read_to_string(&path).ok().as_ref() != Some(&file) {
        sandbox.write(path, file);
    }
    sandbox.zdctl().args(["-C", "zdctl.conf"])
}

/// A program that runs until it is signalled.
const SLEEP: &str = "sleep 1000";

/// A program that comes up, ends when there is a file `end`, and then never comes up again.
const LASTS_ONCE: &str =
    "sh -c 'test -e once && exit 3; : >once; until test -e end; do sleep 0.02; done; exit 3'";

/// A program that ends by SIGTERM and notes SIGUSR2 in the file `usr2`; `ready` is there when it does.
const NOTER: &str =
    "sh -c 'trap \"echo x >>usr2\" USR2; trap \"exit 0\" TERM; : >ready; while :; do sleep 0.02; done'";

fn wait_for(file: &Path) {
    eventually(SOON, || file.exists());
}
