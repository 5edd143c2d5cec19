//! Becoming another program.
//!
//! The library's own `exec` leaves its traces where it fails: another working directory, and SIGPIPE at its default action,
//! by which the next client that goes away without reading would end the process.

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use nix::unistd::execvpe;

use super::spawn::environment;

/// Becomes the program of `command`, in its directory, with its arguments and environment. Only returns if that fails, with
/// everything as it was.
#[must_use]
pub fn become_program(command: &Command) -> io::Error {
    let here = env::current_dir();
    let Err(error) = execute(command);
    if let Ok(here) = here {
        // It was there a moment ago.
        let _ = env::set_current_dir(here);
    }
    error
}

fn execute(command: &Command) -> io::Result<Infallible> {
    let text = |text: &OsStr| CString::new(text.as_bytes());
    let file = text(command.get_program())?;
    let words = [Ok(file.clone())].into_iter().chain(command.get_args().map(text));
    let words = words.collect::<Result<Vec<_>, _>>()?;
    let environment = environment(command.get_envs())?;
    if let Some(directory) = command.get_current_dir() {
        env::set_current_dir(directory)?;
    }
    Ok(execvpe(&file, &words, &environment)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_leaves_everything_as_it_was() {
        // The working directory is that of all tests: nothing may change it even for a moment.
        let here = env::current_dir().unwrap();
        let mut command = Command::new("/no/such/program");
        command.current_dir(&here).env("A", "b");
        assert_eq!(become_program(&command).kind(), io::ErrorKind::NotFound);
        command = Command::new("/bin/true");
        assert_eq!(become_program(command.current_dir("/no/such")).kind(), io::ErrorKind::NotFound);
        assert_eq!(env::current_dir().unwrap(), here);
    }
}
