//! Work on another thread, beside which the main thread can wait for signals.

use std::io::{self, PipeReader};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::{self, JoinHandle};

use super::error::Error;

/// A thread, and a descriptor that becomes readable when it has ended, however that came about.
pub(super) struct Work<T> {
    thread: JoinHandle<T>,
    ended: PipeReader,
    does: &'static str,
}

impl<T: Send + 'static> Work<T> {
    /// Begins work that `does` ("opens the storages") names.
    pub(super) fn begin(
        does: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::System { verb: "start a thread", source };
        let (ended, held) = io::pipe().map_err(failed)?;
        let thread = thread::Builder::new().spawn(move || {
            let _held = held;
            work()
        });
        Ok(Self { thread: thread.map_err(failed)?, ended, does })
    }

    /// What came of it; waits for it.
    pub(super) fn result(self) -> Result<T, Error> {
        self.thread.join().map_err(|_| Error::Panicked(self.does))
    }
}

impl<T> AsFd for Work<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}
