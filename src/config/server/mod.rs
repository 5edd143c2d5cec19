//! The settings of the ZEO server: the command line, under it the file that it names, under that the defaults.
//!
//! Settings of Python's server that this one does not support yet are refused with their places: if one were ignored in
//! silence, the loss might be noticed much later.

mod resolve;
#[cfg(test)]
mod tests;

pub use resolve::{resolve, resolve_in};

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::eventlog;
pub use crate::zconfig::Address;

/// What was typed on the command line of `runzeo`; `None` and empty mean "not typed".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flags {
    /// `-C`: the configuration file.
    pub configure: Option<PathBuf>,
    /// `-X section/key=value`, in order.
    pub overrides: Vec<String>,
    /// `-a`, in order.
    pub addresses: Vec<Address>,
    /// `-f`, in order: the data files of the storages 1, 2, ...
    pub files: Vec<PathBuf>,
    /// `-t`.
    pub timeout: Option<Duration>,
    /// `--pid-file`.
    pub pid_file: Option<PathBuf>,
}

/// Everything that `runzeo` needs to know, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where to listen; at least one.
    pub addresses: Vec<Address>,
    /// No client may write; default false.
    pub read_only: bool,
    /// Transactions remembered for clients that come back; default 100.
    pub invalidation_queue_size: usize,
    /// Up to which age caches are brought up to date from the storage.
    pub invalidation_age: Option<Duration>,
    /// How long a client may hold the commit lock; absent: without limit.
    pub transaction_timeout: Option<Duration>,
    /// Where the process's number is written; not in a read-only server.
    pub pid_file: Option<PathBuf>,
    /// Whether the greeting offers msgpack; absent: not said.
    pub msgpack: Option<bool>,
    /// What clients may use.
    pub limits: Limits,
    /// Encryption of the connections; absent: none.
    pub tls: Option<Tls>,
    /// At least one, each with a name of its own.
    pub storages: Vec<Storage>,
    /// `<eventlog>`; without one, INFO and above on stderr.
    pub event_log: eventlog::Settings,
    /// Whether that was configured.
    pub logs_elsewhere: bool,
}

/// What clients may use, as the keys of these names say; `None`: not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Limits {
    pub max_connections: Option<usize>,
    pub max_unregistered: Option<usize>,
    pub registration_timeout: Option<Duration>,
    pub max_message_size: Option<usize>,
    pub max_message_memory: Option<usize>,
    pub max_unsent_invalidations: Option<usize>,
    pub max_iterators: Option<usize>,
    pub max_transaction_steps: Option<usize>,
}

/// The files of `<ssl>`, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate and those that lead to its authority.
    pub certificate: PathBuf,
    /// Its key; absent: in the same file.
    pub key: Option<PathBuf>,
    /// The password of the key.
    pub password_file: Option<PathBuf>,
    /// The certificates of clients and of their authorities: a file or a directory.
    pub authenticate: PathBuf,
}

/// A storage to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// What clients ask for.
    pub name: String,
    /// Where its data are.
    pub place: Place,
}

/// Where the data of a storage are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a data file.
    File(DataFile),
    /// In memory, under a name of their own: gone with the server.
    Memory(String),
}

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Its path.
    pub path: PathBuf,
    /// Begin a new file even where one is.
    pub create: bool,
    /// Refuse writes, and take no lock.
    pub read_only: bool,
    /// Largest size of the data file in bytes.
    pub quota: Option<u64>,
    /// How it is packed.
    pub pack: Pack,
}

/// How a data file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pack {
    /// Objects that nothing refers to are removed.
    pub gc: bool,
    /// The file from before stays as `.old`.
    pub keep_old: bool,
}

impl Default for Pack {
    fn default() -> Self {
        Self { gc: true, keep_old: true }
    }
}

impl DataFile {
    /// The data file of this path, with the defaults for everything else.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let path = path.to_owned();
        Self { path, create: false, read_only: false, quota: None, pack: Pack::default() }
    }
}
