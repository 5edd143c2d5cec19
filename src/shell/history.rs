//! The commands of a person's earlier shells: a file in the user's state directory (XDG Base Directory Specification), one
//! command a line.
//!
//! Each command is added when it is given, so that no end of a shell loses it and several shells keep theirs. The file is
//! for its user alone, whose user is the one that this process acts as: a root that came by sudo(8) with another's HOME
//! leaves nothing there, and has the home that the system's database gives it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::sys::private_dir::PrivateDir;
use crate::sys::user;

use super::Failure;

/// The file's name in our directory.
const FILE: &str = "history";

/// So many commands are known to a shell, and stay when the file has become twice as long.
pub(super) const KEPT: usize = 1000;

/// No more of the file is read: so much are 1000 long commands.
const MOST: u64 = 1 << 20;

/// The directory of the file; `None`: this user has no place of its own.
fn directory() -> Option<PathBuf> {
    let uid = user::own_uid();
    let home = user::lookup(&uid.to_string()).ok().flatten().map(|account| account.home);
    find_directory(&|name| env::var_os(name), home, &|path| {
        fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == uid)
    })
}

/// The directory below the first place that is the user's own: of the two that the environment names, and its home.
fn find_directory(
    variable: &dyn Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
    is_own: &dyn Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .filter(|state| is_own(state) || !state.exists() && state.parent().is_some_and(is_own));
    let in_home = || absolute("HOME").into_iter().chain(home).find(|home| is_own(home));
    state.or_else(|| in_home().map(|home| home.join(".local/state"))).map(|state| state.join("zdctl"))
}

/// The file; `None`: this user has no place for it.
pub(super) fn file() -> Option<PathBuf> {
    directory().map(|directory| directory.join(FILE))
}

/// What is known of earlier shells, oldest first; also makes a file shorter that has become long. A home that cannot be
/// written to, as that of many a server's user, has none, and that is no fault.
pub(super) fn load() -> Result<Vec<String>, Failure> {
    let Some(directory) = directory() else { return Ok(Vec::new()) };
    let read = || {
        let opened = PrivateDir::open(&directory)?;
        let mut commands = commands(&opened.read_end(FILE, MOST)?);
        if commands.len() > 2 * KEPT {
            opened.rewrite(FILE, MOST, |contents| Some(shortened(contents)))?;
        }
        commands.drain(..commands.len().saturating_sub(KEPT));
        Ok(commands)
    };
    read().or_else(|error| if has_no_place(&error) { Ok(Vec::new()) } else { Err(failed(&directory, error)) })
}

/// Adds a command, which is one line.
pub(super) fn add(command: &str) -> Result<(), Failure> {
    let Some(directory) = directory() else { return Ok(()) };
    let added = PrivateDir::make(&directory).and_then(|opened| opened.append_line(FILE, command));
    added.or_else(|error| if has_no_place(&error) { Ok(()) } else { Err(failed(&directory, error)) })
}

fn has_no_place(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem)
}

fn failed(directory: &Path, source: io::Error) -> Failure {
    Failure::History { path: directory.join(FILE), source }
}

/// The lines that a person can have typed.
fn commands(contents: &[u8]) -> Vec<String> {
    let lines = contents.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let typed = |line: &&str| !line.trim().is_empty() && !line.contains(char::is_control);
    lines.filter(typed).map(ToOwned::to_owned).collect()
}

fn shortened(contents: &[u8]) -> Vec<u8> {
    let commands = commands(contents);
    let last = commands.get(commands.len().saturating_sub(KEPT)..).unwrap_or_default();
    last.iter().flat_map(|command| [command.as_bytes(), b"\n"]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_one_of_the_users_own() {
        let own = ["/home/me", "/state", "/root"];
        for (state, home, expected) in [
            (None, Some("/home/me"), Some("/home/me/.local/state/zdctl")),
            (Some("/state"), Some("/home/me"), Some("/state/zdctl")),
            (Some("/state/new"), Some("/home/me"), Some("/state/new/zdctl")),
            (Some("/state/no/such"), Some("/home/me"), Some("/home/me/.local/state/zdctl")),
            (Some("state"), Some("/home/me"), Some("/home/me/.local/state/zdctl")),
            (Some(""), Some(""), Some("/root/.local/state/zdctl")),
            (Some("/home/you"), Some("/home/you"), Some("/root/.local/state/zdctl")),
            (None, None, Some("/root/.local/state/zdctl")),
        ] {
            let variable = |name: &str| match name {
                "XDG_STATE_HOME" => state.map(OsString::from),
                "HOME" => home.map(OsString::from),
                other => panic!("{other}"),
            };
            let is_own = |path: &Path| own.iter().any(|own| path == Path::new(own));
            let found = find_directory(&variable, Some("/root".into()), &is_own);
            assert_eq!(found, expected.map(PathBuf::from), "{state:?} {home:?}");
            assert_eq!(find_directory(&|_| None, Some("/nonexistent".into()), &is_own), None);
        }
    }

    #[test]
    fn what_nobody_typed_is_passed_over() {
        let contents = b"start\n\n  \nstatus -l\n\xff\n\x1b[2J\nsho";
        assert_eq!(commands(contents), ["start", "status -l", "sho"]);
    }

    #[test]
    fn last_commands_stay() {
        let lines: Vec<String> = (0..2 * KEPT).map(|n| format!("{n}\n")).collect();
        assert_eq!(shortened(lines.concat().as_bytes()), lines[KEPT..].concat().as_bytes());
    }
}
