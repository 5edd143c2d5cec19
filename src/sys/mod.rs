//! The operating system: every `unsafe` block and every nix or libc call of this package is below this module.
//!
//! It offers safe functions named for what they do to a process, a signal or a socket. It knows nothing of
//! supervision, configuration or protocols, and decides nothing: errors come back as [`std::io::Error`].

pub mod access;
pub mod daemon;
pub mod data_file;
pub mod exec;
pub mod file_lock;
pub mod file_watch;
pub mod files;
pub mod inherit;
pub mod interrupt;
pub mod listeners;
pub mod local_time;
pub mod log_file;
pub mod memory;
pub mod nonblocking;
pub mod notify;
pub mod orphans;
pub mod pidfd;
pub mod pipe;
pub mod poll;
pub mod proc;
pub mod process;
pub mod program;
mod retry;
pub mod run_here;
pub mod signal_names;
pub mod signals;
pub mod socket;
pub mod spawn;
pub mod system_error;
pub mod tcp;
mod temporary;
pub mod terminal;
pub mod tree;
pub mod unix_stream;
pub mod user;
