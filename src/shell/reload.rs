//! `reload` and `reexec`: the configuration read again, and the manager's binary on the disk in place of the one that
//! runs.

use std::ffi::OsString;
use std::time::Duration;

use crate::control::{Refusal, Reply, Request};
use crate::exit::Exit;

use super::client::Client;
use super::failure::Failure;
use super::orphaned;
use super::ui::Ui;
use super::watch::{record, watch};

/// How long the next binary may take to answer once it has passed its trial.
const REEXEC_TIMEOUT: Duration = Duration::from_secs(10);

/// `reload` in the shell: the shell's own settings. A running manager is not concerned.
pub(super) fn reload_shell(
    client: &mut Client,
    ui: &mut Ui<'_>,
    options: &[OsString],
) -> Result<Exit, Failure> {
    let Ok((settings, flags)) = ui.host.reload(options) else {
        ui.say("Configuration not reloaded")?;
        return Ok(Exit::Usage);
    };
    *client = Client { settings, flags };
    ui.warned_of_other_program = false;
    match client.settings.config_file.as_ref().map(|file| file.display().to_string()) {
        Some(file) => ui.say(format_args!("Configuration reloaded from {file}"))?,
        None => ui.say("Configuration reloaded without a config file")?,
    }
    Ok(Exit::Success)
}

/// `reload` on the command line (LSB 5.0, "Init Script Actions"): the manager reads its configuration again by starting
/// anew as it is, and the program runs on.
pub(super) fn reload_manager(
    client: &Client,
    ui: &mut Ui<'_>,
    options: &[OsString],
) -> Result<Exit, Failure> {
    if !options.is_empty() {
        return Err(Failure::Arguments("reload takes options only in the shell".to_owned()));
    }
    if replace_manager(client, ui)?.is_none() {
        ui.say("daemon manager not running")?;
        orphaned::warn(client, ui);
        return Ok(Exit::Stopped);
    }
    ui.say("daemon manager has reloaded its configuration")?;
    Ok(Exit::Success)
}

pub(super) fn reexec(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let Some(version) = replace_manager(client, ui)? else {
        ui.say("daemon manager not running")?;
        orphaned::warn(client, ui);
        return Ok(Exit::Failure);
    };
    ui.say(format_args!("daemon manager replaced; version={version}"))?;
    Ok(Exit::Success)
}

/// Has the manager replaced; gives the version of the one that runs then, or `None`: there is no manager.
fn replace_manager(client: &Client, ui: &mut Ui<'_>) -> Result<Option<String>, Failure> {
    let Some(before) = record(client, ui)?.map(|record| record.replaced) else { return Ok(None) };
    match client.ask(Request::Reexec)?.ok_or(Failure::ManagerGone)? {
        Reply::Replacing => {}
        Reply::NotReplaced(why) => return Err(Failure::NotReplaced(why)),
        Reply::Refused(Refusal::Unknown(_)) => {
            let why = "it does not know how; stop and start do it";
            return Err(Failure::NotReplaced(why.to_owned()));
        }
        other => return Err(Failure::refused(Request::Reexec, &other)),
    }
    let version = watch(client, ui, Some(REEXEC_TIMEOUT), |record| {
        let record = record.ok_or(Failure::LostInReplacement)?;
        Ok((record.replaced > before).then(|| record.version.clone().unwrap_or_default()))
    })?;
    version.map(Some).ok_or_else(|| Failure::NotReplaced("the earlier one is still there".to_owned()))
}
