//! What is left to do for finished transactions.

use std::sync::Arc;

/// A storage whose transactions somebody has to bring to the disk.
pub trait Carrier: Send + Sync {
    /// Brings what waits to the disk and publishes it; takes as long as the disk does.
    fn carry(&self);

    /// The storage's own thread is to do it.
    fn hand_over(&self);
}

/// The task of bringing finished transactions to the disk, given to whoever finished one while nobody was at it. It may
/// be run on any thread, which saves waking another one; it must not wait for anything before it is. Dropped, the
/// storage's own thread takes it.
#[must_use = "what waits for it waits until it is run or dropped"]
pub struct Errand(Option<Arc<dyn Carrier>>);

impl Errand {
    /// One for this storage.
    pub fn new(carrier: Arc<dyn Carrier>) -> Self {
        Self(Some(carrier))
    }

    /// Does it here and now.
    pub fn run(mut self) {
        if let Some(carrier) = self.0.take() {
            carrier.carry();
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(carrier) = self.0.take() {
            carrier.hand_over();
        }
    }
}
