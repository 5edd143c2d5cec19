//! The last resort: what is wrong with the log itself, on stderr.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use crate::sys::unblocked;

/// Says something on stderr, after the name the program was called by. There is nobody to tell when that fails.
pub(super) fn complain(what: &str) {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    let _ = unblocked::write(io::stderr().as_fd(), format!("{program}: {what}\n").as_bytes());
}
