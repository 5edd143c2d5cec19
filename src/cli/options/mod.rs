//! The options of `zdctl`, `zdrun` and `runzeo`: from the words of a command line to [`Flags`].
//!
//! They are taken as getopt takes them: short ones bundled or with their value glued on, long ones with `=` or a word of
//! their own and as short as is unique, none after the first positional. An option given twice must say the same twice.

mod server;
#[cfg(test)]
mod tests;
mod told;
mod usual;

pub use server::{ServerTyped, runzeo, runzeo_command};

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, Command, CommandFactory, FromArgMatches, Parser};
use thiserror::Error;

use crate::config::{self, Flags, Wrong};
use crate::control::repr::{Escapes, quote};

pub use told::{zdctl_command, zdrun_command};

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `-h` or `--version`: this text was asked for.
    Text(String),
    /// The command line is wrong.
    Usage(UsageError),
}

/// What is wrong with a command line, in the words of the peers (ZDPROTO 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UsageError {
    /// No option has this name.
    #[error("option {0} not recognized")]
    Unknown(String),
    /// Several long options begin so.
    #[error("option {0} not a unique prefix")]
    Ambiguous(String),
    /// The last word is an option that needs a value.
    #[error("option {0} requires argument")]
    ValueMissing(String),
    /// `--daemon=yes` and the like.
    #[error("option {0} must not have an argument")]
    ValueUnwanted(String),
    /// The value is not of the kind that the option needs.
    #[error("invalid value for {option} {}: {reason}", quote(.value.as_bytes(), Escapes::Characters))]
    Invalid {
        /// The option's short form.
        option: &'static str,
        /// What was typed.
        value: OsString,
        /// What is wrong with it.
        reason: String,
    },
    /// The option was given twice, with different values.
    #[error("conflicting command line option '{0}'")]
    Conflict(&'static str),
    /// `-X` without `-C`.
    #[error("configuration overrides (-X) cannot be used without a configuration file")]
    OverridesWithoutFile,
    /// Anything else that the parser finds.
    #[error("{0}")]
    Other(String),
}

/// What was typed for `zdctl`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// The options.
    pub flags: Flags,
    /// The action and its arguments; empty: none.
    pub action: Vec<OsString>,
    /// `-S` was given: it has no meaning here, and whoever typed it should know.
    pub schema_given: bool,
}

/// What was typed for `zdrun`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagerTyped {
    /// The options, and the program.
    pub flags: Flags,
    /// `--check`: look at the configuration, and start nothing.
    pub check: bool,
}

/// Reads the command line of `zdctl`; `arguments` begin after the program's name.
///
/// # Errors
/// A text to print instead, or what is wrong.
pub fn zdctl(arguments: &[OsString]) -> Result<Typed, Outcome> {
    usual::zdctl(arguments).map_or_else(|| any_zdctl(arguments), Ok)
}

fn any_zdctl(arguments: &[OsString]) -> Result<Typed, Outcome> {
    let line: ZdctlLine = parse(zdctl_command, arguments)?;
    let mut flags = line.shared.flags().map_err(Outcome::Usage)?;
    line.add_to(&mut flags).map_err(Outcome::Usage)?;
    Ok(Typed { flags, action: line.action, schema_given: !line.shared.schema.is_empty() })
}

/// Reads the command line of `zdrun`; `arguments` begin after the program's name. The positionals are the program.
///
/// # Errors
/// A text to print instead, or what is wrong.
pub fn zdrun(arguments: &[OsString]) -> Result<ManagerTyped, Outcome> {
    usual::zdrun(arguments).map_or_else(|| any_zdrun(arguments), Ok)
}

fn any_zdrun(arguments: &[OsString]) -> Result<ManagerTyped, Outcome> {
    let line: ZdrunLine = parse(zdrun_command, arguments)?;
    let mut flags = line.shared.flags().map_err(Outcome::Usage)?;
    flags.program = Some(line.program).filter(|words| !words.is_empty());
    Ok(ManagerTyped { flags, check: line.check > 0 })
}

