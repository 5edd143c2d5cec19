//! `zdctl`: controls a daemon.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::config::{self, Flags, Settings};
use crate::control::repr::{Escapes, quote};
use crate::exit::Exit;
use crate::shell::{self, Failure, Host, Needs, Session, Unchanged};
use crate::sys::system_error::os_error_text;
use crate::sys::user;

use super::options::{self, Outcome, Typed};
use super::{conclude_check, list_faults, print, print_error, warn_of_other_home};

const NAME: &str = "zdctl";

/// Runs `zdctl`.
#[must_use]
pub fn main() -> Exit {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    run(arguments)
}

fn run(arguments: Vec<OsString>) -> Exit {
    let typed = match typed(&arguments) {
        Ok(typed) => typed,
        Err(exit) => return exit,
    };
    if shell::is_check(&typed.action) && !typed.flags.interactive {
        return match shell::check(&typed.flags) {
            Ok(settings) => conclude_check(NAME, Ok(settings)),
            Err(Failure::Configuration(faults)) => conclude_check(NAME, Err(faults)),
            Err(failure) => print_failure(&failure),
        };
    }
    let settings = match settings(&typed) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    if typed.schema_given {
        print_error(NAME, Exit::Success, &"option -S is ignored: the schema is built in");
    }
    warn_of_other_home(NAME, config::other_home(&settings));
    let shell_wanted = typed.flags.interactive || typed.action.is_empty();
    if typed.action.is_empty() && !typed.flags.interactive && !settings.runner.default_to_interactive {
        return usage("either -i or an action argument is required");
    }
    let mut out = io::stdout().lock();
    let mut host = CommandLine { arguments, last_file: settings.config_file.clone() };
    let mut session = Session::new(settings, typed.flags, &mut out, &mut host);
    let mut exit = Exit::Success;
    if !typed.action.is_empty() {
        exit = session.run(&typed.action).unwrap_or_else(|failure| print_failure(&failure));
    }
    if shell_wanted {
        exit = session.interact().map_or_else(|failure| print_failure(&failure), |()| Exit::Success);
    }
    exit
}

/// What was typed; or the exit status, after the error was printed.
fn typed(arguments: &[OsString]) -> Result<Typed, Exit> {
    options::zdctl(arguments).map_err(|outcome| match outcome {
        Outcome::Text(text) => print(&text),
        Outcome::Usage(error) => usage(&error.to_string()),
    })
}

/// The settings that it stands for, as far as the action needs them; or the exit status, as above.
fn settings(typed: &Typed) -> Result<Settings, Exit> {
    let flags = &typed.flags;
    let wants_shell = flags.interactive || typed.action.is_empty();
    let needs = if wants_shell { Needs::Everything } else { shell::needs(&typed.action) };
    let refuse = |faults| print_error(NAME, Exit::Usage, &faults);
    let settings = match needs {
        Needs::Nothing => return Ok(config::resolve_lossy(flags)),
        Needs::Socket => {
            let (settings, faults) = config::resolve_socket(flags).map_err(refuse)?;
            warn_of_faults(&faults);
            settings
        }
        Needs::Everything => config::resolve_with_user(flags).map_err(refuse)?,
    };
    let names_socket = flags.configure.is_some() || flags.socket_name.is_some();
    if settings.runner.program.is_empty() && !(needs == Needs::Socket && names_socket) {
        return Err(usage("no program specified; use -p or -C"));
    }
    if let Some(name) = &flags.user {
        check_typed_user(name)?;
    }
    Ok(settings)
}

/// Warns in one line of a configuration at fault, which the action does without.
fn warn_of_faults(faults: &config::Errors) {
    let Some(first) = faults.list().first() else { return };
    let more = match faults.list().len() + faults.more() {
        1 => String::new(),
        all => format!("; {} more, which 'zdctl check' lists", all - 1),
    };
    print_error(NAME, Exit::Success, &format!("warning: {first}{more}"));
}

/// Only root can become another user.
fn check_typed_user(name: &str) -> Result<(), Exit> {
    let own = user::own_uid();
    match user::lookup(name) {
        Ok(Some(account)) if own == 0 || account.uid == own => Ok(()),
        Ok(Some(_)) => Err(usage("only root can use -u USER to change users")),
        Ok(None) => {
            let what = if user::is_number(name) { "uid" } else { "username" };
            Err(usage(&format!("{what} {} not found", quote(name.as_bytes(), Escapes::Characters))))
        }
        Err(error) => {
            let what = format!("cannot look up user '{name}': {}", os_error_text(&error));
            Err(print_error(NAME, Exit::Failure, &what))
        }
    }
}

/// The side of a session that knows how it was called.
struct CommandLine {
    arguments: Vec<OsString>,
    last_file: Option<PathBuf>,
}

impl Host for CommandLine {
    fn report(&mut self, failure: &Failure) {
        print_failure(failure);
    }

    fn reload(&mut self, options: &[OsString]) -> Result<(Settings, Flags), Unchanged> {
        let mut arguments = options.to_vec();
        if options.is_empty() {
            arguments.clone_from(&self.arguments);
        } else if let (Ok(typed), Some(file)) = (options::zdctl(options), &self.last_file)
            && typed.flags.configure.is_none()
        {
            arguments.splice(..0, ["-C".into(), file.clone().into()]);
        }
        let typed = typed(&arguments).map_err(|_| Unchanged)?;
        let settings = settings(&typed).map_err(|_| Unchanged)?;
        self.last_file.clone_from(&settings.config_file);
        Ok((settings, typed.flags))
    }
}

/// Prints a failure, unless it has been already; returns the exit status that it means.
fn print_failure(failure: &Failure) -> Exit {
    match failure {
        Failure::Configuration(faults) => list_faults(NAME, Exit::Usage, faults),
        failure if failure.is_silent() => failure.exit(),
        failure => print_error(NAME, failure.exit(), failure),
    }
}

fn usage(what: &str) -> Exit {
    print_error(NAME, Exit::Usage, &format!("{what}; for help, use {NAME} -h"))
}
