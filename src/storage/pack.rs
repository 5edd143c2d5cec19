//! Packing: removing what is not needed since a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use super::{Error, Oid, Tid};

/// Appends the objects that a record refers to, or says why they cannot be read. What a record means is not the storage's
/// concern.
pub type ReadReferences<'a> = dyn FnMut(&[u8], &mut Vec<Oid>) -> Result<(), String> + 'a;

/// What came of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackOutcome {
    /// There was nothing to remove, or it has been removed before.
    Unchanged,
    /// The storage has become smaller.
    Packed {
        /// Its size in bytes before. Transactions that were committed meanwhile count.
        before: u64,
        /// Its size after.
        after: u64,
    },
}

/// Removing what is not needed since a time, while clients read and commit.
pub trait Pack: Send + Sync {
    /// Removes the revisions that were not current when `until` was the last transaction, and the objects that could not be
    /// reached from the root then and are not referred to since. Kept: what later transactions depend on, and the last
    /// transaction's id. Keeps the thread until it is done.
    ///
    /// # Errors
    /// [`Error::Busy`]: a pack is running. [`Error::Cancelled`]: by [`PackProgress::cancel`], or the storage is closed.
    /// [`Error::ReadOnly`]; what cannot be read or written. The storage is as before.
    fn pack(
        &self,
        until: Tid,
        references: &mut ReadReferences<'_>,
        progress: &Arc<PackProgress>,
    ) -> Result<PackOutcome, Error>;
}

/// What a pack is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PackPhase {
    /// Nothing yet.
    Starting,
    /// Reads the transactions up to the pack time; in bytes.
    Reading,
    /// Looks for what can be reached; in objects, of which some will not be met.
    Marking,
    /// Copies what is kept; in bytes.
    Copying,
}

impl PackPhase {
    /// As monitors and log lines have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Reading => "reading",
            Self::Marking => "marking",
            Self::Copying => "copying",
        }
    }

    fn of(number: u8) -> Self {
        [Self::Reading, Self::Marking, Self::Copying]
            .into_iter()
            .find(|phase| *phase as u8 == number)
            .unwrap_or(Self::Starting)
    }
}

/// How far a pack has come, for other threads to see, which may cancel it as well.
#[derive(Debug, Default)]
pub struct PackProgress {
    phase: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
}

impl PackProgress {
    /// The phase, and how much of it is done, of how much.
    #[must_use]
    pub fn get(&self) -> (PackPhase, u64, u64) {
        let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (PackPhase::of(self.phase.load(Ordering::Relaxed)), number(&self.done), number(&self.total))
    }

    /// A phase begins.
    pub fn begin(&self, phase: PackPhase, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// So much of the phase is done.
    ///
    /// # Errors
    /// [`Error::Cancelled`]: it is to end.
    pub fn advance(&self, done: u64) -> Result<(), Error> {
        self.done.store(done, Ordering::Relaxed);
        if self.cancelled.load(Ordering::Acquire) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Ends the pack soon.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }
}
