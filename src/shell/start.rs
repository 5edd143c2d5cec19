//! `start`, `restart` and `try-restart`.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use crate::control::{Goal, Reply, Request};
use crate::exit::Exit;

use super::client::Client;
use super::failure::Failure;
use super::launch::{LaunchOutcome, launch};
use super::orphaned;
use super::reload::take_edited_file;
use super::start_watch::{StartWatch, Verdict, failed_start};
use super::stop::{await_end_of, stop_limit};
use super::ui::Ui;
use super::watch::{POLL_INTERVAL, pause, record, watch};

pub(super) fn start(client: &Client, ui: &mut Ui<'_>, extra: &[OsString]) -> Result<Exit, Failure> {
    let begun = Instant::now();
    // Mostly there is a manager whose program is down, or no manager: to send the request before the state is known saves
    // a round trip. Extra arguments only apply to a new manager, and a file is to be read again first.
    let is_plain = extra.is_empty() && client.settings.config_file.is_none();
    if is_plain && send_start(client, ui, Request::Start)? == Sent::WillRun {
        return started(client, ui);
    }
    loop {
        let found = record(client, ui)?;
        match found.as_ref().map(|record| (record.application, record.goal)) {
            Some((Some(pid), Goal::Up)) => {
                match running(client, ui, pid, found.as_ref().is_some_and(|r| r.ready)) {
                    // It ended before it could be watched: this start is the next try.
                    Err(Failure::ManagerGone) => {}
                    outcome => return outcome,
                }
            }
            // Another request has just stopped it; to a peer that is still at it, start would mean nothing.
            Some((Some(pid), Goal::Down | Goal::Exiting)) => await_end_of(client, ui, pid)?,
            // In a back-off, or kept by hang-around, or about to end: then it is gone when asked, or another has come
            // whose program is no concern of this request.
            Some((None, _)) => {
                take_edited_file(client, ui)?;
                if send_start(client, ui, Request::Start)? == Sent::WillRun {
                    return started(client, ui);
                }
            }
            None if let Some(program) = orphaned::foreground(client)? => {
                ui.say(format_args!("daemon process already running; pid={}", program.pid))?;
                return Ok(Exit::Success);
            }
            None => match launch(client, ui, extra)? {
                LaunchOutcome::Running(pid) => {
                    ui.say(format_args!("daemon process started, pid={pid}"))?;
                    warn_if_not_detached(client, ui);
                    return Ok(Exit::Success);
                }
                // Another start was quicker, and its outcome is ours.
                LaunchOutcome::OtherManager => {}
            },
        }
        if begun.elapsed() > client.runner().start_timeout {
            return Err(Failure::start_too_long(found.as_ref()));
        }
        pause(None, POLL_INTERVAL)?;
    }
}

/// Says what a program that is not detached depends on. A manager of another make may detach it by itself.
fn warn_if_not_detached(client: &Client, ui: &mut Ui<'_>) {
    let runner = client.runner();
    if runner.daemon || runner.zdrun.as_ref().is_some_and(|zdrun| zdrun.extension().is_some()) {
        return;
    }
    let is_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
    let output = if is_terminal { "" } else { "; until it ends it keeps this output open" };
    ui.host.report(&Failure::NotDetached(output));
}

/// The manager has been asked for the program.
fn started(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let pid = await_up(client, ui, None, Some(client.runner().start_timeout))?;
    ui.say(format_args!("daemon process started, pid={pid}"))?;
    Ok(Exit::Success)
}

/// Another request has started the program; whether it comes up is yet to be seen, unless it is `ready`.
fn running(client: &Client, ui: &mut Ui<'_>, pid: u32, ready: bool) -> Result<Exit, Failure> {
    let limit = Some(client.runner().start_timeout);
    let pid = if ready { pid } else { await_up(client, ui, None, limit)? };
    ui.say(format_args!("daemon process already running; pid={pid}"))?;
    Ok(Exit::Success)
}

pub(super) fn restart(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    // That the file names another program does not matter: the program that is started is that one.
    ui.warned_of_other_program |= client.settings.config_file.is_some();
    let old = orphaned::adopt_then_record(client, ui)?.and_then(|record| record.application);
    let Some(old) = old else { return start(client, ui, &[]) };
    take_edited_file(client, ui)?;
    if send_start(client, ui, Request::Restart)? == Sent::NoManager {
        return start(client, ui, &[]);
    }
    let starting = client.runner().start_timeout;
    let limit = stop_limit(client).map(|stopping| stopping.saturating_add(starting));
    let pid = await_up(client, ui, Some(old), limit)?;
    ui.say(format_args!("daemon process restarted, pid={pid}"))?;
    Ok(Exit::Success)
}

/// `try-restart`, `condrestart`, `force-reload` of an init script (LSB 5.0, "Init Script Actions"): a program that is down
/// stays down, which is success. One that the manager is about to start again runs, in this sense.
pub(super) fn try_restart(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    // As for a restart.
    ui.warned_of_other_program |= client.settings.config_file.is_some();
    let record = orphaned::adopt_then_record(client, ui)?;
    if record.as_ref().is_some_and(|record| record.application.is_some() || record.goal == Goal::Up) {
        return restart(client, ui);
    }
    ui.say("daemon process not running")?;
    if record.is_none() {
        orphaned::warn(client, ui);
    }
    Ok(Exit::Success)
}

/// What came of a request for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// It was started, or will be when what is being stopped has ended.
    WillRun,
    /// It runs already.
    Runs,
    /// There is no manager, or it is about to end.
    NoManager,
}

/// Asks the manager to run the program.
fn send_start(client: &Client, ui: &mut Ui<'_>, request: Request) -> Result<Sent, Failure> {
    let reply = match client.ask(request) {
        // A manager that took its answer with it has not left a program behind.
        Err(Failure::Unanswered(_)) if record(client, ui)?.is_none() => None,
        reply => reply?,
    };
    match reply {
        None => Ok(Sent::NoManager),
        Some(Reply::NotStarted(why)) if why == Reply::EXITING => Ok(Sent::NoManager),
        Some(Reply::NotStarted(why)) => match record(client, ui)? {
            None => Ok(Sent::NoManager),
            // What was written last is of an earlier program.
            Some(record) => Err(failed_start(client, &why, None, &record)),
        },
        Some(Reply::Started | Reply::RestartSent) => Ok(Sent::WillRun),
        Some(_) => Ok(Sent::Runs),
    }
}

/// Waits until a program that is not `old` is up; gives its process number.
fn await_up(
    client: &Client,
    ui: &mut Ui<'_>,
    old: Option<u32>,
    limit: Option<Duration>,
) -> Result<u32, Failure> {
    let mut start = StartWatch::new(old, client.runner().start_grace);
    let mut last = None;
    let up = watch(client, ui, limit, |record| {
        let record = record.ok_or_else(|| start.without_manager())?;
        last = Some(record.clone());
        match start.judge(record) {
            Verdict::Open => Ok(None),
            Verdict::Up(pid) => Ok(Some(pid)),
            Verdict::Failed(why) => Err(failed_start(client, &why, record.last_output.as_deref(), record)),
            Verdict::Stopped => Err(Failure::NotStarted(Failure::STOPPED.to_owned())),
        }
    })?;
    if up.is_none() {
        // How the test fails is no change that is watched.
        last = self::record(client, ui)?.or(last);
    }
    up.ok_or_else(|| Failure::start_too_long(last.as_ref()))
}
