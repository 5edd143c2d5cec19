//! Becoming another program.
//!
//! The library's own `exec` leaves its traces where it fails: another working directory, and SIGPIPE at its default action,
//! by which the next client that goes away without reading would end the process.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use nix::unistd::execvpe;

/// Becomes the program of `command`, in its directory, with its arguments and environment. Only returns if that fails, with
/// everything as it was.
#[must_use]
pub fn become_program(command: &Command) -> io::Error {
    let here = env::current_dir();
    let failed = match directory(command).and_then(|()| image(command)) {
        Ok((file, words, environment)) => match execvpe(&file, &words, &environment) {
            Err(error) => error.into(),
        },
        Err(error) => error,
    };
    if let Ok(here) = here {
        // It was there a moment ago.
        let _ = env::set_current_dir(here);
    }
    failed
}

fn directory(command: &Command) -> io::Result<()> {
    command.get_current_dir().map_or(Ok(()), env::set_current_dir)
}

type Image = (CString, Vec<CString>, Vec<CString>);

fn image(command: &Command) -> io::Result<Image> {
    let mut variables: Vec<(OsString, OsString)> = env::vars_os().collect();
    for (name, value) in command.get_envs() {
        variables.retain(|(other, _)| other != name);
        variables.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }
    let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let pairs = variables.into_iter().map(|(mut pair, value)| {
        pair.push("=");
        pair.push(value);
        pair
    });
    Ok((
        text(command.get_program())?,
        words.map(text).collect::<Result<_, _>>()?,
        pairs.map(|pair| text(&pair)).collect::<Result<_, _>>()?,
    ))
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
