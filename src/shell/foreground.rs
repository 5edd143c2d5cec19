//! Programs that run here, on our terminal, while we wait: `fg`, and the commands of `shell`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};

use crate::control::Mood;
use crate::exit::Exit;
use crate::sys::terminal::Modes;
use crate::sys::user;

use super::{Failure, Session};

impl Session<'_> {
    pub(super) fn foreground(&mut self, extra: &[OsString]) -> Result<Exit, Failure> {
        // One that waits to be started again would soon be a second copy.
        if self.record()?.is_some_and(|record| record.application.is_some() || record.mood == Mood::Up) {
            self.say("To run the program in the foreground, please stop it first.")?;
            return Ok(Exit::Failure);
        }
        // Here it is all the same whether a manager has come since.
        if let Some(left) = self.noted_program() {
            return Err(Failure::Unmanaged(left.pid));
        }
        self.expect_nobody_unmanaged()?;
        let words: Vec<OsString> = self.settings.runner.program.iter().chain(extra).cloned().collect();
        let (program, arguments) =
            words.split_first().ok_or_else(|| Failure::NotStarted("no program specified".to_owned()))?;
        self.say(words.join(OsStr::new(" ")).display())?;
        let mut command = Command::new(program);
        command.args(arguments);
        command.envs(self.settings.environment.iter().map(|(name, value)| (name, value)));
        self.become_user(&mut command)?;
        self.run_here(command).map(exit_of)
    }

    /// The program runs as the user that the manager would give it.
    fn become_user(&self, command: &mut Command) -> Result<(), Failure> {
        let Some(name) = &self.settings.runner.user else { return Ok(()) };
        let failed = |source| Failure::System { what: "cannot look up the user", source };
        let account = user::lookup(name).map_err(failed)?.ok_or_else(|| Failure::NoUser(name.clone()))?;
        user::run_as(command, &account).map_err(failed)
    }

    pub(super) fn shell(&mut self, line: &OsStr) -> Result<Exit, Failure> {
        let mut command = if line.is_empty() {
            Command::new(env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh".into()))
        } else {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(line);
            command
        };
        command.envs(self.settings.environment.iter().map(|(name, value)| (name, value)));
        self.run_here(command).map(exit_of)
    }

    /// Runs it and waits for its end. ^C and ^\ are for it alone.
    fn run_here(&mut self, mut command: Command) -> Result<ExitStatus, Failure> {
        self.catch_interrupt()?;
        let program = command.get_program().to_owned();
        let modes = Modes::of(io::stdin());
        let ended = command.status().map_err(|source| Failure::Run { program, source })?;
        if let Some(modes) = modes.filter(|_| self.interactive) {
            // A terminal that has gone is found out by whoever reads next.
            let _ = modes.restore(io::stdin());
        }
        // What it was sent by the terminal came here too.
        let interrupted = self.catch_interrupt()?.take();
        if interrupted && ended.signal().is_some() {
            self.say("")?;
        }
        Ok(ended)
    }
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
