//! The storage server by its protocol, byte by byte: a server in this process, and clients that say exactly what the test
//! wants said. Claims about the protocol, not about a storage, are made over memory.

mod client;
mod commits;
mod conflicts;
pub(crate) mod connection;
mod crowd;
mod fairness;
mod faults;
mod hostile;
mod life;
mod many;
mod orders;
mod packs;
mod probed;
mod reads;
mod server;
mod storm;
mod undo;
mod walks;
