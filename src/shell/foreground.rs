//! Programs that run here, on our terminal, while we wait: `fg`, and the commands of `shell`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};

use crate::control::Goal;
use crate::exit::Exit;
use crate::sys::terminal::Modes;
use crate::sys::{interrupt, user};

use super::client::Client;
use super::failure::Failure;
use super::orphaned;
use super::ui::Ui;
use super::watch::{catch_interrupt, record};

pub(super) fn foreground(client: &Client, ui: &mut Ui<'_>, extra: &[OsString]) -> Result<Exit, Failure> {
    // One that waits to be started again would soon be a second copy.
    if record(client, ui)?.is_some_and(|record| record.application.is_some() || record.goal == Goal::Up) {
        ui.say("To run the program in the foreground, please stop it first.")?;
        return Ok(Exit::Failure);
    }
    // Here it does not matter whether a manager has come since.
    if let Some(program) = orphaned::recorded_program(client) {
        return Err(Failure::Unmanaged(program.pid));
    }
    orphaned::expect_none(client)?;
    let words: Vec<OsString> = client.runner().program.iter().chain(extra).cloned().collect();
    let (program, arguments) =
        words.split_first().ok_or_else(|| Failure::NotStarted("no program specified".to_owned()))?;
    ui.say(words.join(OsStr::new(" ")).display())?;
    let mut command = Command::new(program);
    command.args(arguments);
    become_user(client, &mut command)?;
    command.envs(client.settings.environment.iter().map(|(name, value)| (name, value)));
    run_here(ui, command).map(exit_of)
}

/// The program runs as the user that the manager would give it.
fn become_user(client: &Client, command: &mut Command) -> Result<(), Failure> {
    let Some(name) = &client.runner().user else { return Ok(()) };
    let failed = |source| Failure::System { what: "cannot look up the user", source };
    let account = user::lookup(name).map_err(failed)?.ok_or_else(|| Failure::NoUser(name.clone()))?;
    command.envs(account.variables());
    user::run_as(command, &account).map_err(failed)
}

pub(super) fn shell(client: &Client, ui: &mut Ui<'_>, line: &OsStr) -> Result<Exit, Failure> {
    let mut command = if line.is_empty() {
        Command::new(env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh".into()))
    } else {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line);
        command
    };
    command.envs(client.settings.environment.iter().map(|(name, value)| (name, value)));
    run_here(ui, command).map(exit_of)
}

/// Runs it and waits for its end. ^C and ^\ are for it alone.
fn run_here(ui: &mut Ui<'_>, mut command: Command) -> Result<ExitStatus, Failure> {
    catch_interrupt()?;
    let program = command.get_program().to_owned();
    let modes = Modes::of(io::stdin());
    let ended = command.status().map_err(|source| Failure::Run { program, source })?;
    if let Some(modes) = modes.filter(|_| ui.interactive) {
        // If the terminal has gone, the next read from it says so.
        let _ = modes.restore(io::stdin());
    }
    // What it was sent by the terminal came here too.
    let interrupted = interrupt::take();
    if interrupted && ended.signal().is_some() {
        ui.say("")?;
    }
    Ok(ended)
}

/// As a shell has it.
fn exit_of(ended: ExitStatus) -> Exit {
    let number = ended.code().or_else(|| ended.signal().map(|signal| 128 + signal));
    match number.and_then(|number| u8::try_from(number).ok()) {
        Some(0) => Exit::Success,
        Some(number) => Exit::Program(number),
        None => Exit::Failure,
    }
}
