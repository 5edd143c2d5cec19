//! `help`: the list of actions, laid out as the founding document has it, and a text for each.

use std::ffi::OsStr;

use crate::exit::Exit;

use super::{Failure, Session};

impl Session<'_> {
    pub(super) fn help(&mut self, topic: &OsStr) -> Result<Exit, Failure> {
        let topic = topic.to_string_lossy();
        if topic.is_empty() {
            self.say(list())?;
            return Ok(Exit::Success);
        }
        match text(&topic) {
            Some(text) => self.say(text).map(|()| Exit::Success),
            None => self.say(format_args!("*** No help on {topic}")).map(|()| Exit::Failure),
        }
    }
}

/// The actions of the founding document, in its order.
const DOCUMENTED: &[(&str, &str)] = &[
    ("EOF", "To quit, type ^D or use the quit command."),
    ("fg", FOREGROUND),
    ("foreground", FOREGROUND),
    (
        "help",
        "help          -- Print a list of available actions.\n\
         help <action> -- Print help for <action>.",
    ),
    (
        "kill",
        "kill [sig] -- Send signal sig to the daemon process.\n              \
         The default signal is SIGTERM.",
    ),
    (
        "logreopen",
        "logreopen -- Send a SIGUSR2 signal to the daemon process.\n             \
         This is designed to reopen the log file.\n             \
         Also reopens the transcript log file.",
    ),
    (
        "logtail",
        "logtail [-n lines] [logfile] -- Run tail -f on the given logfile.\n                                \
         A default file may exist.\n                                \
         Hit ^C to exit this mode.",
    ),
    (
        "quit",
        "quit -- Exit the zdctl shell.\n        \
         If the daemon process is not running,\n        \
         stop the daemon manager.",
    ),
    (
        "reload",
        "reload [options] -- Reload the configuration.\n    \
         On the command line: the daemon manager's, without a\n    \
         stop of the daemon process.\n    \
         In the shell: the shell's.\n    \
         Without options, the command line is read again.\n    \
         With options, they replace the command line, except\n    \
         that the last configuration file is used if there is\n    \
         no -C among them.",
    ),
    ("restart", "restart -- Stop and then start the daemon process."),
    (
        "shell",
        "shell [command] -- Execute a shell command.\n                   \
         Without a command, start an interactive sh.\n\
         An alias for this command is ! [command]",
    ),
    (
        "show",
        "show options -- show zdctl options\n\
         show python -- show version and details of the implementation\n\
         show all -- show all of the above",
    ),
    (
        "start",
        "start -- Start the daemon process.\n         \
         If it is already running, do nothing.",
    ),
    (
        "status",
        "status [-l | --json] -- Print status for the daemon process.\n                        \
         With -l, show raw status output as well.\n                        \
         With --json, print one JSON object instead.",
    ),
    (
        "stop",
        "stop -- Stop the daemon process.\n        \
         If it is not running, do nothing.",
    ),
    ("wait", "wait -- Wait for the daemon process to exit."),
];

const FOREGROUND: &str = "\
foreground -- Run the program in the foreground.
fg -- an alias for foreground.";

/// The actions that came later.
const ADDITIONAL: &[(&str, &str)] = &[
    (
        "check",
        "check -- Check the configuration and what it names:\n         \
         program, user, directories, socket and logs.\n         \
         Nothing is changed.",
    ),
    ("condrestart", TRY_RESTART),
    ("force-reload", TRY_RESTART),
    (
        "reexec",
        "reexec -- Replace the daemon manager by its program file on the disk.\n          \
         Use after an upgrade. The daemon process is not stopped.",
    ),
    (
        "reopen_transcript",
        "reopen_transcript -- Reopen the transcript log file.\n                     \
         Use after log rotation.",
    ),
    ("try-restart", TRY_RESTART),
];

const TRY_RESTART: &str = "\
try-restart -- Restart the daemon process if it is running.
condrestart -- The same, as chkconfig calls it.
force-reload -- The same: no part of the configuration stays as it was.";

/// The text on an action.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let mut all = DOCUMENTED.iter().chain(ADDITIONAL);
    all.find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// An action, as it is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line without a period.
    pub summary: &'static str,
}

/// All actions.
pub fn actions() -> impl Iterator<Item = Described> {
    let all = DOCUMENTED.iter().chain(ADDITIONAL);
    all.map(|(name, text)| Described { name, summary: summary(name, text) })
}

fn summary(name: &str, text: &'static str) -> &'static str {
    let line = text.lines().find(|line| line.starts_with(name)).or_else(|| text.lines().next());
    let line = line.unwrap_or_default();
    line.split_once("-- ").map_or(line, |(_, summary)| summary).trim_end_matches('.')
}

/// The names of all actions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    DOCUMENTED.iter().chain(ADDITIONAL).map(|(name, _)| *name)
}

/// Rows of five, in columns of 16; only a row that is not full has blanks at its end. A newer action does not change what
/// the founding document shows; it stands below.
fn list() -> String {
    let mut lines =
        vec![String::new(), "Documented commands (type help <topic>):".to_owned(), "=".repeat(40)];
    for row in DOCUMENTED.chunks(5) {
        let columns: Vec<_> = row.iter().map(|(name, _)| format!("{name:<16}")).collect();
        let line = columns.concat();
        lines.push(if row.len() == 5 { line.trim_end().to_owned() } else { line });
    }
    lines.extend([String::new(), "Additional commands:".to_owned(), "=".repeat(20)]);
    lines.extend(ADDITIONAL.iter().map(|(name, _)| (*name).to_owned()));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_that_of_the_founding_document() {
        let founding = "
Documented commands (type help <topic>):
========================================
EOF             fg              foreground      help            kill
logreopen       logtail         quit            reload          restart
shell           show            start           status          stop
wait            

";
        assert!(list().starts_with(founding), "{}", list());
        let ours = "check\ncondrestart\nforce-reload\nreexec\nreopen_transcript\ntry-restart\n";
        assert!(list().ends_with(&format!("\nAdditional commands:\n====================\n{ours}")));
    }

    #[test]
    fn every_text_names_its_action() {
        for name in names().filter(|name| *name != "EOF") {
            let text = text(name).expect("a text");
            assert!(text.lines().any(|line| line.starts_with(name)), "{name}");
        }
        assert_eq!(
            text("start"),
            Some("start -- Start the daemon process.\n         If it is already running, do nothing.")
        );
    }
}
