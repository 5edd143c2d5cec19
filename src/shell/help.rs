//! `help`: the list of actions, laid out as the founding document has it, and a text for each.

use std::ffi::OsStr;

use crate::exit::Exit;

use super::failure::Failure;
use super::ui::{Ui, columns};

pub(super) fn help(ui: &mut Ui<'_>, topic: &OsStr) -> Result<Exit, Failure> {
    let topic = topic.to_string_lossy();
    if topic.is_empty() {
        let columns = if ui.screen.is_terminal() { columns() } else { FULL_WIDTH };
        ui.say(list(columns))?;
        return Ok(Exit::Success);
    }
    match text(&topic) {
        Some(text) => ui.say(text).map(|()| Exit::Success),
        None => ui.say(format_args!("*** No help on {topic}")).map(|()| Exit::Failure),
    }
}

/// The topics of `show`.
pub const SHOW_TOPICS: &[&str] = &["options", "python", "all"];

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
         Also reopens the transcript log file,\n             \
         and runzeo reads its TLS certificates again.",
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
    (
        "condrestart",
        "condrestart -- Restart the daemon process if it is running.\n               \
         This is chkconfig's name for try-restart.",
    ),
    ("exit", "exit -- Exit the zdctl shell, as quit does."),
    (
        "force-reload",
        "force-reload -- Restart the daemon process if it is running.\n                \
         This is the name that init scripts have for try-restart.",
    ),
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
    ("try-restart", "try-restart -- Restart the daemon process if it is running."),
];

/// All actions by what they are for: life, state, foreground, logs, configuration, the shell itself.
const BY_MEANING: &[&str] = &[
    "start",
    "stop",
    "restart",
    "try-restart",
    "condrestart",
    "force-reload",
    "status",
    "wait",
    "kill",
    "fg",
    "foreground",
    "logtail",
    "logreopen",
    "reopen_transcript",
    "check",
    "show",
    "reload",
    "reexec",
    "help",
    "shell",
    "quit",
    "exit",
    "EOF",
];

/// The text on an action.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let mut all = DOCUMENTED.iter().chain(ADDITIONAL);
    all.find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// An action and its description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line without a period.
    pub summary: &'static str,
}

/// All actions, by what they are for.
pub fn actions() -> impl Iterator<Item = Described> {
    BY_MEANING.iter().map(|name| Described { name, summary: summary(name, text(name).unwrap_or_default()) })
}

fn summary(name: &str, text: &'static str) -> &'static str {
    let says_it = |line: &&str| line.starts_with(name) && !line.contains("an alias for");
    let line = text.lines().find(says_it).or_else(|| text.lines().next());
    let line = line.unwrap_or_default();
    line.split_once("-- ").map_or(line, |(_, summary)| summary).trim_end_matches('.')
}

/// The names of all actions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    DOCUMENTED.iter().chain(ADDITIONAL).map(|(name, _)| *name)
}

/// What may follow an action, in the notation of its text; `None`: nothing, or it is no action.
pub(super) fn arguments(name: &str) -> Option<String> {
    if name == "show" {
        return Some(format!("[{}]", SHOW_TOPICS.join(" | ")));
    }
    let mut usages = text(name)?
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.split_once("-- "))
        .map(|(usage, _)| usage.trim());
    usages.find(|usage| usage.starts_with(['[', '<'])).map(ToOwned::to_owned)
}

/// The width for which the founding document has its rows of five.
const FULL_WIDTH: usize = 80;

/// Rows of five, where the window is wide enough; only a row that is not full has blanks at its end. A newer action does
/// not change what the founding document shows; it stands below, where names are longer.
fn list(columns: usize) -> String {
    let mut lines = vec![String::new()];
    for (title, actions, width) in [
        ("Documented commands (type help <topic>):", DOCUMENTED, 16),
        ("Additional commands:", ADDITIONAL, 20),
    ] {
        let in_row = (columns / width).clamp(1, FULL_WIDTH / width);
        lines.extend([title.to_owned(), "=".repeat(title.len().min(columns))]);
        lines.extend(actions.chunks(in_row).map(|row| {
            let cells: Vec<_> = row.iter().map(|(name, _)| format!("{name:<width$}")).collect();
            let cells = cells.concat();
            if row.len() == in_row { cells.trim_end().to_owned() } else { cells }
        }));
        lines.push(String::new());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_has_fewer_columns_in_a_narrow_window() {
        for (columns, row) in [(40, "\nEOF             fg\n"), (20, "\nEOF\nfg\n"), (5, "\n=====\nEOF\nfg\n")]
        {
            assert!(list(columns).contains(row), "{}", list(columns));
        }
    }

    #[test]
    fn arguments_are_those_of_the_text() {
        for (name, expected) in [
            ("kill", Some("[sig]")),
            ("logtail", Some("[-n lines] [logfile]")),
            ("status", Some("[-l | --json]")),
            ("show", Some("[options | python | all]")),
            ("help", Some("<action>")),
            ("start", None),
            ("fg", None),
            ("EOF", None),
            ("x", None),
        ] {
            assert_eq!(arguments(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn actions_by_meaning_are_all_actions_each_with_a_sentence_of_its_own() {
        let mut known: Vec<_> = names().collect();
        let mut described: Vec<_> = actions().map(|action| action.name).collect();
        known.sort_unstable();
        described.sort_unstable();
        assert_eq!(known, described);
        for action in actions() {
            let leans = ["same", "alias", "above"].iter().any(|word| action.summary.contains(word));
            assert!(!leans && !action.summary.is_empty() && action.summary.len() < 70, "{action:?}");
        }
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
