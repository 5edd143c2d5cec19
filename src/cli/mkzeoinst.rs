//! `mkzeoinst`: makes the home of a ZEO server instance.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, FromArgMatches, Parser};

use crate::exit::Exit;
use crate::instance::address::Address;
use crate::instance::apply::{self, Step};
use crate::instance::find::{Places, Programs};
use crate::instance::home::Home;
use crate::instance::plan::{self, Plan};
use crate::instance::quote::shown;
use crate::instance::template::Templates;
use crate::instance::{Error, Request, start};
use crate::sys::reason::reason;
use crate::sys::user::own_uid;

use super::manual;

/// Make the home of a ZEO server instance: HOME with bin, etc, log and var in it, two configuration files and the
/// script bin/zeoctl, which starts and stops the server.
///
/// Directories and files that are there already are left alone; files that are empty are written.
#[derive(Debug, Parser)]
#[command(name = "mkzeoinst", version)]
struct Arguments {
    /// The directory to make; its ancestors are made as well
    #[arg(required_unless_present_any = ["install_man", "install_completions"])]
    home: Option<OsString>,

    #[arg(
        value_name = "[HOST:]PORT",
        default_value = "9999",
        help = "Where the server listens: PORT, HOST:PORT or [IPV6]:PORT"
    )]
    address: OsString,

    /// The ZEO server to run [default: runzeo beside mkzeoinst, else runzeo or runzeo.py on PATH]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,

    /// Add files for what runs and rotates the instance: logrotate, openrc, runit, s6, systemd
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    with: Vec<String>,

    /// Start the instance, and wait until its server answers
    #[arg(long)]
    start: bool,

    #[command(flatten)]
    manual: manual::Wanted,
}

/// The options, as they are told of.
pub(super) fn command() -> Command {
    Arguments::command()
        .override_usage(
            "mkzeoinst [OPTIONS] HOME [[HOST:]PORT]\n       \
             mkzeoinst [--install-man DIR] [--install-completions DIR]",
        )
        .max_term_width(100)
        .after_long_help("Exit status: 0 done, 1 not done, 2 wrong command line.")
}

/// Runs `mkzeoinst`.
#[must_use]
pub fn main() -> ExitCode {
    let mut output = Output::default();
    let exit = match command().try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => match make(&arguments, &mut output) {
            Ok(()) => Exit::Success,
            Err(error) => {
                complain(&error.to_string());
                if error.is_usage() { Exit::Usage } else { Exit::Failure }
            }
        },
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            output.line(error.to_string().trim_end());
            Exit::Success
        }
        Err(error) => {
            complain(&format!("{}; try 'mkzeoinst --help'", first_paragraph(&error.to_string())));
            Exit::Usage
        }
    };
    match (exit, output.failure) {
        (Exit::Success, Some(error)) => {
            complain(&format!("cannot write to standard output: {}", reason(&error)));
            Exit::Failure.into()
        }
        (exit, _) => exit.into(),
    }
}

fn make(arguments: &Arguments, output: &mut Output) -> Result<(), Error> {
    // Without a home, clap has seen to it that there is something else to do.
    let Some(home) = &arguments.home else {
        return manual::install(&arguments.manual, &mut |step| output.step(step));
    };
    let address = Address::parse(&arguments.address, own_uid() == 0)?;
    let current = env::current_dir().map_err(|source| Error::System {
        verb: "find",
        path: PathBuf::from("."),
        source,
    })?;
    let home = Home::new(Path::new(home), &current)?;
    let places = Places::new(env::current_exe().ok().as_deref(), env::var_os("PATH").as_deref(), &current);
    let server = arguments.server.as_deref().map(|server| current.join(server));
    let programs = Programs::find(&places, server.as_deref())?;
    let request = Request { home, address, programs, set: BTreeMap::new(), with: arguments.with.clone() };

    let plan = plan::draw(&request, &Templates::embedded()?)?;
    for warning in start::warnings(&request.address) {
        complain(&format!("warning: {warning}"));
    }
    apply::run(&plan, &mut |step| output.step(step))?;
    output.line("All done.");
    if arguments.start {
        start(&request, &plan, output)?;
    }
    Ok(())
}

fn start(request: &Request, plan: &Plan, output: &mut Output) -> Result<(), Error> {
    match start::address(request, plan) {
        Ok(address) => {
            start::run(request, Some(&address))?;
            output.line(&format!("ZEO server is listening on {}", address.spoken()));
        }
        Err(why) => {
            start::run(request, None)?;
            complain(&format!("warning: not waiting for the server: {why}"));
        }
    }
    Ok(())
}

/// One line on the standard error. If that is closed too, nobody is left to tell.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "mkzeoinst: {message}");
}

/// The message of clap's report, without the usage that follows it, on one line.
fn first_paragraph(report: &str) -> String {
    let lines: Vec<_> = report.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = lines.join(" ");
    message.strip_prefix("error: ").unwrap_or(&message).to_owned()
}

/// The standard output. The work goes on when it cannot be written to; a reader that has gone away is no failure.
#[derive(Default)]
struct Output {
    failure: Option<io::Error>,
}

impl Output {
    fn step(&mut self, step: Step<'_>) {
        let plain = |path: &Path| path.display().to_string();
        self.line(&match step {
            Step::CreatedDirectory(path) => format!("Created directory {}", plain(path)),
            Step::Wrote(path) => format!("Wrote file {}", plain(path)),
            Step::Kept(path) => format!("Warning: not overwriting existing file {}", shown(path)),
            Step::ChangedMode(path, mode) => format!("Changed mode for {} to {mode:o}", plain(path)),
        });
    }

    fn line(&mut self, line: &str) {
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.failure.get_or_insert(error);
        }
    }
}
