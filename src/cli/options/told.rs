//! What is told of the options beyond a line each. It is kept from the definitions, which every command line is parsed
//! with: only those who ask for help pay for it.

use clap::{Command, CommandFactory, ValueHint};

use super::{ZdctlLine, ZdrunLine};
use crate::shell;

/// What `--help` adds to the line of an option, by the option's field.
const MORE: &[(&str, &str)] = &[
    ("program", "It is split at white space, or, where it has a quote or a backslash, as a shell would."),
    (
        "start_timeout",
        "That long it may take the program to be up, its start test included. The program is not stopped when the time is over.",
    ),
    ("check", "All that is wrong is told, each with its line; exit status 0 or 2."),
    (
        "backoff_limit",
        "A program that does not last is started again after 1 second, then 2, and so on. Where the delay comes to this, the manager gives up, unless -f is given.",
    ),
    (
        "configure",
        "In the language of ZConfig, or in TOML if its name ends in .toml. Options take precedence over it.",
    ),
    (
        "daemon",
        "The program's input is then /dev/null, and its output goes to the transcript. The command returns when the program is up.",
    ),
    ("socket_name", "A Unix socket, through which zdctl and zdrun talk. Its directory must be there."),
    ("user", "Only root can become another user. The program has all groups of the user."),
    (
        "overrides",
        "As if it stood in the file: -X runner/backoff-limit=20. May be given several times, and needs -C.",
    ),
    (
        "directory",
        "It must be there. Without it, the program has the directory in which the manager was started.",
    ),
];

/// What the value of an option is, for completion.
const HINTS: &[(&str, ValueHint)] = &[
    ("program", ValueHint::CommandString),
    ("logfile", ValueHint::FilePath),
    ("configure", ValueHint::FilePath),
    ("socket_name", ValueHint::FilePath),
    ("schema", ValueHint::FilePath),
    ("transcript", ValueHint::FilePath),
    ("user", ValueHint::Username),
    ("directory", ValueHint::DirPath),
];

/// The options of `zdctl` as they are told of: with the actions, which the parser takes for any words.
#[must_use]
pub fn zdctl_command() -> Command {
    let names: Vec<_> = shell::actions().map(|action| action.name).collect();
    let short = format!(
        "Actions: {}.\nWithout an action an interactive shell is entered. 'zdctl help ACTION' explains one.",
        names.join(", ")
    );
    let lines: Vec<_> =
        shell::actions().map(|action| format!("  {:<18} {}\n", action.name, action.summary)).collect();
    let long = format!(
        "Actions:\n{}\nWithout an action an interactive shell is entered. 'zdctl help ACTION' explains one.\n\n\
         Exit status: 0 done, 1 not done, 2 wrong command line or configuration; of status 3 not running,\n4 not known; of \
         reload 7 not running; of a program that was run its own.",
        lines.concat()
    );
    with_more(ZdctlLine::command()).max_term_width(WIDTH).after_help(short).after_long_help(long)
}

/// The options of `zdrun` as they are told of.
#[must_use]
pub fn zdrun_command() -> Command {
    let long = "Exit status: 0 the program was stopped, or in daemon mode is up; 1 it cannot be kept up; 2 wrong command\n\
                line or configuration; of exit-codes its own.";
    with_more(ZdrunLine::command()).max_term_width(WIDTH).after_long_help(long)
}

/// How wide a line may get on a wide terminal.
pub(super) const WIDTH: usize = 100;

fn with_more(command: Command) -> Command {
    command.mut_args(|arg| {
        let hint = HINTS.iter().find(|(id, _)| arg.get_id() == id);
        let arg = if let Some((_, hint)) = hint { arg.value_hint(*hint) } else { arg };
        let Some((_, more)) = MORE.iter().find(|(id, _)| arg.get_id() == id) else { return arg };
        let line = arg.get_help().map(ToString::to_string).unwrap_or_default();
        arg.long_help(format!("{line}\n\n{more}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_said_of_options_that_are_there() {
        for id in MORE.iter().map(|(id, _)| id).chain(HINTS.iter().map(|(id, _)| id)) {
            let there = |command: Command| command.get_arguments().any(|arg| arg.get_id() == id);
            assert!(there(ZdctlLine::command()) || there(ZdrunLine::command()), "{id}");
        }
    }
}
