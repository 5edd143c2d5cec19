//! The Python programs of today, and our parts against them.

mod control;
mod environment;
mod eventlog;
mod pickle;

pub(crate) use environment::{python, skip};