/// Control a server that zdrun keeps running
#[derive(Debug, Parser)]
#[command(name = "zdctl", version, infer_long_args = true)]
struct ZdctlLine {
    #[command(flatten)]
    shared: Shared,
    /// Program to run, with its arguments, in one word
    #[arg(short = 'p', long, value_name = "PROGRAM", allow_hyphen_values = true)]
    program: Vec<OsString>,
    /// Enter the interactive shell, after the action if there is one
    #[arg(short = 'i', long, action = ArgAction::Count)]
    interactive: u8,
    /// Log file that the action logtail shows
    #[arg(short = 'l', long, value_name = "FILE", allow_hyphen_values = true)]
    logfile: Vec<OsString>,
    /// How long a start may take [default: 300]
    #[arg(short = 'T', long, value_name = "SECONDS", allow_hyphen_values = true)]
    start_timeout: Vec<OsString>,
    /// What to do, with its arguments
    #[arg(value_name = "ACTION", trailing_var_arg = true)]
    action: Vec<OsString>,
}

/// Run a program and start it again when it ends
#[derive(Debug, Parser)]
#[command(name = "zdrun", version, infer_long_args = true)]
struct ZdrunLine {
    #[command(flatten)]
    shared: Shared,
    /// Check the configuration and what it names, and start nothing
    #[arg(long, action = ArgAction::Count)]
    check: u8,
    /// Program to run, with its arguments
    #[arg(value_name = "PROGRAM", trailing_var_arg = true)]
    program: Vec<OsString>,
}

/// The options of both. Every value is kept as it was typed, each time it was typed.
#[derive(Debug, Args)]
struct Shared {
    /// Longest delay between restarts [default: 10]
    #[arg(short = 'b', long, value_name = "SECONDS", allow_hyphen_values = true)]
    backoff_limit: Vec<OsString>,
    /// Configuration file
    #[arg(short = 'C', long, alias = "configuration", value_name = "FILE", allow_hyphen_values = true)]
    configure: Vec<OsString>,
    /// Detach from the terminal
    #[arg(short = 'd', long, action = ArgAction::Count)]
    daemon: u8,
    /// Stay on the terminal, whatever the configuration file says
    #[arg(long, action = ArgAction::Count)]
    no_daemon: u8,
    /// Never give up restarting
    #[arg(short = 'f', long, action = ArgAction::Count)]
    forever: u8,
    /// File mode mask of the program in daemon mode, octal [default: 022]
    #[arg(short = 'm', long, value_name = "MASK", allow_hyphen_values = true)]
    umask: Vec<OsString>,
    /// Control socket [default: zdsock]
    #[arg(short = 's', long, value_name = "PATH", allow_hyphen_values = true)]
    socket_name: Vec<OsString>,
    /// Accepted for the sake of old scripts, and ignored
    #[arg(short = 'S', long, value_name = "FILE", allow_hyphen_values = true)]
    schema: Vec<OsString>,
    /// File for the program's output in daemon mode [default: /dev/null]
    #[arg(short = 't', long, value_name = "FILE", allow_hyphen_values = true)]
    transcript: Vec<OsString>,
    /// User to run as, name or number
    #[arg(short = 'u', long, value_name = "USER", allow_hyphen_values = true)]
    user: Vec<OsString>,
    /// Exit statuses of the program after which it is not restarted, separated by commas [default: 0,2]
    #[arg(short = 'x', long, value_name = "LIST", allow_hyphen_values = true)]
    exit_codes: Vec<OsString>,
    /// Set a key of the configuration file: section/key=value
    #[arg(short = 'X', value_name = "SETTING", allow_hyphen_values = true)]
    overrides: Vec<OsString>,
    /// Working directory of the program in daemon mode
    #[arg(short = 'z', long, value_name = "DIRECTORY", allow_hyphen_values = true)]
    directory: Vec<OsString>,
}

impl Shared {
    fn flags(&self) -> Result<Flags, UsageError> {
        if !self.overrides.is_empty() && self.configure.is_empty() {
            return Err(UsageError::OverridesWithoutFile);
        }
        if self.daemon > 0 && self.no_daemon > 0 {
            return Err(UsageError::Conflict("-d"));
        }
        let daemon = (self.daemon > 0).then_some(true).or((self.no_daemon > 0).then_some(false));
        Ok(Flags {
            configure: once("-C", &self.configure, |file| Ok(PathBuf::from(file)))?,
            overrides: each("-X", &self.overrides, config::text)?,
            backoff_limit: once("-b", &self.backoff_limit, config::seconds)?,
            daemon,
            forever: self.forever > 0,
            umask: once("-m", &self.umask, config::mask)?,
            socket_name: once("-s", &self.socket_name, config::socket_name)?,
            transcript: once("-t", &self.transcript, config::existing_dirpath)?,
            user: once("-u", &self.user, config::text)?,
            exit_codes: once("-x", &self.exit_codes, config::exit_codes)?,
            directory: once("-z", &self.directory, config::directory)?,
            ..Flags::default()
        })
    }
}

