//! The configuration: schemas of the sections, and the precedence command line > file > default.
//!
//! [`Flags`] is what was typed, [`Settings`] is what is needed; [`resolve`] is the one place where the first (and the
//! file that it names) becomes the second. Nothing past it knows about flags, files or defaults.

mod runner;
mod words;

pub use runner::{Flags, Runner, Settings};
pub use words::{WordsError, split_words};
