//! What is in a data record: two pickles, one after the other, an object's class and its state. Storages keep records as
//! bytes; what must look into them asks here.
//!
//! Both may share parts: one pickler writes them.
//!
//! It must not know of storages and messages: an id is 8 bytes.

mod merge;
mod order;
mod references;

pub use merge::merge;
pub use references::{ReferenceReader, Unreadable};
