//! Programs to make, control, keep alive and (later) be a ZEO server, the network storage of ZODB.
//!
//! The modules stand on floors; each uses only lower floors and never a neighbour (`tests/layering.rs` holds this):
//!
//! ```text
//! 5  cli                                      command lines, the one place that prints errors
//! 4  instance    shell    supervisor          mkzeoinst, zdctl, zdrun
//! 3  config      control                      schemas and precedence; the contract of zdctl and zdrun
//! 2  eventlog    zconfig                      log handlers; the configuration language
//! 1  sys         exit                         system calls; exit statuses
//! ```

pub mod cli;
pub mod config;
pub mod control;
pub mod eventlog;
pub mod exit;
pub mod instance;
pub mod shell;
pub mod supervisor;
pub mod sys;
pub mod zconfig;
