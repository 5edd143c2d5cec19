//! Commands that run as the program does: as its user, with its variables.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use crate::config::Settings;
use crate::sys::user::{self, Account};

use super::failure::Failure;

/// A command with the rights and the variables of the program, and the user that it will run as, where one is configured.
///
/// # Errors
/// The user cannot be found, or this process cannot become it: it never runs with the rights of the caller instead.
pub(super) fn command_as_program(
    settings: &Settings,
    file: &OsStr,
    arguments: &[OsString],
) -> Result<(Command, Option<Account>), Failure> {
    let cannot_become = |source| Failure::System { what: "cannot become the user", source };
    let mut command = Command::new(file);
    command.args(arguments);
    let account = match &settings.runner.user {
        None => None,
        Some(name) => {
            let found = user::lookup(name).map_err(cannot_become)?;
            Some(found.ok_or_else(|| Failure::NoUser(name.clone()))?)
        }
    };
    if let Some(account) = &account {
        command.envs(account.variables());
        user::run_as(&mut command, account).map_err(cannot_become)?;
    }
    command.envs(settings.environment.iter().map(|(name, value)| (name, value)));
    Ok((command, account))
}