impl ZdctlLine {
    fn add_to(&self, flags: &mut Flags) -> Result<(), UsageError> {
        flags.program = once("-p", &self.program, config::command_line)?;
        flags.interactive = self.interactive > 0;
        flags.logfile = once("-l", &self.logfile, config::existing_dirpath)?;
        flags.start_timeout = once("-T", &self.start_timeout, config::seconds)?;
        Ok(())
    }
}

/// The values of an option, converted.
fn each<T>(
    option: &'static str,
    typed: &[OsString],
    convert: impl Fn(&OsStr) -> Result<T, Wrong>,
) -> Result<Vec<T>, UsageError> {
    let invalid = |value: &OsString, wrong: &Wrong| UsageError::Invalid {
        option,
        value: value.clone(),
        reason: wrong.message().to_owned(),
    };
    typed.iter().map(|value| convert(value).map_err(|wrong| invalid(value, &wrong))).collect()
}

/// The value of an option that was given any number of times, each time the same.
fn once<T: PartialEq>(
    option: &'static str,
    typed: &[OsString],
    convert: impl Fn(&OsStr) -> Result<T, Wrong>,
) -> Result<Option<T>, UsageError> {
    let mut values = each(option, typed, convert)?;
    let last = values.pop();
    if values.iter().any(|value| Some(value) != last.as_ref()) {
        return Err(UsageError::Conflict(option));
    }
    Ok(last)
}

/// Parses the words after the program's name. What is `told` of the options is made only for those who ask for it.
fn parse<T: CommandFactory + FromArgMatches>(
    told: fn() -> Command,
    arguments: &[OsString],
) -> Result<T, Outcome> {
    let mut command = T::command();
    let name = command.get_name().to_owned();
    let words = || std::iter::once(OsStr::new(&name)).chain(arguments.iter().map(OsString::as_os_str));
    let matches = command.try_get_matches_from_mut(words());
    matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => {
            let told = told().try_get_matches_from(words()).err();
            Outcome::Text(told.unwrap_or(error).render().to_string())
        }
        ErrorKind::DisplayVersion => Outcome::Text(error.render().to_string()),
        kind => Outcome::Usage(usage_error(kind, &error, &command, arguments)),
    })
}

/// The parser's error in the peers' words.
fn usage_error(
    kind: ErrorKind,
    error: &clap::Error,
    command: &clap::Command,
    arguments: &[OsString],
) -> UsageError {
    let named = match error.get(ContextKind::InvalidArg) {
        // With the value's name after it, or, of a flag that may be repeated, dots.
        Some(ContextValue::String(name)) => {
            name.split([' ', '=']).next().unwrap_or(name).trim_end_matches("...").to_owned()
        }
        _ => String::new(),
    };
    match kind {
        ErrorKind::UnknownArgument if is_prefix(command, &named) => UsageError::Ambiguous(named),
        ErrorKind::UnknownArgument => UsageError::Unknown(named),
        ErrorKind::TooManyValues => UsageError::ValueUnwanted(named),
        // A value can only be missing after the last word, which shows how the option was typed.
        ErrorKind::InvalidValue => UsageError::ValueMissing(last_option(arguments).unwrap_or(named)),
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            UsageError::Other(first.trim_start_matches("error: ").to_owned())
        }
    }
}

/// Whether a long option begins so. (Only one: clap would have taken it.)
fn is_prefix(command: &clap::Command, typed: &str) -> bool {
    let Some(typed) = typed.strip_prefix("--") else { return false };
    command.get_arguments().filter_map(clap::Arg::get_long).any(|long| long.starts_with(typed))
}

/// The option in the last word: all of a long one, the last letter of a bundle.
fn last_option(arguments: &[OsString]) -> Option<String> {
    let last = arguments.last()?.to_str()?;
    if last.starts_with("--") { Some(last.to_owned()) } else { Some(format!("-{}", last.chars().last()?)) }
}
