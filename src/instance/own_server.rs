//! The instance's own server among the processes of this machine.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::home::{Home, SERVER};
use crate::sys::{listeners, proc};
use crate::zconfig::Address;

/// Whether a process that was started with this instance's `etc/zeo.conf` is what listens on the address. Of another
/// user's process the sockets cannot be seen: there its command line has to do, and so for a Unix socket.
pub(super) fn listens_on(address: &Address, home: &Home) -> bool {
    let Ok(configuration) = home.join(SERVER).canonicalize() else { return false };
    let inodes = match address {
        Address::Inet { port, .. } => port.map(listeners::on_port),
        Address::Unix(_) => None,
    };
    let holds = |pid| inodes.as_ref().is_none_or(|inodes| listeners::holds(pid, inodes).unwrap_or(true));
    let mut candidates = proc::all().into_iter().filter(|process| names(process.pid, &configuration));
    candidates.any(|process| holds(process.pid))
}

/// Whether an argument of a process is this file: alone, behind `-C` or behind `--configure=`.
fn names(pid: i32, configuration: &Path) -> bool {
    let arguments = proc::texts(pid, "cmdline");
    let mut paths = arguments.iter().flat_map(|argument| {
        let after_option = argument.strip_prefix(b"-C").or_else(|| argument.strip_prefix(b"--configure="));
        [Some(argument.as_slice()), after_option].into_iter().flatten()
    });
    paths.any(|path| is_file(pid, Path::new(OsStr::from_bytes(path)), configuration))
}

fn is_file(pid: i32, path: &Path, configuration: &Path) -> bool {
    // Most arguments are none, and need no system call to tell.
    if path.file_name() != configuration.file_name() {
        return false;
    }
    let directory = || fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_else(|_| PathBuf::from("/"));
    let path = if path.is_absolute() { path.to_owned() } else { directory().join(path) };
    path.canonicalize().is_ok_and(|path| path == configuration)
}
