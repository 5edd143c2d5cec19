//! `zdrun`: to be filled.
use std::process::ExitCode;

use crate::exit::Exit;

/// Runs `zdrun`.
#[must_use]
pub fn main() -> ExitCode {
    Exit::Usage.into()
}
