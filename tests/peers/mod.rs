//! The Python programs of today, and our parts against them.

mod btrees;
mod control;
mod environment;
mod eventlog;
mod pickle;
mod supervisor;

pub(crate) use environment::{python, skip};
pub(crate) use supervisor::supervisord;
