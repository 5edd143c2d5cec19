//! Values that may be given by a key of the file or by an option of the command line: converted by the same functions,
//! with the same faults.
//!
//! Values that ZConfig accepts and no system call does (negative times, masks of more than nine bits) are refused, not
//! adjusted. The datatypes of the schema agree with ZConfig; [`seconds_of`] and its like turn a [`Value`] into a setting.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use super::runner::EditingMode;
use super::words::split_words;
use crate::sys::signal_names;
use crate::zconfig::{
    self, Address, Datatype, Environment, Value, ValueError, directory_part, expand, is_directory, path_value,
};

/// A command line: words, with the quoting of a shell.
pub(super) static COMMAND: Datatype =
    Datatype { name: "command line", convert: |text, _| words_of(text).map(Value::Words) };

/// An octal number.
pub(super) static OCTAL: Datatype =
    Datatype { name: "octal", convert: |text, _| zconfig::octal(text).map(Value::Integer) };

/// Exit statuses, joined by commas.
pub(super) static EXIT_CODES: Datatype =
    Datatype { name: "exit codes", convert: |text, _| exit_code_list(text) };

/// A signal, by name or number.
pub(super) static SIGNAL: Datatype = Datatype {
    name: "signal",
    convert: |text, _| signal_number(text).map(|signal| Value::Integer(signal.into())),
};

/// A socket whose directory is there, or can be made in one that is.
pub(super) static SOCKET_NAME: Datatype = Datatype {
    name: "socket-name",
    convert: |text, environment| socket_path(text.as_ref(), environment).map(|path| path_value(path, text)),
};

/// A directory that is there, or can be made in one that is.
pub(super) static DIRECTORY: Datatype = Datatype {
    name: "directory",
    convert: |text, environment| {
        directory_path(text.as_ref(), environment).map(|path| path_value(path, text))
    },
};

/// How lines are edited: `emacs` or `vi`.
pub(super) static EDITING_MODE: Datatype =
    Datatype { name: "emacs or vi", convert: |text, _| editing_mode(text) };

/// A command line in one string, as `-p` takes it.
pub fn command_line(argument: &OsStr) -> Result<Vec<OsString>, ValueError> {
    match argument.to_str() {
        Some(text) => Ok(words_of(text)?.into_iter().map(OsString::from).collect()),
        None => split_words(argument).map_err(|error| not_words(argument, &error.to_string())),
    }
}

/// A time in seconds, as `-b` and `-T` take it.
pub fn seconds(argument: &OsStr) -> Result<u32, ValueError> {
    seconds_of(&Value::Integer(zconfig::integer(text_of(argument)?)?))
}

/// A file mode mask in octal, as `-m` takes it.
pub fn mask(argument: &OsStr) -> Result<u32, ValueError> {
    mask_of(&Value::Integer(zconfig::octal(text_of(argument)?)?))
}

/// Exit statuses joined by commas, as `-x` takes them; blank is none.
pub fn exit_codes(argument: &OsStr) -> Result<Vec<i32>, ValueError> {
    exit_codes_of(&exit_code_list(text_of(argument)?)?)
}

/// A directory, as `-z` takes it: one that is there, or whose parent is.
pub fn directory(argument: &OsStr) -> Result<PathBuf, ValueError> {
    directory_path(argument, &Environment::process()).map(PathBuf::from)
}

/// A control socket, as `-s` takes it: its directory is there, or that directory's parent.
pub fn socket_name(argument: &OsStr) -> Result<PathBuf, ValueError> {
    socket_path(argument, &Environment::process()).map(PathBuf::from)
}

/// A file whose directory is there, as `-l` and `-t` take it.
pub fn existing_dirpath(argument: &OsStr) -> Result<PathBuf, ValueError> {
    zconfig::existing_dirpath(argument, &Environment::process()).map(PathBuf::from)
}

/// A path, as `-f` of `runzeo` takes it; its directory is looked for when it is needed.
pub fn path(argument: &OsStr) -> Result<PathBuf, ValueError> {
    Ok(PathBuf::from(expand(argument, &Environment::process())))
}

/// Text, as `-u` and `-X` take it.
pub fn text(argument: &OsStr) -> Result<String, ValueError> {
    text_of(argument).map(str::to_owned)
}

/// Where to listen, as `-a` takes it.
pub fn listen_address(argument: &OsStr) -> Result<Address, ValueError> {
    let value = (zconfig::SOCKET_BINDING_ADDRESS.convert)(text_of(argument)?, &Environment::process())?;
    listen_address_of(&value)
}

/// A time in seconds that need not be whole, as `-t` of `runzeo` takes it.
pub fn timeout(argument: &OsStr) -> Result<Duration, ValueError> {
    duration_of(&(zconfig::FLOAT.convert)(text_of(argument)?, &Environment::process())?)
}

