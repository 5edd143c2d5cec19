//! What `zdctl` does: one action, or a shell of many, for one configured server.
//!
//! Actions are functions over a [`Client`], which knows the server and asks its manager, and a [`Ui`], on which the outcome
//! is printed in the words of the founding document; `perform` is the table of both. Where there is no manager, `launch` starts one; `watch` waits for what was asked for. Nothing is reported that was not seen: `start` says
//! "started" only of a program that was executed, and a manager that does not answer is not one that does not run.
//!
//! It must not know how options are spelled or how a configuration file is read, and it prints no error: what fails comes
//! back as a [`Failure`], which the owner of the command line prints ([`Host`]) and turns into an exit status.

mod action;
mod as_program;
mod check_program;
mod client;
mod completion;
mod editor;
mod failure;
mod foreground;
mod help;
mod history;
mod kill;
mod launch;
mod logtail;
mod orphaned;
mod outdated;
mod perform;
mod reload;
mod repl;
mod show;
mod start;
mod start_watch;
mod state;
mod status;
mod stop;
mod ui;
mod watch;

use std::ffi::OsString;
use std::io::Write;

use crate::config::{Flags, Settings};
use crate::exit::Exit;

use action::Action;
pub use action::Needs;
pub use check_program::check;
use client::Client;
pub use failure::Failure;
pub use help::{Described, SHOW_TOPICS, actions};
use perform::perform;
use ui::Ui;
pub use ui::{Host, Unchanged};

/// The dealings of one command or shell with one server.
pub struct Session<'a> {
    client: Client,
    ui: Ui<'a>,
}

/// Whether these words of a command line ask for a check: the one action for which the configuration need not be good.
#[must_use]
pub fn is_check(words: &[OsString]) -> bool {
    matches!(Action::from_words(words), Ok(Action::Check))
}

/// What these words of a command line need of the configuration: nothing where they are no action, as it is.
#[must_use]
pub fn needs(words: &[OsString]) -> Needs {
    Action::from_words(words).map_or(Needs::Nothing, |action| action.needs())
}

impl<'a> Session<'a> {
    /// A session with these settings; `flags` are those that they come from, to be passed on to a manager,
    /// and `out` is the standard output.
    pub fn new(settings: Settings, flags: Flags, out: &'a mut dyn Write, host: &'a mut dyn Host) -> Self {
        Self { client: Client { settings, flags }, ui: Ui::new(out, host) }
    }

    /// Carries out the one action that these words of a command line name.
    ///
    /// # Errors
    /// Why it could not be carried out.
    pub fn run(&mut self, words: &[OsString]) -> Result<Exit, Failure> {
        perform(&mut self.client, &mut self.ui, &Action::from_words(words)?)
    }

    /// Reads and carries out actions, until `quit` or the end of the input.
    ///
    /// # Errors
    /// Only those that leave no shell: input that cannot be read, output that cannot be written.
    pub fn interact(&mut self) -> Result<(), Failure> {
        repl::interact(&mut self.client, &mut self.ui)
    }
}
