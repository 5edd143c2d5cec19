//! `mkzeoinst`: to be filled.
use std::process::ExitCode;

use crate::exit::Exit;

/// Runs `mkzeoinst`.
#[must_use]
pub fn main() -> ExitCode {
    Exit::Usage.into()
}
