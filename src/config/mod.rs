//! The configuration: schemas of the sections, and the precedence command line > file > default.
//!
//! [`Flags`] is what was typed, [`Settings`] is what is needed; [`resolve`] is the one place where the first (and the
//! file that it names) becomes the second. Nothing past it knows about flags, files or defaults. Command-line options
//! that have a key in the file are read by the same functions ([`seconds`], [`exit_codes`], ...).
//!
//! [`server`] is the same for the ZEO server.
//!
//! [`check()`] goes on to look at what the settings name, and changes nothing.
//!
//! This module must not know what the programs do with a setting.

mod check;
mod datatype;
mod format;
mod home;
mod log;
mod option_values;
mod range;
mod resolve;
mod runner;
pub mod schema;
pub mod server;
mod toml_form;
mod words;

pub use crate::zconfig::{Problem, Problems as Errors, ValueError};
pub use check::{
    CHECK_PASSED, appendable, check, check_in, left_by_another, lost_when_detached, resolve_with_user,
};
pub use home::{OtherHome, other_home, other_server_home};
pub use option_values::{
    command_line, directory, existing_dirpath, exit_codes, listen_address, mask, path, seconds, socket_name,
    text, timeout,
};
pub use resolve::{resolve, resolve_in, resolve_lossy, resolve_socket};
pub use runner::{EditingMode, Flags, Runner, Settings};
pub use words::{WordsError, split_words};
