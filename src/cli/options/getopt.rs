//! Parsing as getopt does it, and its messages.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, FromArgMatches};
use thiserror::Error;

use crate::cli::manual::{Kind, Program};
use crate::config::ValueError;

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `-h`, `--version` or `--generate`: this text was asked for.
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
    #[error("invalid value for {option}: {error}")]
    Invalid {
        /// The option's short form.
        option: &'static str,
        /// What is wrong with the value.
        error: ValueError,
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

/// What `--generate` asks for.
pub(super) fn generated(program: &Program, kind: Kind) -> Outcome {
    match program.generate(kind) {
        Some(text) => Outcome::Text(text),
        None => Outcome::Usage(UsageError::Other(format!("{} has no page of this kind", program.name))),
    }
}

/// The values of an option, converted.
pub(super) fn each<T>(
    option: &'static str,
    typed: &[OsString],
    convert: impl Fn(&OsStr) -> Result<T, ValueError>,
) -> Result<Vec<T>, UsageError> {
    typed.iter().map(|value| convert(value).map_err(|error| UsageError::Invalid { option, error })).collect()
}

/// The value of an option that was given any number of times, each time the same.
pub(super) fn once<T: PartialEq>(
    option: &'static str,
    typed: &[OsString],
    convert: impl Fn(&OsStr) -> Result<T, ValueError>,
) -> Result<Option<T>, UsageError> {
    let mut values = each(option, typed, convert)?;
    let last = values.pop();
    if values.iter().any(|value| Some(value) != last.as_ref()) {
        return Err(UsageError::Conflict(option));
    }
    Ok(last)
}

/// Parses the words after the program's name.
pub(super) fn parse<T: CommandFactory + FromArgMatches>(
    program: &Program,
    arguments: &[OsString],
) -> Result<T, Outcome> {
    let mut command = T::command();
    let words = || std::iter::once(OsStr::new(program.name)).chain(arguments.iter().map(OsString::as_os_str));
    let matches = command.try_get_matches_from_mut(words());
    matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => {
            // Only now, as every start would pay for the sections.
            let help = program.help().try_get_matches_from(words()).err();
            Outcome::Text(help.unwrap_or(error).render().to_string())
        }
        ErrorKind::DisplayVersion => Outcome::Text(error.render().to_string()),
        kind => Outcome::Usage(usage_error(kind, &error, &command, arguments)),
    })
}

/// The parser's error in the peers' words.
fn usage_error(
    kind: ErrorKind,
    error: &clap::Error,
    command: &Command,
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
        // One of the wrong kind is named; none at all can only be missing the last word, which shows how the
        // option was typed.
        ErrorKind::InvalidValue if !has_value(error) => {
            UsageError::ValueMissing(last_option(arguments).unwrap_or(named))
        }
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            UsageError::Other(first.trim_start_matches("error: ").to_owned())
        }
    }
}

/// Whether the value that is wrong was typed at all.
fn has_value(error: &clap::Error) -> bool {
    matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if !value.is_empty())
}

/// Whether a long option begins so. (Only one: clap would have taken it.)
fn is_prefix(command: &Command, typed: &str) -> bool {
    let Some(typed) = typed.strip_prefix("--") else { return false };
    command.get_arguments().filter_map(Arg::get_long).any(|long| long.starts_with(typed))
}

/// The option in the last word: all of a long one, the last letter of a bundle.
fn last_option(arguments: &[OsString]) -> Option<String> {
    let last = arguments.last()?.to_str()?;
    if last.starts_with("--") { Some(last.to_owned()) } else { Some(format!("-{}", last.chars().last()?)) }
}
