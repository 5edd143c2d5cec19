//! `runzeo`: its command line to a server that runs, the disk (`filestorage`) and the network (`zeo`) put together.
//!
//! The main thread does nothing but wait: for signals, which are data from the first moment on (`sys::signals`), and for
//! the one thread that opens the storages, then for the one that serves. So a server that reads a large file for minutes
//! still ends when it is asked to, and no handler runs in the middle of anything.

mod check;
mod error;
mod journal;
mod pid_file;
mod serve;
mod tls;
mod work;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use super::options::{self, Outcome};
use super::{list_faults, print, print_error, warn_of_other_home};
use crate::config::{self, server};
use crate::exit::Exit;

const NAME: &str = "runzeo";

/// Runs `runzeo`.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    run(&arguments).into()
}

fn run(arguments: &[OsString]) -> Exit {
    let typed = match options::runzeo(arguments) {
        Ok(typed) => typed,
        Err(Outcome::Text(text)) => return print(&text),
        Err(Outcome::Usage(error)) => {
            return print_error(NAME, Exit::Usage, &format!("{error}; for help, use {NAME} -h"));
        }
    };
    let settings = match server::resolve(&typed.flags) {
        Ok(settings) => settings,
        Err(faults) => {
            // A disk that is mounted late: zdrun tries again after every status but 0 and 2.
            let exit = if faults.are_absences() { Exit::Failure } else { Exit::Usage };
            return list_faults(NAME, exit, &faults);
        }
    };
    let file = typed.flags.configure.as_deref();
    let other_home = file.and_then(|file| config::other_server_home(file, &settings));
    if typed.check || typed.check_config {
        warn_of_other_home(NAME, other_home);
        return check::check(&settings, typed.check);
    }
    serve::serve(&settings, other_home, typed.test)
        .unwrap_or_else(|error| print_error(NAME, Exit::Failure, &error))
}
