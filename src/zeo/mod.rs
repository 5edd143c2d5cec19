//! The network: ZEO's protocol 5 for the clients of ZODB, over any [`Storage`](crate::storage::Storage).
//!
//! Bytes become meaning without any I/O, and I/O knows no meaning: `frame`, `message`, `msgpack`, `call`, `exception` and
//! `fast` are the wording; `session` is what one client may say and what it is answered; `served`, `memory`, `commit` and
//! `votes` are what the clients of a storage have in common; `relief` keeps the network served while a thread waits for the
//! disk; `outbox` is the order of what a client is sent, on which the truth of its cache depends; `connection`, `chunks`,
//! `listen`, `acceptor`, `tasks` and `server` move bytes.
//!
//! Promises: a client's cache is never wrong ([`outbox`] says how); a commit is answered when it is durable; no client, slow,
//! dead or hostile, holds back another or takes more than its bounded share of memory; whatever becomes of a client, the
//! commit lock becomes free. A fault of this program ends the one client that it concerns, or the server with a line that
//! says so; none leaves a server that looks well and is not. No read waits for a commit's fsync; the one client of a server
//! that has no other waits for its own, for about two milliseconds at most.
//!
//! It must not know of files, of the configuration, or of what is in a record.

mod acceptor;
mod call;
mod chunks;
mod commit;
mod connection;
mod error;
mod exception;
mod fast;
mod frame;
mod listen;
mod memory;
mod message;
pub mod msgpack;
mod outbox;
mod peer;
mod relief;
mod served;
mod server;
mod session;
mod settings;
mod stats;
mod sync;
mod tasks;
mod votes;

pub use error::Error;
pub use listen::Listener;
pub use server::{Stop, run};
pub use session::converse;
pub use settings::{Limits, Settings};

/// Does what may take a while; other connections' tasks go on meanwhile.
fn blocking<R>(work: impl FnOnce() -> R) -> R {
    tokio::task::block_in_place(work)
}
