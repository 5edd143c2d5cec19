//! The instance home: the directory tree from which one ZEO server is run.
//!
//! Making one is three steps that each stand alone. [`Request`] says what is wanted, in values. [`plan::draw`] renders
//! the templates, looks at the disk and decides one [`policy::Verb`] per path; it changes nothing. [`apply::run`] is the
//! only writer: it carries a plan out and tells what it did, step by step. [`start::run`] then starts the instance and
//! waits for the server's greeting.
//!
//! Promised: unless asked to, a file that a person may have written in is never changed; a file appears whole or not at all; what was
//! made before an error stays; doing it all again completes what is missing and is silent about the rest.
//!
//! This module must not know options, exit statuses or where its messages go, nor, but for the server's address, what
//! the keys in the files mean to the programs that read them.

pub mod address;
pub mod addresses;
pub mod apply;
mod built_in;
pub mod diff;
mod error;
pub mod existing;
pub mod find;
pub mod found;
mod handover;
pub mod home;
mod included;
pub mod manifest;
mod merge;
mod older;
pub mod owner;
pub mod plan;
pub mod policy;
mod probe;
pub mod quote;
pub mod settings;
mod site;
pub mod stamp;
pub mod start;
pub mod template;
pub mod unit;
pub mod variables;

pub use error::Error;

use std::collections::BTreeMap;

use address::Address;
use find::Programs;
use home::Home;

/// An instance as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it lies.
    pub home: Home,
    /// Where its server listens: at least one.
    pub addresses: Vec<Address>,
    /// What its files refer to.
    pub programs: Programs,
    /// Variables of the templates that are set to something other than their defaults.
    pub set: BTreeMap<String, String>,
    /// What was set when the instance was last made, as far as it was written down.
    pub recorded: BTreeMap<String, String>,
    /// The extras that were asked for, by the names that the manifest gives them.
    pub with: Vec<String>,
    /// The record to write of what was set; `None`: it is as it should be.
    pub record: Option<String>,
}
