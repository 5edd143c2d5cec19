//! The lock of the modules whose order of events matters ([`super::outbox`]). Their test compiles them against another
//! one, which tries the orders that threads can come in.

pub use std::sync::Mutex;
use std::sync::{MutexGuard, PoisonError};

/// Takes the lock. What a panicking thread left is whole between any two statements.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
