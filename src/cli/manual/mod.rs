//! What a person reads of the programs: manual pages and completions, made from the very definitions that parse the
//! command lines and from the manuals in docs/.
//!
//! A program is one line of [`PROGRAMS`]; everything here, the option tables in docs/ and the tests that hold them
//! (`tests/manual`) follow from it. Only `mkzeoinst` calls this, to install what it makes: the linker leaves it out of the
//! programs that are to be small.

mod completions;
mod install;
mod markdown;
mod page;

use clap::Command;

pub use completions::SHELLS;
pub use install::{Wanted, run as install};

use super::{mkzeoinst, options};

/// A program, as it is told of.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its options, with all that `--help` says.
    pub command: fn() -> Command,
    /// Its manual: `docs/NAME.md`.
    pub manual: &'static str,
    /// The actions, as subcommands, where its positional arguments are an action: for completion only.
    actions: fn() -> Vec<Command>,
    /// A script that passes its arguments on to it; blank: there is none.
    alias: &'static str,
}

/// All programs.
pub const PROGRAMS: &[Program] = &[
    Program::new("mkzeoinst", mkzeoinst::command, include_str!("../../../docs/mkzeoinst.md")),
    Program::new("runzeo", options::runzeo_command, include_str!("../../../docs/runzeo.md")),
    Program::new("zdctl", options::zdctl_command, include_str!("../../../docs/zdctl.md"))
        .with_actions(completions::zdctl_actions)
        .also_as("zeoctl"),
    Program::new("zdrun", options::zdrun_command, include_str!("../../../docs/zdrun.md")),
];

impl Program {
    const fn new(name: &'static str, command: fn() -> Command, manual: &'static str) -> Self {
        Self { name, command, manual, actions: Vec::new, alias: "" }
    }

    const fn with_actions(self, actions: fn() -> Vec<Command>) -> Self {
        Self { actions, ..self }
    }

    const fn also_as(self, alias: &'static str) -> Self {
        Self { alias, ..self }
    }

    /// The names that its command line is completed for.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.name, self.alias].into_iter().filter(|name| !name.is_empty())
    }

    /// The manual page, in the language of man(7).
    #[must_use]
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// The script that completes its command line in a shell, under one of its names.
    #[must_use]
    pub fn completion(&self, name: &'static str, shell: clap_complete::Shell) -> String {
        completions::script(self, name, shell)
    }
}
