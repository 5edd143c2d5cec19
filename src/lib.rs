//! Programs to make, control, keep alive and be a ZEO server, the network storage of ZODB.
//!
//! The modules stand in layers; each uses only lower layers and never a neighbour (`tests/layering.rs` holds this, ARCHITECTURE.md
//! describes them):
//!
//! ```text
//! 5  cli                                          command lines, the one place that prints errors
//! 4  instance    shell      supervisor            mkzeoinst, zdctl, zdrun
//!    filestorage zeo                              runzeo: the disk, the network
//! 3  config      control    storage    record    schemas; contracts of zdctl and zdrun, of network and disk; records
//! 2  eventlog    zconfig    pickle                log handlers; the configuration language; Python's values as bytes
//! 1  sys         exit      repr                  system calls; exit statuses; texts in quotes
//! ```

pub mod cli;
pub mod config;
pub mod control;
pub mod eventlog;
pub mod exit;
pub mod filestorage;
pub mod instance;
pub mod pickle;
pub mod record;
pub mod repr;
pub mod shell;
pub mod storage;
pub mod supervisor;
pub mod sys;
pub mod zconfig;
pub mod zeo;
