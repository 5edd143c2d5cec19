//! The command lines. Each program's module turns arguments into the plain values that the lower floors work with,
//! prints the one line of an error and picks the exit status; nothing below it prints an error or ends the process.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;

use crate::config::{self, Flags, OtherHome};
use crate::exit::Exit;
use crate::shell;

pub mod manual;
pub mod mkzeoinst;
pub mod options;
pub mod runzeo;
pub mod zdctl;
pub mod zdrun;

/// Tells a person on stderr what went wrong, each line with the program's name before it, and gives the status to
/// end with.
fn complain(program: &str, exit: Exit, error: &impl Display) -> Exit {
    for line in error.to_string().lines() {
        // Where stderr is gone there is nobody to tell.
        let _ = writeln!(io::stderr(), "{program}: {line}");
    }
    exit
}

/// Tells of a configuration that a copy of a home has kept from the original.
fn warn_of_other_home(program: &str, other: Option<OtherHome>) {
    if let Some(other) = other {
        complain(program, Exit::Success, &format!("warning: {other}"));
    }
}

/// Checks the configuration and what it names, and says so.
fn check(program: &str, flags: &Flags) -> Exit {
    // What cannot be resolved is about to be told.
    if let Ok(settings) = config::resolve(flags) {
        warn_of_other_home(program, config::other_home(&settings));
    }
    match config::check(flags) {
        Ok(()) => print(shell::GOOD),
        Err(faults) => list_faults(program, &faults),
    }
}

/// Tells what a check has found: the place comes first in each line, where editors look for it, or the program's name.
fn list_faults(program: &str, faults: &config::Errors) -> Exit {
    for fault in faults.list() {
        if fault.shows_place() {
            // Where stderr is gone there is nobody to tell.
            let _ = writeln!(io::stderr(), "{fault}");
        } else {
            complain(program, Exit::Usage, fault);
        }
    }
    if faults.more() > 0 {
        complain(program, Exit::Usage, &format!("and {} more faults", faults.more()));
    }
    Exit::Usage
}

/// Whether a word of a command line is neither nothing nor an option.
fn is_plain(word: &OsStr) -> bool {
    word.as_bytes().first().is_some_and(|first| *first != b'-')
}

/// Prints what was asked for. A reader who has seen enough and closed the pipe is success.
fn print(text: &str) -> Exit {
    match writeln!(io::stdout(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failure,
        _ => Exit::Success,
    }
}
