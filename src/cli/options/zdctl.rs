//! The options of `zdctl`.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, CommandFactory, Parser, ValueHint};

use super::getopt::{Outcome, UsageError, generated, once, parse};
use super::shared::Shared;
use crate::cli::file_page::FilePage;
use crate::cli::manual::{Generate, Program, Script, Section};
use crate::config::{self, Flags, schema};
use crate::shell;

/// `zdctl`, as its help describes it.
pub const PROGRAM: Program = Program {
    name: "zdctl",
    command,
    sections,
    actions: completed_actions,
    alias: Some(&SCRIPT),
    file: Some(&FILE),
};

static SCRIPT: Script = Script {
    name: "zeoctl",
    about: "Control the ZEO server of an instance",
    synopsis: "HOME/bin/zeoctl [OPTIONS] [ACTION [ARGUMENT]...]\n       /etc/init.d/NAME [ACTION]",
    description: &[
        "zeoctl is the script that mkzeoinst(1) makes in bin of an instance. It runs zdctl(1) with the configuration of that \
         instance, HOME/etc/zeoctl.conf, and passes all options and actions on. Without an action it is the shell of zdctl.",
        "It works from any directory, through a symbolic link, and as a copy in /etc/init.d. In a copy of the home it warns that \
         it is still about the original.",
    ],
    sections: || {
        vec![
            Section {
                title: "Actions",
                entries: shell::actions().map(|action| (action.name, action.summary)).collect(),
            },
            Section::new("Exit status", &[("as zdctl(1)", "Its status is passed on")]),
            Section::new(
                "Files",
                &[
                    ("HOME/etc/zeoctl.conf", "What runs, and how: zeoctl.conf(5)"),
                    ("HOME/etc/zeo.conf", "The server's own configuration: zeo.conf(5)"),
                    ("HOME/etc/zeo.zdsock", "The control socket"),
                    ("HOME/log/zeoctl.log", "The log of the manager"),
                    ("HOME/log/zeo.log", "The log of the server"),
                ],
            ),
            Section::new(
                "Examples",
                &[
                    ("/srv/zeo/bin/zeoctl start", "Start the server of the instance /srv/zeo"),
                    ("/srv/zeo/bin/zeoctl status -l", "Explain what it does"),
                ],
            ),
            Section::new(
                "See also",
                &[("zdctl(1)", "The options, and each action in full"), ("mkzeoinst(1)", "Make an instance")],
            ),
        ]
    },
};

static FILE: FilePage = FilePage {
    name: "zeoctl.conf",
    about: "configuration of zdctl and zdrun for one program",
    synopsis: &["HOME/etc/zeoctl.conf", "zdctl -C zeoctl.conf", "zdrun -C zeoctl.conf"],
    description: &[
        "The file names the program that zdrun(1) keeps running and that zdctl(1) controls, and how: `<runner>` with a `program`; \
         `<environment>` and `<eventlog>` where they are wanted. Options of the command line take precedence over it.",
        "Sections of other programs, such as those of zeo.conf(5), may stand in the same file.",
    ],
    schema: &schema::DAEMON,
    without: &["win32-eventlog", "http-logger", "email-notifier"],
    example: &[
        "<runner>",
        "  program     runzeo -C /srv/zeo/etc/zeo.conf",
        "  socket-name /srv/zeo/etc/zeo.zdsock",
        "  daemon      true",
        "  directory   /srv/zeo",
        "</runner>",
        "<environment>",
        "  LANG C.UTF-8",
        "</environment>",
    ],
    see_also: &[
        ("zdctl(1)", "Control the program"),
        ("zdrun(1)", "The manager"),
        ("zeo.conf(5)", "The server's file"),
    ],
};

/// What was typed for `zdctl`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// The options.
    pub flags: Flags,
    /// The action and its arguments; empty: none.
    pub action: Vec<OsString>,
    /// `-S` was given: it has no meaning here, and the user should know.
    pub schema_given: bool,
}

/// Reads the command line of `zdctl`; `arguments` begin after the program's name.
///
/// # Errors
/// A text to print instead, or what is wrong.
pub fn zdctl(arguments: &[OsString]) -> Result<Typed, Outcome> {
    let line: Line = parse(&PROGRAM, arguments)?;
    if let Some(kind) = line.generate.kind {
        return Err(generated(&PROGRAM, kind));
    }
    let mut flags = line.shared.flags().map_err(Outcome::Usage)?;
    line.add_to(&mut flags).map_err(Outcome::Usage)?;
    Ok(Typed { flags, action: line.action, schema_given: !line.shared.schema.is_empty() })
}

