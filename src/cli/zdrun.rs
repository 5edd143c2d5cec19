//! `zdrun`: its command line to the daemon manager's settings.

use std::env;
use std::ffi::OsString;
use std::os::fd::OwnedFd;

use super::options::{self, ManagerTyped, Outcome};
use super::{conclude_check, print, print_error, warn_of_other_home};
use crate::config;
use crate::control::READY_FD;
use crate::exit::Exit;
use crate::supervisor::{self, StartMode};
use crate::sys::inherit;

const NAME: &str = "zdrun";

/// Runs `zdrun`.
#[must_use]
pub fn main() -> Exit {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    run(&arguments)
}

fn run(arguments: &[OsString]) -> Exit {
    let ManagerTyped { flags, check: only_check } = match options::zdrun(arguments) {
        Ok(typed) => typed,
        Err(Outcome::Text(text)) => return print(&text),
        Err(Outcome::Usage(error)) => {
            return print_error(NAME, Exit::Usage, &format!("{error}; for help, use {NAME} -h"));
        }
    };
    if only_check {
        return conclude_check(NAME, config::check(&flags));
    }
    let settings = match config::resolve(&flags) {
        Ok(settings) => settings,
        Err(errors) => return print_error(NAME, Exit::Usage, &errors),
    };
    let listener = remote_listener();
    let ended = StartMode::of_this_process().and_then(|mode| {
        // zdctl, or the earlier image of this process, has warned already.
        if listener.is_none() && matches!(mode, StartMode::Fresh) {
            warn_of_other_home(NAME, config::other_home(&settings));
        }
        supervisor::run(&settings, listener, mode)
    });
    ended.unwrap_or_else(|error| print_error(NAME, error.exit(), &error))
}

/// The descriptor that `zdctl` left open for the report on the start. A number that is none (a stale variable in
/// the environment) means that there is no listener.
fn remote_listener() -> Option<OwnedFd> {
    let number = env::var(READY_FD).ok()?.parse().ok()?;
    inherit::take_inherited(number).ok()
}
