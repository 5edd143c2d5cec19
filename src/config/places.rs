//! Where each setting was given, for whoever finds out later that it does not do.

use super::log::handlers;
use super::runner::Flags;
use crate::zconfig::{Location, MemberValue, SectionRef, Tree};

/// Where settings were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    whole: Location,
    keys: Vec<(String, Location)>,
    handlers: Vec<Location>,
}

impl Places {
    /// Where a key of `<runner>` was given: on the command line, on a line of the file, or, being a default, nowhere
    /// but in the file as a whole.
    #[must_use]
    pub fn of(&self, key: &str) -> &Location {
        self.keys.iter().find(|(known, _)| known == key).map_or(&self.whole, |(_, place)| place)
    }

    /// Where the handlers of the event log begin, in their order.
    #[must_use]
    pub fn handlers(&self) -> &[Location] {
        &self.handlers
    }

    /// The places of settings that come from a file under a command line.
    pub(super) fn find(flags: &Flags, tree: &Tree) -> Self {
        let file = tree.files().first().cloned();
        let runner = tree.root().and_then(|root| root.section("runner"));
        let mut keys: Vec<(String, Location)> =
            typed(flags).into_iter().map(|key| (key.to_owned(), Location::CommandLine)).collect();
        keys.extend(runner.into_iter().flat_map(given));
        Self {
            whole: file.map_or(Location::CommandLine, Location::File),
            keys,
            handlers: handlers(tree).map(|handler| handler.at().clone()).collect(),
        }
    }
}

/// The keys that options stand for, of the options that were typed.
pub(super) fn typed(flags: &Flags) -> Vec<&'static str> {
    let options = [
        ("program", flags.program.is_some()),
        ("backoff-limit", flags.backoff_limit.is_some()),
        ("daemon", flags.daemon.is_some()),
        ("forever", flags.forever),
        ("logfile", flags.logfile.is_some()),
        ("umask", flags.umask.is_some()),
        ("socket-name", flags.socket_name.is_some()),
        ("transcript", flags.transcript.is_some()),
        ("start-timeout", flags.start_timeout.is_some()),
        ("user", flags.user.is_some()),
        ("exit-codes", flags.exit_codes.is_some()),
        ("directory", flags.directory.is_some()),
    ];
    options.into_iter().filter(|(_, typed)| *typed).map(|(key, _)| key).collect()
}

fn given(runner: SectionRef<'_>) -> impl Iterator<Item = (String, Location)> {
    runner.members().filter_map(|(member, held)| match held {
        MemberValue::One(entry) => Some((member.name().to_owned(), entry.at.clone()?)),
        _ => None,
    })
}
