//! `check-program`: a command that looks at the program's own configuration, before anything is stopped for it.

use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::config::Settings;
use crate::sys::pidfd::PidFd;
use crate::sys::poll::{self, Interest};
use crate::sys::system_error::os_error_text;
use crate::sys::user;

/// How long it may take: it reads a configuration, not the data.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the `check-program`, if there is one, with the rights and the variables of the program. What it writes to its
/// standard error is shown as it is.
///
/// # Errors
/// It finds fault, cannot be run, or takes longer than 30 seconds.
pub fn run_check_program(settings: &Settings) -> Result<(), String> {
    let runner = &settings.runner;
    let Some((program, arguments)) = runner.check_program.split_first() else { return Ok(()) };
    let name = program.display();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    if let Some(account) = runner.user.as_ref().and_then(|name| user::lookup(name).ok().flatten())
        && account.uid != user::own_uid()
    {
        command.envs(account.variables());
        user::run_as(&mut command, &account)
            .map_err(|error| format!("cannot become user '{}': {}", account.name, os_error_text(&error)))?;
    }
    command.envs(settings.environment.iter().map(|(name, value)| (name, value)));
    let cannot_run = |error| format!("the check program '{name}' cannot be run: {}", os_error_text(&error));
    let mut child = command.spawn().map_err(cannot_run)?;
    if !ends_in_time(&child) {
        // Its end, whatever it is, is waited for below.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!(
            "the check program '{name}' took longer than {} seconds",
            CHECK_TIMEOUT.as_secs()
        ));
    }
    let ended = child.wait().map_err(cannot_run)?;
    if ended.success() { Ok(()) } else { Err(format!("the check program '{name}' ended with {ended}")) }
}

fn ends_in_time(child: &Child) -> bool {
    // On a kernel without pidfd_open(2) there is no limit.
    let Ok(process) = PidFd::open(child.id().cast_signed()) else { return true };
    poll::wait(&[(process.as_fd(), Interest::Read)], Some(CHECK_TIMEOUT)).is_ok_and(|ready| ready == [true])
}