/// Control a server that zdrun keeps running
///
/// With an action on its command line, zdctl carries that out and ends. Without one it is a shell, which prompts for action
/// after action. The program and how it is run are given by options, or better by a configuration file. HOME/bin/zeoctl of
/// an instance that mkzeoinst made is zdctl with the file of that instance.
///
/// An action ends when it is true: start returns when the program is up, stop when it has ended with all that it left behind.
///
/// Short options can be bundled, and a long name can be cut short as long as it is unique. Options end at the action.
#[derive(Debug, Parser)]
#[command(
    name = "zdctl",
    version,
    infer_long_args = true,
    override_usage = "zdctl [OPTIONS] [ACTION]...\n       zdctl --generate KIND"
)]
struct Line {
    #[command(flatten)]
    shared: Shared,
    /// Program to run, with its arguments, in one word
    ///
    /// It is split at white space, or, where it has a quote or a backslash, as a shell would.
    #[arg(short = 'p', long, value_name = "PROGRAM", allow_hyphen_values = true, value_hint = ValueHint::CommandString)]
    program: Vec<OsString>,
    /// Enter the interactive shell, after the action if there is one
    #[arg(short = 'i', long, action = ArgAction::Count)]
    interactive: u8,
    /// Log file that the action logtail shows
    #[arg(short = 'l', long, value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    logfile: Vec<OsString>,
    /// How long a start may take [default: 300]
    ///
    /// That long it may take the program to be up, its start test included. The program is not stopped when the time is over.
    #[arg(short = 'T', long, value_name = "SECONDS", allow_hyphen_values = true)]
    start_timeout: Vec<OsString>,
    #[command(flatten)]
    generate: Generate,
    /// What to do, with its arguments
    #[arg(value_name = "ACTION", trailing_var_arg = true)]
    action: Vec<OsString>,
}

impl Line {
    fn add_to(&self, flags: &mut Flags) -> Result<(), UsageError> {
        flags.program = once("-p", &self.program, config::command_line)?;
        flags.interactive = self.interactive > 0;
        flags.logfile = once("-l", &self.logfile, config::existing_dirpath)?;
        flags.start_timeout = once("-T", &self.start_timeout, config::seconds)?;
        Ok(())
    }
}

fn command() -> Command {
    let names: Vec<_> = shell::actions().map(|action| action.name).collect();
    Line::command().after_help(format!(
        "Actions: {}.\nWithout an action an interactive shell is entered. 'zdctl help ACTION' explains one.",
        names.join(", ")
    ))
}

fn sections() -> Vec<Section> {
    vec![
        Section {
            title: "Actions",
            entries: shell::actions().map(|action| (action.name, action.summary)).collect(),
        },
        Section::new(
            "Exit status",
            &[
                ("0", "What was asked for is so"),
                ("1", "It could not be done"),
                ("2", "The command line or the configuration is wrong"),
                ("3", "status: the program does not run"),
                ("4", "status: that could not be found out, or it runs without a manager"),
                ("7", "reload: nothing runs"),
                ("other", "fg, shell: that of the program"),
            ],
        ),
        Section::new(
            "Files",
            &[
                ("zdsock", "The control socket, unless socket-name or -s says otherwise"),
                ("SOCKET.lock", "Held by the manager; names it and the program"),
                ("HOME/etc/zeoctl.conf", "The configuration of an instance"),
            ],
        ),
        Section::new(
            "Signals",
            &[("SIGINT", "Ends logtail, wait and the waiting of start and stop, never the program")],
        ),
        Section::new(
            "Examples",
            &[
                ("zdctl -C zeoctl.conf start", "Start the program that the file names"),
                ("zdctl -C zeoctl.conf status -l", "Explain what it does"),
                ("zdctl -d -s ./zdsock -p 'sleep 1000' start", "Keep any program running"),
            ],
        ),
        Section::new(
            "See also",
            &[
                ("help ACTION", "What an action does"),
                ("zeoctl.conf(5)", "The configuration file"),
                ("zdrun(1)", "The manager"),
            ],
        ),
    ]
}

/// The actions that a command line can name, each with what may follow it.
fn completed_actions() -> Vec<Command> {
    let only_in_the_shell = ["EOF", "quit", "exit"];
    let actions = shell::actions().filter(|action| !only_in_the_shell.contains(&action.name));
    let command = |action: shell::Described| {
        // An option of zdctl comes before the action: none is offered after it.
        let command = Command::new(action.name).about(action.summary).disable_help_flag(true);
        command.args(arguments(action.name))
    };
    actions.map(command).collect()
}

/// The signals that people send to a server; any other can be typed.
const SIGNALS: &[&str] = &["TERM", "HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "STOP", "CONT", "ABRT"];

fn arguments(action: &str) -> Vec<Arg> {
    let one_of = |values: Vec<&'static str>| {
        vec![Arg::new("argument").value_parser(PossibleValuesParser::new(values))]
    };
    match action {
        "kill" => one_of(SIGNALS.to_vec()),
        "help" => one_of(shell::actions().map(|action| action.name).collect()),
        "show" => one_of(shell::SHOW_TOPICS.to_vec()),
        "status" => vec![
            Arg::new("long").short('l').num_args(0).help("Explain"),
            Arg::new("json").long("json").num_args(0).help("For programs"),
        ],
        "logtail" => vec![
            Arg::new("lines").short('n').value_name("LINES").help("How many lines to begin with"),
            Arg::new("file").value_hint(ValueHint::FilePath),
        ],
        "shell" => vec![
            Arg::new("command")
                .num_args(1..)
                .trailing_var_arg(true)
                .value_hint(ValueHint::CommandWithArguments),
        ],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::signal_names;

    #[test]
    fn signals_are_signals() {
        for name in SIGNALS {
            assert!(signal_names::number(name).is_some(), "{name}");
        }
    }

    #[test]
    fn arguments_are_those_of_actions() {
        let known: Vec<_> = shell::actions().map(|action| action.name).collect();
        for action in ["kill", "help", "show", "status", "logtail", "shell"] {
            assert!(known.contains(&action) && !arguments(action).is_empty(), "{action}");
        }
    }
}
