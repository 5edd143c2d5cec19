//! supervisord, of which the programs here are not peers but a part.

use std::panic::Location;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::environment::{environment, skip, target};

/// A `supervisord`, in an environment of its own; otherwise as [`super::python`].
#[track_caller]
pub(crate) fn supervisord() -> Option<PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match MADE.get_or_init(|| environment(&target().join("supervisor-venv"), &["supervisor==4.3.0"])) {
        Ok(python) => Some(python.with_file_name("supervisord")),
        Err(reason) => {
            skip(Location::caller(), &format!("supervisor is needed: {reason}"));
            None
        }
    }
}
