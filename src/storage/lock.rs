//! Taking a lock, also after a thread panicked with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock. What this package keeps behind locks is consistent between any two statements, so that a panic with a
/// lock leaves nothing half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
