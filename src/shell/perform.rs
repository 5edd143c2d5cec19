//! The table of actions: which function carries out which.

use std::env;
use std::time::Duration;

use crate::config::Runner;
use crate::exit::Exit;
use crate::sys::user;

use super::action::Action;
use super::client::Client;
use super::failure::Failure;
use super::ui::Ui;
use super::{foreground, help, kill, logtail, reload, show, start, status, stop};

/// Carries out an action; gives the exit status that it has, should it be the only one.
pub(super) fn perform(client: &mut Client, ui: &mut Ui<'_>, action: &Action) -> Result<Exit, Failure> {
    let (what, limit) = progress(action, &client.settings.runner);
    ui.begin(what, limit);
    if action.starts_program() {
        expect_own_user(client)?;
    }
    match action {
        // Supervisord runs `start` and supervises the process that stays (as with plone.recipe.zeoserver).
        Action::Start(extra) if !ui.interactive && env::var_os("SUPERVISOR_ENABLED").is_some() => {
            foreground::foreground(client, ui, extra)
        }
        Action::Start(extra) => start::start(client, ui, extra),
        Action::Stop => stop::stop(client, ui),
        Action::Restart => start::restart(client, ui),
        Action::TryRestart => start::try_restart(client, ui),
        Action::Status(form) => status::status(client, ui, *form),
        Action::Kill(signal) => kill::kill(client, ui, signal),
        Action::Wait => stop::wait(client, ui),
        Action::Foreground(extra) => foreground::foreground(client, ui, extra),
        Action::LogReopen => kill::reopen_logs(client, ui),
        Action::ReopenTranscript => kill::reopen_transcript(client, ui),
        Action::Reexec => reload::reexec(client, ui),
        Action::LogTail { lines, file } => logtail::logtail(client, ui, *lines, file.as_deref()),
        Action::Show(topic) => show::show(client, ui, topic),
        Action::Check => show::check(client, ui),
        Action::Help(topic) => help::help(ui, topic),
        Action::Shell(command) => foreground::shell(client, ui, command),
        Action::Reload(options) if ui.interactive => reload::reload_shell(client, ui, options),
        Action::Reload(options) => reload::reload_manager(client, ui, options),
        Action::Quit => stop::quit(client, ui),
        Action::EndOfFile => stop::end_of_file(ui),
    }
}

/// Only root can become another user. The manager does so, later.
///
/// # Errors
/// The program is to run as another user than this process can become.
fn expect_own_user(client: &Client) -> Result<(), Failure> {
    let Some(name) = &client.runner().user else { return Ok(()) };
    let own = user::own_uid();
    match user::lookup(name) {
        Ok(Some(account)) if own != 0 && account.uid != own => Err(Failure::OtherUser(name.clone())),
        // A user that has gone is the manager's to report.
        _ => Ok(()),
    }
}

/// What the line of progress says of an action, and how long it may take at most.
fn progress(action: &Action, runner: &Runner) -> (&'static str, Option<Duration>) {
    let starting = runner.start_timeout;
    // Without a stop-timeout the program has all the time that it wants.
    let stopping = (!runner.stop_timeout.is_zero()).then_some(runner.stop_timeout);
    match action {
        Action::Start(_) => ("starting", Some(starting)),
        Action::Stop => ("stopping", stopping),
        Action::Restart | Action::TryRestart => {
            ("restarting", stopping.map(|stopping| stopping.saturating_add(starting)))
        }
        _ => ("waiting", None),
    }
}
