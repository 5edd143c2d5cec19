//! The network: ZEO's protocol 5 for the clients of ZODB, over any [`Storage`](crate::storage::Storage).
//!
//! Bytes become meaning without any I/O, and I/O knows no meaning: `frame`, `message`, `msgpack`, `call`, `exception` and
//! `fast` are the wording; `session` is what one client may call and the replies; `storage_service`, `invalidation_log`,
//! `coordinator`, `commit_lock` and `pack` are what the clients of a storage have in common; `outbox` is the order of what a client is
//! sent, on which the truth of its cache depends; `tls` encrypts; `connection`, `chunks`, `lanes`, `listen`, `acceptor`, `tasks` and
//! `server` move bytes.
//!
//! Promises: a client's cache is never wrong ([`outbox`] says how); a commit is answered when it is durable; no client, slow,
//! dead or hostile, holds back another or takes more than its bounded share of memory; whatever becomes of a client, the
//! commit lock becomes free. A fault of this program ends the one client that it concerns, or the server with a line that
//! says so; none leaves a server that looks well and is not. No read waits for a commit's fsync, and what waits for a disk or
//! another transaction never keeps the threads that serve other clients.
//!
//! It must not know of files (but [`tls`] of certificates), of the configuration, or of what is in a record.

mod acceptor;
mod call;
mod chunks;
mod client_log;
mod commit_lock;
mod connection;
mod coordinator;
mod error;
mod exception;
mod fast;
mod frame;
mod invalidation_log;
mod lanes;
mod listen;
mod message;
pub mod msgpack;
mod outbox;
mod pack;
mod pack_progress;
mod peer;
mod server;
mod session;
mod settings;
mod stats;
mod storage_service;
mod sync;
mod tasks;
pub mod tls;
mod undo_id;

pub use error::Error;
pub use listen::Listener;
pub use pack_progress::Announce;
pub use server::{Stop, run};
pub use session::converse;
pub use settings::{Limits, Settings};

/// The name of the lines in the log about storages and their clients.
const LOGGER: &str = "ZEO.StorageServer";

/// Does what may take a while; other connections' tasks go on meanwhile.
fn blocking<R>(work: impl FnOnce() -> R) -> R {
    tokio::task::block_in_place(work)
}
