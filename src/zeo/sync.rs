//! The lock of the modules whose order of events matters ([`super::outbox`]). Their test compiles them against another
//! one, which tries the orders that threads can come in.

pub use std::sync::Mutex;

pub use crate::storage::lock;
