//! An instance as it was asked for, in values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::home::Home;
use super::locate_programs::Programs;
use crate::zconfig::Address;

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
    /// The extras that were asked for, by the names that the manifest gives them.
    pub with: Vec<String>,
    /// A directory with a site's own templates.
    pub templates: Option<PathBuf>,
    /// What files of an instance of another make are to hold in place of what the templates make, by their names.
    pub adopted: BTreeMap<String, String>,
    /// Whether key and certificate of the server and of a first client are to be made where there are none.
    pub self_signed: bool,
    /// The record to write of what was set; `None`: it is as it should be.
    pub record: Option<String>,
}
