//! The two lines of nearly every call, read without the parser, whose tables cost more than all the rest of a `status`:
//! what the scripts of an instance give to `zdctl`, and what `zdctl` gives to `zdrun`. They mean what the parser takes
//! them for; any other is left to it.

use std::ffi::OsString;

use crate::config::Flags;

use super::super::is_plain;
use super::{ManagerTyped, Typed};

/// `-C FILE ACTION [ARGUMENT ...]`
pub(super) fn zdctl(arguments: &[OsString]) -> Option<Typed> {
    let [option, file, action @ ..] = arguments else { return None };
    if option != "-C" || !is_plain(file) || !is_plain(action.first()?) {
        return None;
    }
    Some(Typed { flags: configured(file), action: action.to_vec(), schema_given: false })
}

/// `-C FILE -- PROGRAM [ARGUMENT ...]`, and what scripts give: `-C FILE [-d] PROGRAM [ARGUMENT ...]`
pub(super) fn zdrun(arguments: &[OsString]) -> Option<ManagerTyped> {
    let [option, file, rest @ ..] = arguments else { return None };
    if option != "-C" || !is_plain(file) {
        return None;
    }
    let (daemon, rest) = match rest {
        [option, rest @ ..] if option == "-d" => (Some(true), rest),
        rest => (None, rest),
    };
    let program = match rest {
        [end, program @ ..] if end == "--" => program,
        program if is_plain(program.first()?) => program,
        _ => return None,
    };
    if program.is_empty() {
        return None;
    }
    let flags = Flags { program: Some(program.to_vec()), daemon, ..configured(file) };
    Some(ManagerTyped { flags, check: false })
}

fn configured(file: &OsString) -> Flags {
    Flags { configure: Some(file.into()), ..Flags::default() }
}
