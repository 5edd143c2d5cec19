//! The shell: actions one after the other, until `quit` or the end of the input.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use super::action::Action;
use super::lines::{Line, Lines};
use super::status::describe;
use super::{Done, Failure, Session};

impl Session<'_> {
    /// Reads and carries out actions.
    ///
    /// # Errors
    /// Only those that leave no shell: input that cannot be read, output that nobody takes.
    pub fn interact(&mut self) -> Result<(), Failure> {
        let mut lines = Lines::open()?;
        self.interactive = true;
        if lines.is_terminal() {
            self.catch_interrupt()?;
        }
        let prompt = format!("{} ", self.settings.runner.prompt);
        self.banner()?;
        let mut last = OsString::new();
        loop {
            self.reap_managers();
            match lines.next(&prompt, self.out)? {
                Line::Text(line) if !line.as_bytes().trim_ascii().is_empty() => last = line,
                // A blank line repeats the last one.
                Line::Text(_) if !last.is_empty() => {}
                Line::Text(_) | Line::Interrupted => continue,
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
            Ok(record) => self.say(describe(record.as_ref()).0),
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
        Ok(Done::Status(crate::exit::Exit::Failure))
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
