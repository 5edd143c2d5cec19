//! The instance home: the directory tree from which one ZEO server is run.
//!
//! Making one is three steps that each stand alone. [`resolve::resolve`] puts together what is wanted, in values.
//! [`plan::plan`] renders the templates, looks at the disk and decides one [`policy::Verb`] per path; it changes nothing.
//! [`apply::run`] is the only writer: it carries a plan out and reports what it did, step by step. [`start::run`] then starts
//! the instance and waits for the server's greeting.
//!
//! Promised: unless asked to, a file that a person may have written in is never changed; a file appears whole or not at all;
//! what was made before an error stays; doing it all again completes what is missing and is silent about everything else.
//!
//! This module must not know options, exit statuses or where its messages go, nor, but for the server's address, what
//! the keys in the files mean to the programs that read them.

pub mod address;
pub mod adopt;
pub mod advice;
pub mod apply;
mod built_in;
pub mod closing;
pub mod diff;
mod error;
pub mod file_state;
pub mod home;
mod included;
pub mod installed;
pub mod lengths;
pub mod locate_programs;
pub mod manifest;
mod merge;
mod own_server;
pub mod owner;
mod ownership;
pub mod plan;
pub mod policy;
pub mod pristine;
mod probe;
pub mod quote;
mod request;
pub mod resolve;
pub mod self_signed;
pub mod settings;
mod site;
pub mod stamp;
pub mod start;
pub mod template;
pub mod unit;
pub mod variables;

pub use error::Error;
pub use request::Request;
