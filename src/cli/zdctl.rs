//! `zdctl`: to be filled.
use std::process::ExitCode;

use crate::exit::Exit;

/// Runs `zdctl`.
#[must_use]
pub fn main() -> ExitCode {
    Exit::Usage.into()
}
