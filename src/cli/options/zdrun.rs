//! The options of `zdrun`.

use std::ffi::OsString;

use clap::{ArgAction, CommandFactory, Parser};

use super::getopt::{Outcome, generated, parse};
use super::shared::Shared;
use crate::cli::manual::{Generate, Program, Section};
use crate::config::Flags;

/// `zdrun`, as its help describes it.
pub const PROGRAM: Program =
    Program { name: "zdrun", command: Line::command, sections, actions: Vec::new, alias: None, file: None };

/// What was typed for `zdrun`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagerTyped {
    /// The options, and the program.
    pub flags: Flags,
    /// `--check`: look at the configuration, and start nothing.
    pub check: bool,
}

/// Reads the command line of `zdrun`; `arguments` begin after the program's name. The positionals are the program.
///
/// # Errors
/// A text to print instead, or what is wrong.
pub fn zdrun(arguments: &[OsString]) -> Result<ManagerTyped, Outcome> {
    let line: Line = parse(&PROGRAM, arguments)?;
    if let Some(kind) = line.generate.kind {
        return Err(generated(&PROGRAM, kind));
    }
    let mut flags = line.shared.flags().map_err(Outcome::Usage)?;
    flags.program = Some(line.program).filter(|words| !words.is_empty());
    Ok(ManagerTyped { flags, check: line.check > 0 })
}

/// Run a program and start it again when it ends
///
/// zdrun is the daemon manager: it runs one program, keeps it running, stops it in order, and answers zdctl on a Unix socket.
/// Usually zdctl start starts it; an init system can run it in the foreground.
///
/// In daemon mode (-d) it returns when the program is up, or says why it is not. Without, it stays on the terminal until it
/// ends. Options are read as those of zdctl.
#[derive(Debug, Parser)]
#[command(
    name = "zdrun",
    version,
    infer_long_args = true,
    override_usage = "zdrun [OPTIONS] [PROGRAM]...\n       zdrun [OPTIONS] --check\n       zdrun --generate KIND"
)]
struct Line {
    #[command(flatten)]
    shared: Shared,
    /// Check the configuration and what it names, and start nothing
    ///
    /// All faults are reported in one run, each with its line; exit status 0 or 2.
    #[arg(long, action = ArgAction::Count)]
    check: u8,
    #[command(flatten)]
    generate: Generate,
    /// Program to run, with its arguments
    #[arg(value_name = "PROGRAM", trailing_var_arg = true)]
    program: Vec<OsString>,
}

fn sections() -> Vec<Section> {
    vec![
        Section::new(
            "Exit status",
            &[
                ("0", "The program was stopped; in daemon mode, it is up"),
                ("1", "It cannot be kept up, or the manager cannot run"),
                ("2", "The command line or the configuration is wrong"),
                ("other", "The program ended with a status of exit-codes"),
            ],
        ),
        Section::new(
            "Files",
            &[
                ("SOCKET", "The control socket, mode 0700"),
                ("SOCKET.lock", "Locked by the manager; names it and the program"),
                ("SOCKET.new", "The socket before it listens"),
            ],
        ),
        Section::new(
            "Signals",
            &[
                ("SIGTERM", "Stop the program in order, then end"),
                ("SIGINT", "Stop the program in order, then end"),
                ("SIGHUP", "Reopen event log and transcript"),
                ("SIGUSR2", "Reopen event log and transcript"),
                ("SIGKILL", "The program runs on; the next start adopts it"),
            ],
        ),
        Section::new(
            "Examples",
            &[
                ("zdrun -C zeoctl.conf", "Keep the program that the file names running"),
                ("zdrun -s ./zdsock sleep 1000", "Keep any program running"),
            ],
        ),
        Section::new("See also", &[("zdctl(1)", "Control it"), ("zeoctl.conf(5)", "The configuration file")]),
    ]
}