/// Seconds, or another count, of an integer.
pub(super) fn seconds_of(value: &Value) -> Result<u32, ValueError> {
    in_range(value, u32::MAX.into()).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

/// The mask of an octal number.
pub(super) fn mask_of(value: &Value) -> Result<u32, ValueError> {
    /// Three bits for each of owner, group and others: umask(2) ignores others.
    const MAX_MASK: i64 = 0o777;
    let wrong = |what: &str| Err(ValueError::new(what, "a mask is 0 to 0777"));
    match value.as_integer().unwrap_or_default() {
        ..0 => wrong("a negative number is no mask"),
        number @ 0..=MAX_MASK => Ok(u32::try_from(number).unwrap_or_default()),
        _ => wrong("a number larger than 0777 is no mask"),
    }
}

/// The statuses of a list of integers.
pub(super) fn exit_codes_of(value: &Value) -> Result<Vec<i32>, ValueError> {
    let code = |code: &Value| {
        let number = code.as_integer().unwrap_or_default();
        i32::try_from(number).map_err(|_| {
            let what = format!("'{number}' is no exit status");
            ValueError::new(what, "0 to 255 are, and -1 for a signal")
        })
    };
    value.as_list().unwrap_or_default().iter().map(code).collect()
}

/// A number of bytes.
pub(super) fn size_of(value: &Value) -> Result<u64, ValueError> {
    in_range(value, i64::MAX.unsigned_abs())
}

/// An address of a value. ZConfig takes a number that is no port for the name of a host.
pub(super) fn listen_address_of(value: &Value) -> Result<Address, ValueError> {
    let Value::Address(address) = value else { return Err(ValueError::new("is no address", "")) };
    if let Address::Inet { host, port: None } = address
        && !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(ValueError::new(format!("'{host}' is no port"), "0 to 65535 are"));
    }
    Ok(address.clone())
}

/// A time of a number of seconds.
pub(super) fn duration_of(value: &Value) -> Result<Duration, ValueError> {
    let seconds = match value {
        Value::Float(seconds) => *seconds,
        other => return seconds_of(other).map(|seconds| Duration::from_secs(seconds.into())),
    };
    if seconds < 0.0 {
        return Err(ValueError::new(format!("'{seconds}' is negative"), "0 or more is possible"));
    }
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| ValueError::new(format!("'{seconds}' is not a time in seconds"), "90 and 0.5 are"))
}

fn in_range(value: &Value, max: u64) -> Result<u64, ValueError> {
    let number = value.as_integer().unwrap_or_default();
    u64::try_from(number).ok().filter(|number| *number <= max).ok_or_else(|| {
        let fault = if number < 0 { "negative" } else { "too large" };
        ValueError::new(format!("'{number}' is {fault}"), format!("0 to {max} are possible"))
    })
}

fn text_of(argument: &OsStr) -> Result<&str, ValueError> {
    argument.to_str().ok_or_else(|| ValueError::text(&argument.to_string_lossy(), "is not UTF-8", ""))
}

/// The words of a command line. Without quotes and backslashes they are separated by white space, which in a file has more
/// kinds than in a shell.
fn words_of(text: &str) -> Result<Vec<String>, ValueError> {
    if !text.contains(['"', '\'', '\\']) {
        return Ok(zconfig::split(text).map(str::to_owned).collect());
    }
    let words =
        split_words(OsStr::new(text)).map_err(|error| not_words(text.as_ref(), &error.to_string()))?;
    words
        .into_iter()
        .map(|word| word.into_string().map_err(|_| not_words(text.as_ref(), "not UTF-8")))
        .collect()
}

fn not_words(argument: &OsStr, reason: &str) -> ValueError {
    let what = format!("is not a command line ({reason})");
    ValueError::text(&argument.to_string_lossy(), &what, "quotes come in pairs, and '\\\\' is a backslash")
}

fn editing_mode(text: &str) -> Result<Value, ValueError> {
    let lower = text.to_lowercase();
    if EditingMode::from_name(&lower).is_some() {
        return Ok(Value::Text(lower));
    }
    Err(ValueError::text(text, "is not an editing mode", "emacs and vi are"))
}

fn exit_code_list(text: &str) -> Result<Value, ValueError> {
    if text.is_empty() {
        return Ok(Value::List(Vec::new()));
    }
    text.split(',')
        .map(|code| zconfig::integer(code).map(Value::Integer))
        .collect::<Result<_, _>>()
        .map(Value::List)
}

/// Any name that [`signal_names::number`] takes, or a number.
fn signal_number(text: &str) -> Result<i32, ValueError> {
    let found = match text.parse::<i32>() {
        Ok(number) => Some(number).filter(|number| signal_names::name(*number).is_some()),
        Err(_) => signal_names::number(text),
    };
    found.filter(|number| *number > 0).ok_or_else(|| {
        ValueError::text(text, "is no signal", "name one such as INT or SIGTERM, or its number".to_owned())
    })
}

fn socket_path(path: &OsStr, environment: &Environment) -> Result<OsString, ValueError> {
    let expanded = expand(path, environment);
    let above = directory_part(directory_part(&expanded));
    if above.is_empty() || is_directory(above, environment) {
        return Ok(expanded);
    }
    Err(ValueError::text(
        &path.to_string_lossy(),
        "is in a directory that does not exist",
        format!("create '{}' or name an existing one", above.display()),
    ))
}

fn directory_path(path: &OsStr, environment: &Environment) -> Result<OsString, ValueError> {
    let expanded = expand(path, environment);
    if is_directory(&expanded, environment) || is_directory(directory_part(&expanded), environment) {
        return Ok(expanded);
    }
    Err(ValueError::text(
        &path.to_string_lossy(),
        "is not an existing directory",
        "create it or name one that exists",
    ))
}
