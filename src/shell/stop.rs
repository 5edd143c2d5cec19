//! `stop`, `wait`, and `quit` with its end of a manager that has nothing to manage.

use std::time::Duration;

use crate::control::{Goal, Refusal, Reply, Request, StatusRecord};
use crate::exit::Exit;
use crate::sys::proc::is_gone;
use crate::sys::signals::number;

use super::client::Client;
use super::failure::Failure;
use super::orphaned::{self, Orphaned};
use super::state::State;
use super::status::Seen;
use super::ui::Ui;
use super::watch::{Watcher, record, wait_for, watch, watch_on};

/// What SIGKILL and the end of the manager may take beyond stop-timeout.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a peer's manager may take to end when its program has ended. One that stays does so by a configuration that
/// is not ours.
const MANAGER_END_TIMEOUT: Duration = Duration::from_secs(2);

/// What there is after the end of a program.
enum End {
    /// Nothing, and nothing will be.
    Nothing,
    /// Another program, by another request.
    Another,
}

pub(super) fn stop(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let found = match orphaned::adopt_then_record(client, ui) {
        Err(Failure::Foreground(_)) if let Some(program) = orphaned::foreground(client)? => {
            return end_foreground(client, ui, program);
        }
        found => found?,
    };
    let Some(record) = found else {
        let ended = orphaned::end_left_behind(client, ui)?;
        ui.say(if ended { "daemon process stopped" } else { "daemon manager not running" })?;
        return Ok(Exit::Success);
    };
    if is_over(&record) {
        ui.say("daemon process not running")?;
        return Ok(Exit::Success);
    }
    // A manager that is gone by now has ended its program in order.
    if client.ask(Request::Stop)?.is_some() {
        let mut watcher = Watcher::new(client);
        let end = await_end(&mut watcher, ui, stop_limit(client), record.application)?;
        // The next command should not meet the manager as it ends.
        if matches!(end, End::Nothing) {
            let limit = if record.version.is_some() { KILL_TIMEOUT } else { MANAGER_END_TIMEOUT };
            watch_on(&mut watcher, ui, Some(limit), |record| Ok(has_gone(client, record).then_some(())))?;
        }
    }
    ui.say("daemon process stopped")?;
    Ok(Exit::Success)
}

/// Ends a program that has no manager to do it. What started it (supervisord, say) may start it again.
fn end_foreground(client: &Client, ui: &mut Ui<'_>, mut program: Orphaned) -> Result<Exit, Failure> {
    let failed = |source| Failure::System { what: "cannot end the program", source };
    let timeout = client.runner().stop_timeout;
    let limit = (!timeout.is_zero()).then_some(timeout);
    for (signal, limit) in [(client.runner().stop_signal, limit), (number::KILL, Some(KILL_TIMEOUT))] {
        match program.process.signal(signal) {
            Err(error) if !is_gone(&error) => return Err(failed(error)),
            _ => {}
        }
        let ended = wait_for(ui, limit, &mut program, Orphaned::event, |_, program| program.has_ended())?;
        if ended.is_some() {
            ui.say("daemon process stopped")?;
            return Ok(Exit::Success);
        }
    }
    Err(Failure::StopTooLong(timeout.as_secs(), program.pid))
}

/// Waits until the program with this number has ended.
pub(super) fn await_end_of(client: &Client, ui: &mut Ui<'_>, pid: u32) -> Result<(), Failure> {
    await_end(&mut Watcher::new(client), ui, stop_limit(client), Some(pid)).map(drop)
}

/// Waits until the program that ran has ended with all that it left behind, and none will be started; unless another
/// request has one started.
fn await_end(
    watcher: &mut Watcher<'_>,
    ui: &mut Ui<'_>,
    limit: Option<Duration>,
    pid: Option<u32>,
) -> Result<End, Failure> {
    let ended = watch_on(watcher, ui, limit, |record| {
        let next = record.is_some_and(|now| now.application.is_some() && now.application != pid);
        Ok(if next { Some(End::Another) } else { record.is_none_or(is_over).then_some(End::Nothing) })
    })?;
    let seconds = limit.unwrap_or_default().as_secs();
    ended.ok_or_else(|| Failure::StopTooLong(seconds, pid.unwrap_or(0)))
}

/// How long a stop may take; `None`: there is no limit, as the program is never killed.
pub(super) fn stop_limit(client: &Client) -> Option<Duration> {
    let timeout = client.runner().stop_timeout;
    (!timeout.is_zero()).then(|| timeout.saturating_add(KILL_TIMEOUT))
}

/// Waits for the end of the program for good: until the manager has gone, or stays without it.
pub(super) fn wait(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    if record(client, ui)?.is_none()
        && let Some(mut orphaned) = orphaned::find(client)
    {
        wait_for(ui, None, &mut orphaned, Orphaned::event, |_, orphaned| orphaned.has_ended())?;
    }
    watch(client, ui, None, |record| Ok(has_gone(client, record).then_some(())))?;
    ui.say("daemon process stopped")?;
    let record = record(client, ui)?;
    Seen::of(record.as_ref()).say(ui)?;
    if record.is_none() {
        orphaned::warn(client, ui);
    }
    Ok(Exit::Success)
}

pub(super) fn quit(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    match record(client, ui)?.map(|record| record.application) {
        None => {
            ui.say("daemon manager not running")?;
            orphaned::warn(client, ui);
        }
        Some(Some(_)) => ui.say("daemon process and daemon manager still running")?,
        Some(None) => {
            ui.say("daemon process not running; stopping daemon manager")?;
            end_manager(client, ui)?;
            ui.say("daemon manager stopped")?;
        }
    }
    Ok(Exit::Success)
}

fn end_manager(client: &Client, ui: &mut Ui<'_>) -> Result<(), Failure> {
    let reply = client.ask(Request::Exit)?;
    // Zdaemon 5 knows no exit; a stop, with nothing to stop, ends it.
    if matches!(reply, Some(Reply::Refused(Refusal::Unknown(_)))) {
        client.ask(Request::Stop)?;
    }
    let gone = watch(client, ui, Some(KILL_TIMEOUT), |record| Ok(record.is_none().then_some(())))?;
    gone.ok_or_else(|| Failure::refused(Request::Exit, &"it is still running"))
}

pub(super) fn end_of_file(ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    ui.say("").map(|()| Exit::Success)
}

/// Whether the manager has gone, or stays though nothing runs and nothing will (`hang-around`).
fn has_gone(client: &Client, record: Option<&StatusRecord>) -> bool {
    // One of ours that is to end says so; a peer's does not.
    let stays = |record: &StatusRecord| {
        record.goal == Goal::Down && (record.version.is_some() || client.runner().hang_around)
    };
    record.is_none_or(|record| is_over(record) && stays(record))
}

/// Whether no program runs, nothing that it left behind, and none will be started.
fn is_over(record: &StatusRecord) -> bool {
    State::of(Some(record)) == State::Stopped
}
