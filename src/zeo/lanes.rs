//! How many calls of a storage's clients may keep a thread at once.
//!
//! A call is tried without waiting first, in its client's task. Where it would wait it takes a place in the first lane, of many
//! places that are held for one read of the disk each; where it then turns out to be a long walk through a history, in the
//! second one, of few. The task waits for its place without a thread, so that neither any number of clients with long walks
//! nor a disk that hangs takes the threads, or the processors, from the others.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::storage::Wait;

/// Calls that may wait for the disk at once: as many as a disk can make use of.
const MAX_BRIEF_CALLS: usize = 64;
/// Long walks at once. They keep a processor busy.
const MAX_LONG_CALLS: usize = 2;

/// Threads that the lanes of a storage take at most.
pub const MAX_THREADS: usize = MAX_BRIEF_CALLS + MAX_LONG_CALLS;

/// The lanes of a storage.
pub struct Lanes {
    brief: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

/// A place in a lane, free again when it is dropped.
pub struct Place {
    lane: Lane,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Which lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Of calls that take long only if the disk does.
    Brief,
    /// Of the others.
    Long,
}

impl Default for Lanes {
    fn default() -> Self {
        let lane = |places| Arc::new(Semaphore::new(places));
        Self { brief: lane(MAX_BRIEF_CALLS), long: lane(MAX_LONG_CALLS) }
    }
}

impl Lane {
    /// The lane for a call that would have had to wait.
    pub fn after(wait: Wait) -> Self {
        if wait == Wait::Refused { Self::Brief } else { Self::Long }
    }
}

impl Lanes {
    fn semaphore(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Brief => &self.brief,
            Lane::Long => &self.long,
        }
    }

    /// A place, if one is free.
    pub fn try_enter(&self, lane: Lane) -> Option<Place> {
        let permit = self.semaphore(lane).clone().try_acquire_owned().ok()?;
        Some(Place { lane, _permit: Some(permit) })
    }

    /// The next place that is free.
    pub fn enter(&self, lane: Lane) -> impl Future<Output = Place> + Send + use<> {
        let acquired = self.semaphore(lane).clone().acquire_owned();
        // They are never closed.
        async move { Place { lane, _permit: acquired.await.ok() } }
    }
}

impl Place {
    /// How a call in this place may wait.
    pub fn wait(&self) -> Wait {
        match self.lane {
            Lane::Brief => Wait::Brief,
            Lane::Long => Wait::Allowed,
        }
    }
}
