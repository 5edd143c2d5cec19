//! The shell: actions one after the other, until `quit` or the end of the input.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::os::unix::ffi::OsStrExt as _;

use crate::exit::Exit;
use crate::sys::interrupt::Interrupt;

use super::action::Action;
use super::lines::{Line, Lines};
use super::status::Seen;
use super::{Done, Failure, Session};

impl Session<'_> {
    /// Reads and carries out actions.
    ///
    /// # Errors
    /// Only those that leave no shell: input that cannot be read, output that nobody takes.
    pub fn interact(&mut self) -> Result<(), Failure> {
        self.interactive = true;
        if io::stdin().is_terminal() {
            self.catch_interrupt()?;
        }
        self.banner()?;
        let mut lines = Lines::open(self)?;
        let mut last = OsString::new();
        loop {
            self.reap_managers();
            // A ^C that came before is none for the next action; one that comes right after the Enter key is.
            self.interrupt.as_ref().map(Interrupt::take);
            let prompt = format!("{} ", self.settings.runner.prompt);
            match lines.next(&prompt, self)? {
                Line::Text(line) if !is_blank(&line) => last = line,
                // A blank line repeats the last one; nobody should change something without seeing what.
                Line::Text(_) if !last.is_empty() => {
                    if Action::from_line(&last).is_ok_and(|action| action.changes_something()) {
                        self.say(last.display())?;
                    }
                }
                Line::Text(_) => continue,
                Line::Interrupted => {
                    if !self.screen.is_terminal() {
                        self.say("")?;
                    }
                    continue;
                }
                Line::End => {
                    self.end_of_file()?;
                    return Ok(());
                }
            }
            if matches!(self.carry_out(&last)?, Done::Leave) {
                return Ok(());
            }
        }
    }

    fn banner(&mut self) -> Result<(), Failure> {
        let program = self.settings.runner.program.join(OsStr::new(" "));
        self.say(format_args!("program: {}", program.display()))?;
        match self.record() {
            Ok(record) => {
                self.say_status(Seen::of(record.as_ref()))?;
                if record.is_none() {
                    self.warn_of_unmanaged();
                }
                Ok(())
            }
            Err(failure) => self.tell(failure),
        }
    }

    fn carry_out(&mut self, line: &OsStr) -> Result<Done, Failure> {
        let done = Action::from_line(line).and_then(|action| self.perform(&action));
        match done {
            Ok(done) => return Ok(done),
            Err(Failure::UnknownAction(line)) => {
                self.say(format_args!("*** Unknown syntax: {}", line.display()))?;
            }
            Err(failure) => self.tell(failure)?,
        }
        Ok(Done::Status(Exit::Failure))
    }

    /// What failed ends an action, not the shell; except that nobody takes what it prints.
    fn tell(&mut self, failure: Failure) -> Result<(), Failure> {
        match failure {
            Failure::Output(_) => Err(failure),
            Failure::Interrupted => self.say(""),
            failure => {
                self.host.report(&failure);
                Ok(())
            }
        }
    }
}

fn is_blank(line: &OsStr) -> bool {
    line.as_bytes().trim_ascii().is_empty()
}
