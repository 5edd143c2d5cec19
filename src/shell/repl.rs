//! The shell: actions one after the other, until `quit` or the end of the input.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::os::unix::ffi::OsStrExt as _;

use crate::sys::{interrupt, process};

use super::action::Action;
use super::client::Client;
use super::editor::{Line, Lines};
use super::failure::Failure;
use super::orphaned;
use super::perform::perform;
use super::status::Seen;
use super::ui::Ui;
use super::watch::{catch_interrupt, record};

/// Reads and carries out actions.
///
/// # Errors
/// Only those that leave no shell: input that cannot be read, output that cannot be written.
pub(super) fn interact(client: &mut Client, ui: &mut Ui<'_>) -> Result<(), Failure> {
    ui.interactive = true;
    if io::stdin().is_terminal() {
        catch_interrupt()?;
    }
    banner(client, ui)?;
    let mut lines = Lines::open(client.runner(), ui)?;
    let mut last = OsString::new();
    loop {
        // Managers that have ended do not stay as zombies of a long session.
        while let Ok(Some(_)) = process::reap() {}
        // A ^C that came before is none for the next action; one that comes right after the Enter key is.
        let _ = interrupt::take();
        match lines.next(client.runner(), ui)? {
            Line::Text(line) if !is_blank(&line) => last = line,
            // A blank line repeats the last one; what changes something is shown first.
            Line::Text(_) if !last.is_empty() => {
                if Action::from_line(&last).is_ok_and(|action| action.changes_something()) {
                    ui.say(last.display())?;
                }
            }
            Line::Text(_) => continue,
            Line::Interrupted => {
                if !ui.screen.is_terminal() {
                    ui.say("")?;
                }
                continue;
            }
            Line::End => return ui.say(""),
        }
        if carry_out(client, ui, &last)? {
            return Ok(());
        }
    }
}

fn banner(client: &Client, ui: &mut Ui<'_>) -> Result<(), Failure> {
    let program = client.runner().program.join(OsStr::new(" "));
    ui.say(format_args!("program: {}", program.display()))?;
    match record(client, ui) {
        Ok(record) => {
            Seen::of(record.as_ref()).say(ui)?;
            if record.is_none() {
                orphaned::warn(client, ui);
            }
            Ok(())
        }
        Err(failure) => report(ui, failure),
    }
}

/// Carries out the action that a line names; true: it ends the shell.
fn carry_out(client: &mut Client, ui: &mut Ui<'_>, line: &OsStr) -> Result<bool, Failure> {
    let action = match Action::from_line(line) {
        Ok(action) => action,
        Err(Failure::UnknownAction { typed, hint }) => {
            ui.say(format_args!("*** Unknown syntax: {}{hint}", typed.display()))?;
            return Ok(false);
        }
        Err(failure) => return report(ui, failure).map(|()| false),
    };
    match perform(client, ui, &action) {
        Ok(_) => Ok(matches!(action, Action::Quit | Action::EndOfFile)),
        Err(failure) => report(ui, failure).map(|()| false),
    }
}

/// A failure ends an action, not the shell; unless the output cannot be written.
fn report(ui: &mut Ui<'_>, failure: Failure) -> Result<(), Failure> {
    match failure {
        Failure::Output(_) => Err(failure),
        Failure::Interrupted => ui.say(""),
        failure => {
            ui.host.report(&failure);
            Ok(())
        }
    }
}

fn is_blank(line: &OsStr) -> bool {
    line.as_bytes().trim_ascii().is_empty()
}
