//! The command lines. Each program's module turns arguments into the plain values that the lower layers work with,
//! prints the one line of an error and picks the exit status; nothing below it prints an error or ends the process.

use std::fmt::Display;
use std::io::{self, Write};

use crate::config::{self, OtherHome, Settings};
use crate::exit::Exit;

pub mod file_page;
pub mod manual;
pub mod mkzeoinst;
pub mod options;
pub mod runzeo;
pub mod zdctl;
pub mod zdrun;

/// All programs.
pub const PROGRAMS: &[manual::Program] =
    &[mkzeoinst::PROGRAM, options::RUNZEO, options::ZDCTL, options::ZDRUN];

/// Prints on stderr what went wrong, each line with the program's name before it; returns the status to end with.
fn print_error(program: &str, exit: Exit, error: &impl Display) -> Exit {
    for line in error.to_string().lines() {
        // Without stderr, the exit status has to do.
        let _ = writeln!(io::stderr(), "{program}: {line}");
    }
    exit
}

/// Warns of a configuration that a copy of a home has kept from the original.
fn warn_of_other_home(program: &str, other: Option<OtherHome>) {
    if let Some(other) = other {
        print_error(program, Exit::Success, &format!("warning: {other}"));
    }
}

const NO_TRANSCRIPT: &str = "warning: transcript has no effect: the program runs on the terminal of its start and ends \
    with it; -d or 'daemon true' detaches it";

/// Prints what a check of the configuration has come to, and warns of what is hardly meant.
fn conclude_check(program: &str, checked: Result<Settings, config::Errors>) -> Exit {
    match checked {
        Ok(settings) => {
            warn_of_other_home(program, config::other_home(&settings));
            let runner = &settings.runner;
            if !runner.daemon && runner.transcript.is_some() {
                print_error(program, Exit::Success, &NO_TRANSCRIPT);
            }
            print(config::CHECK_PASSED)
        }
        Err(faults) => list_faults(program, Exit::Usage, &faults),
    }
}

/// Prints what a check has found: the place comes first in each line, where editors look for it, or the program's name.
/// Returns the status to end with.
fn list_faults(program: &str, exit: Exit, faults: &config::Errors) -> Exit {
    for fault in faults.list() {
        if fault.shows_place() {
            // As above.
            let _ = writeln!(io::stderr(), "{fault}");
        } else {
            print_error(program, exit, fault);
        }
    }
    if faults.more() > 0 {
        print_error(program, exit, &format!("and {} more faults", faults.more()));
    }
    exit
}

/// Prints what was asked for. A reader that closed the pipe is success.
fn print(text: &str) -> Exit {
    match writeln!(io::stdout(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failure,
        _ => Exit::Success,
    }
}
