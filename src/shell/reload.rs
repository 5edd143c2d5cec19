//! `reload` and `reexec`: the configuration read again, and the manager's binary on the disk in place of the one that
//! runs.

use std::ffi::OsString;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use crate::config;
use crate::control::{Refusal, Reply, Request, StatusRecord};
use crate::exit::Exit;

use super::check_program::run_check_program;
use super::client::Client;
use super::failure::Failure;
use super::orphaned;
use super::ui::Ui;
use super::watch::{record, watch};

/// How long the next binary may take to answer once it has passed its trial.
const REEXEC_TIMEOUT: Duration = Duration::from_secs(10);

/// In the reason where the next binary takes over in another form than the manager hands over in.
const OTHER_VERSION: &str = "cannot take over from the earlier daemon manager";
/// Why a manager of Python or of an older version does not read its configuration again.
const UNKNOWN: &str = "it does not know how; stop and start do it";

/// Has a running manager read the configuration file again before it starts the program: what was edited holds from then
/// on. Before that the `check-program` is run. Where the manager cannot do so at this moment, that is reported and the action
/// goes on.
///
/// # Errors
/// What the file says now would not work.
pub(super) fn take_edited_file(client: &Client, ui: &mut Ui<'_>) -> Result<(), Failure> {
    // A configuration at fault is the manager's to refuse.
    if let Ok(settings) = config::resolve(&client.flags) {
        run_check_program(&settings).map_err(|failure| match failure {
            Failure::CheckProgram(why) => Failure::FileRefused(why),
            failure => failure,
        })?;
    }
    if client.settings.config_file.is_none() {
        return Ok(());
    }
    let Some(before) = record(client, ui)? else { return Ok(()) };
    // Of many requests that come at once, one will do.
    if before.configured.is_some_and(|read| before.now - read < ui.elapsed().as_secs_f64()) {
        return Ok(());
    }
    match replace_manager(client, ui, &before) {
        Err(Failure::NotReplaced(why)) if goes_on_without(&why) => {
            if is_newer_than(client, &before) {
                ui.host.report(&Failure::FileNotRead(why));
            }
            Ok(())
        }
        Err(Failure::NotReplaced(why)) => Err(Failure::FileRefused(why)),
        // It has ended meanwhile, which the action sees for itself, or another request had it replaced.
        Err(Failure::ManagerGone | Failure::Unanswered(_)) => Ok(()),
        Err(Failure::LostInReplacement) if orphaned::find(client).is_none() => Ok(()),
        replaced => replaced.map(drop),
    }
}

/// Whether the reason has nothing to do with what the file says.
fn goes_on_without(why: &str) -> bool {
    why == UNKNOWN || why == Reply::BUSY || why.starts_with(Reply::NO_TRIAL) || why.contains(OTHER_VERSION)
}

/// Whether the file was changed since the manager has read it; one that does not say when that was has started its
/// program since.
fn is_newer_than(client: &Client, manager: &StatusRecord) -> bool {
    let changed =
        client.settings.config_file.as_ref().and_then(|file| fs::metadata(file).ok()?.modified().ok());
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let read = manager.configured.or(manager.lasttime);
    changed.zip(read).is_some_and(|(changed, read)| changed.as_secs_f64() > read)
}

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
    // That the file names another program is why it is to be read.
    ui.warned_of_other_program = true;
    let Some(before) = record(client, ui)? else {
        ui.say("daemon manager not running")?;
        orphaned::warn(client, ui);
        return Ok(Exit::Stopped);
    };
    replace_manager(client, ui, &before)?;
    ui.say("daemon manager has reloaded its configuration")?;
    Ok(Exit::Success)
}

pub(super) fn reexec(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let Some(before) = record(client, ui)? else {
        ui.say("daemon manager not running")?;
        orphaned::warn(client, ui);
        return Ok(Exit::Failure);
    };
    let version = replace_manager(client, ui, &before)?;
    ui.say(format_args!("daemon manager replaced; version={version}"))?;
    Ok(Exit::Success)
}

/// Has the manager of this record replaced; gives the version of the one that runs then.
fn replace_manager(client: &Client, ui: &mut Ui<'_>, before: &StatusRecord) -> Result<String, Failure> {
    let before = (before.manager, before.replaced);
    match client.ask(Request::Reexec)?.ok_or(Failure::ManagerGone)? {
        Reply::Replacing => {}
        Reply::NotReplaced(why) => return Err(Failure::NotReplaced(why)),
        Reply::Refused(Refusal::Unknown(_)) => {
            return Err(Failure::NotReplaced(UNKNOWN.to_owned()));
        }
        other => return Err(Failure::refused(Request::Reexec, &other)),
    }
    let version = watch(client, ui, Some(REEXEC_TIMEOUT), |record| {
        let record = record.ok_or(Failure::LostInReplacement)?;
        // Another manager's pid: other requests have stopped this one and started the next.
        let is_next = (record.manager, record.replaced) != before;
        Ok(is_next.then(|| record.version.clone().unwrap_or_default()))
    })?;
    version.ok_or_else(|| Failure::NotReplaced("the earlier one is still there".to_owned()))
}
