//! `kill`, and the requests and signals that make logs be opened anew.

use std::os::unix::ffi::OsStrExt as _;

use crate::control::repr::{Escapes, quote};
use crate::control::{Reply, Request};
use crate::exit::Exit;
use crate::sys::proc;
use crate::sys::signal_names;
use crate::sys::signals::{self, number};
use crate::sys::system_error::os_error_text;

use super::action::Signal;
use super::client::Client;
use super::failure::Failure;
use super::orphaned::{self, Orphaned};
use super::ui::Ui;
use super::watch::record;

pub(super) fn kill(client: &Client, ui: &mut Ui<'_>, signal: &Signal) -> Result<Exit, Failure> {
    match signal {
        Signal::Number(number) => send(client, ui, *number),
        Signal::Invalid(typed) => {
            let typed = quote(typed.as_bytes(), Escapes::Characters);
            ui.say(format_args!("invalid signal {typed}"))?;
            Ok(Exit::Usage)
        }
    }
}

/// Has the manager send a signal: it knows whether the process is still the program.
fn send(client: &Client, ui: &mut Ui<'_>, number: i32) -> Result<Exit, Failure> {
    let record = record(client, ui)?;
    if record.is_none()
        && let Some(orphaned) = orphaned::find(client)
    {
        return send_orphaned(ui, &orphaned, number);
    }
    let Some(pid) = record.as_ref().and_then(|record| record.application) else {
        ui.say("daemon process not running")?;
        if record.is_none() {
            orphaned::warn(client, ui);
        }
        return Ok(Exit::Failure);
    };
    ui.say(format_args!("kill({pid}, {number})"))?;
    let why_not = match client.ask(Request::Kill(number))?.ok_or(Failure::ManagerGone)? {
        Reply::SignalSent(_) => None,
        Reply::KillFailed { errno, reason, .. } => Some(format!("[Errno {errno}] {reason}")),
        other => Some(other.to_string()),
    };
    say_sent(ui, pid, number, why_not.as_deref())
}

/// Without a manager the signal comes from here.
fn send_orphaned(ui: &mut Ui<'_>, orphaned: &Orphaned, number: i32) -> Result<Exit, Failure> {
    if !orphaned.foreground {
        ui.host.report(&orphaned.failure());
    }
    ui.say(format_args!("kill({}, {number})", orphaned.pid))?;
    let failed = orphaned.process.signal(number).err().map(|error| os_error_text(&error));
    say_sent(ui, orphaned.pid, number, failed.as_deref())
}

fn say_sent(ui: &mut Ui<'_>, pid: u32, number: i32, why_not: Option<&str>) -> Result<Exit, Failure> {
    if let Some(reason) = why_not {
        ui.say(format_args!("Error: {reason}"))?;
        return Ok(Exit::Failure);
    }
    let name = signal_names::name(number).unwrap_or_else(|| number.to_string());
    ui.say(format_args!("signal {name} sent to process {pid}"))?;
    Ok(Exit::Success)
}

/// Has the manager open its own files anew; false: there is no manager, which has been said.
fn reopen_files(client: &Client, ui: &mut Ui<'_>) -> Result<bool, Failure> {
    match client.ask(Request::ReopenTranscript)? {
        None => {
            ui.say("daemon manager not running")?;
            Ok(false)
        }
        Some(Reply::TranscriptReopened) => Ok(true),
        Some(other) => Err(Failure::refused(Request::ReopenTranscript, &other)),
    }
}

pub(super) fn reopen_transcript(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    Ok(if reopen_files(client, ui)? { Exit::Success } else { Exit::Failure })
}

/// The manager's files, then the program's, whatever became of the manager's.
pub(super) fn reopen_logs(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let own = match reopen_files(client, ui) {
        Err(refused @ Failure::Refused { .. }) => {
            ui.host.report(&refused);
            Exit::Failure
        }
        reopened => reopened.map(|_| Exit::Success)?,
    };
    let program = reopen_logs_of_program(client, ui)?;
    Ok(if program == Exit::Success { own } else { program })
}

/// SIGUSR2 makes the program reopen its own files, if it handles the signal. A program that does not would be ended by it.
fn reopen_logs_of_program(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let here = |pid| Some(signals::is_handled(pid, number::USR2));
    let (pid, is_handled) = match record(client, ui)? {
        Some(record) => {
            let seen =
                || record.application.filter(|pid| proc::is_child_of(*pid, record.manager)).and_then(here);
            (record.application, record.handles_usr2.or_else(seen))
        }
        None => match orphaned::find(client) {
            Some(orphaned) => (Some(orphaned.pid), here(orphaned.pid)),
            None => (None, None),
        },
    };
    match (pid, is_handled) {
        (Some(pid), Some(false)) => Err(Failure::Unhandled(pid)),
        (Some(pid), None) => Err(Failure::HandlingUnknown(pid)),
        (Some(_), Some(true)) | (None, _) => send(client, ui, number::USR2),
    }
}
