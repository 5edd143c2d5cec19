//! How the server is to serve.

use std::sync::Arc;
use std::time::Duration;

use super::tls::Tls;

/// How to serve; `config` has the meaning of each word.
#[derive(Debug, Clone)]
pub struct Settings {
    /// No client may write, even if a storage could be written.
    pub read_only: bool,
    /// How many transactions are remembered for clients that reconnect.
    pub invalidation_queue_size: usize,
    /// Maximum age of a client's cache that is still brought up to date from the storage, where the remembered transactions
    /// do not reach back.
    pub invalidation_age: Option<Duration>,
    /// How long a client may hold the commit lock.
    pub transaction_timeout: Option<Duration>,
    /// The greeting offers msgpack instead of pickles; the client's answer decides.
    pub msgpack: bool,
    /// Encryption of all connections.
    pub tls: Option<Arc<Tls>>,
    /// Bounds of what clients may use.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_only: false,
            invalidation_queue_size: 100,
            invalidation_age: None,
            transaction_timeout: None,
            msgpack: false,
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// Bounds for clients: each, where nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, of all clients together. Never more than half of the descriptors that the process may have: a
    /// client may need a second one for the data of its transaction.
    pub connections: usize,
    /// Connections at once that have not registered; beyond, the oldest of them ends.
    pub unregistered: usize,
    /// Longest message in bytes. ZODB warns of records above 16 MB, and client caches do not take records of a tenth of
    /// this; still it is what an attacker can make the server hold.
    pub message: usize,
    /// Bytes of all messages that store a record, are longer than others may be and have not arrived whole: further ones wait
    /// for room, and their clients with them.
    pub arriving: usize,
    /// How long such a message may stop to arrive: it has room that others may wait for.
    pub stall: Duration,
    /// Longest message in bytes of a client that has not registered yet: the longest that is right has a few hundred. Anybody
    /// can make the server hold as much.
    pub first_message: usize,
    /// Bytes of unsent replies above which no further message is read.
    pub unsent: usize,
    /// Bytes of unsent invalidations above which a client is dropped: it cannot be left out of any, and does not take
    /// them.
    pub unsent_invalidations: usize,
    /// How long a client may take from its connection to its registration.
    pub registration: Duration,
    /// Iterators that a client may have open.
    pub iterators: usize,
    /// Steps of a transaction. Their data are on the disk, but each takes about 50 bytes of memory, and as many again when it
    /// is voted on.
    pub steps: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: usize::MAX,
            unregistered: 1000,
            message: 256 << 20,
            arriving: 1 << 30,
            stall: Duration::from_secs(60),
            first_message: 4 << 10,
            unsent: 1 << 20,
            unsent_invalidations: 16 << 20,
            registration: Duration::from_secs(60),
            iterators: 1000,
            steps: 10_000_000,
        }
    }
}
