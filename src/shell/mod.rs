//! What `zdctl` does: one action, or a shell of many, for one configured server.
//!
//! A [`Session`] carries out actions: it asks the daemon manager over its socket (`client`), starts a manager where
//! there is none (`launch`), waits for what was asked for (`waiting`) and is told of each change meanwhile (`watching`),
//! and tells the outcome on its output in the words
//! of the founding document. It never believes what it has not seen: `start` says "started" only of a program that was
//! executed, and a manager that does not answer is not one that does not run.
//!
//! It must not know how options are spelled or how a configuration file is read, and it prints no error: what fails comes
//! back as a [`Failure`], which whoever owns the command line prints ([`Host`]) and turns into an exit status.

mod action;
mod check;
mod client;
mod completion;
mod failure;
mod foreground;
mod help;
mod history;
mod interactive;
mod launch;
mod lines;
mod logtail;
mod progress;
mod reload;
mod replacing;
mod screen;
mod service;
mod show;
mod signalling;
mod starting;
mod state;
mod status;
mod stopping;
mod unmanaged;
mod waiting;
mod watching;

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::process::Child;

use crate::config::{Flags, Settings};
use crate::control::StatusRecord;
use crate::control::repr::quote_list;
use crate::exit::Exit;
use crate::sys::interrupt::Interrupt;

use action::Action;
use client::Client;
pub use failure::Failure;
pub use help::{Described, actions};
use progress::Progress;
use screen::Screen;
pub use show::TOPICS;

/// What a session needs of the command line that it serves.
pub trait Host {
    /// Shows an error to the person.
    fn report(&mut self, failure: &Failure);

    /// Reads the configuration again: as at the start, or with these options in place of those given then.
    ///
    /// # Errors
    /// [`Unchanged`] when it was wrong and the person has been told why.
    fn reload(&mut self, options: &[OsString]) -> Result<(Settings, Flags), Unchanged>;
}

/// The configuration could not be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unchanged;

/// One person's dealings with one server.
pub struct Session<'a> {
    settings: Settings,
    flags: Flags,
    out: &'a mut dyn Write,
    host: &'a mut dyn Host,
    screen: Screen,
    progress: Progress,
    interrupt: Option<Interrupt>,
    interactive: bool,
    warned: bool,
    managers: Vec<Child>,
}

/// Whether these words of a command line ask for a check: the one action for which the configuration need not be good.
#[must_use]
pub fn is_check(words: &[OsString]) -> bool {
    matches!(Action::from_words(words), Ok(Action::Check))
}

/// What became of an action.
enum Done {
    /// It has this exit status, should it be the only one.
    Status(Exit),
    /// It ends the shell.
    Leave,
}

impl<'a> Session<'a> {
    /// A session with these settings; `flags` are those that they come from, to be passed on to a manager,
    /// and `out` is the standard output.
    pub fn new(settings: Settings, flags: Flags, out: &'a mut dyn Write, host: &'a mut dyn Host) -> Self {
        Self {
            settings,
            flags,
            out,
            host,
            screen: Screen::of_stdout(),
            progress: Progress::begin("", None),
            interrupt: None,
            interactive: false,
            warned: false,
            managers: Vec::new(),
        }
    }

    /// Carries out the one action that these words of a command line name.
    pub fn run(&mut self, words: &[OsString]) -> Result<Exit, Failure> {
        match self.perform(&Action::from_words(words)?)? {
            Done::Status(exit) => Ok(exit),
            Done::Leave => Ok(Exit::Success),
        }
    }

    fn perform(&mut self, action: &Action) -> Result<Done, Failure> {
        self.begin(action);
        let status = match action {
            Action::Start(extra) => self.start(extra)?,
            Action::Stop => self.stop()?,
            Action::Restart => self.restart()?,
            Action::TryRestart => self.try_restart()?,
            Action::Status(form) => self.tell_status(*form)?,
            Action::Kill(signal) => self.kill(signal)?,
            Action::Wait => self.wait()?,
            Action::Foreground(extra) => self.foreground(extra)?,
            Action::LogReopen => self.reopen_logs()?,
            Action::ReopenTranscript => self.reopen_transcript()?,
            Action::Reexec => self.replace_manager()?,
            Action::LogTail { lines, file } => self.tail_log(*lines, file.as_deref())?,
            Action::Show(topic) => self.show(topic)?,
            Action::Check => self.check()?,
            Action::Help(topic) => self.help(topic)?,
            Action::Shell(command) => self.shell(command)?,
            Action::Reload(options) if self.interactive => self.reload(options)?,
            Action::Reload(options) => self.reload_manager(options)?,
            Action::Quit => return self.quit(),
            Action::EndOfFile => return self.end_of_file(),
        };
        Ok(Done::Status(status))
    }

    /// Prints a line.
    fn say(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        self.hide_progress()?;
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(Failure::Output)
    }

    fn client(&self) -> Client {
        Client::new(&self.settings.runner.socket_name, self.interrupt.clone())
    }

    /// The manager's state; `None`: there is no manager. The first time, a manager of another program is warned about.
    fn record(&mut self) -> Result<Option<StatusRecord>, Failure> {
        let record = self.client().status()?.map(|status| status.record);
        self.warn_of_other_program(record.as_ref())?;
        Ok(record)
    }

    /// Extra words that an earlier start was given do not make it another program.
    fn warn_of_other_program(&mut self, record: Option<&StatusRecord>) -> Result<(), Failure> {
        let Some(theirs) = record.and_then(|record| record.args.as_ref()) else { return Ok(()) };
        let ours = &self.settings.runner.program;
        if self.warned || ours.is_empty() || theirs.starts_with(ours) {
            return Ok(());
        }
        self.warned = true;
        let (ours, theirs) = (quote_list(ours), quote_list(theirs));
        self.say("WARNING! zdrun is managing a different program!")?;
        self.say(format_args!("our program   = {ours}"))?;
        self.say(format_args!("daemon's args = {theirs}"))
    }
}
