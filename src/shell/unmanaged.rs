//! The program of a manager that is gone: killed, mostly. It runs on, and nobody looks after it.
//!
//! Where no manager answers, the lock file beside the socket tells of it. Whatever is said of "not running" looks there
//! first: a program that runs unseen would be the worst of all.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use crate::control::StatusRecord;
use crate::sys::interrupt::readable;
use crate::sys::pidfd::Watched;

use super::{Failure, Session};

/// A program without a manager; the number stays its own as long as this value lives.
pub(super) struct Unmanaged {
    pub(super) pid: u32,
    pub(super) process: Watched,
}

impl Unmanaged {
    /// What tells of its end, and how long to wait for that at most.
    pub(super) fn event(&self) -> (Option<BorrowedFd<'_>>, Duration) {
        (Some(self.process.as_fd()), Duration::MAX)
    }

    /// Something, once it has ended.
    pub(super) fn has_ended(&self) -> Result<Option<()>, Failure> {
        let failed = |source| Failure::System { what: "cannot wait for the program", source };
        Ok(readable(&self.process, Duration::ZERO).map_err(failed)?.then_some(()))
    }
}

impl Session<'_> {
    /// The program that an earlier manager has left running; to be asked for only where no manager answers.
    pub(super) fn unmanaged(&self) -> Option<Unmanaged> {
        let noted = self.ledger()?.program?;
        let process = Watched::same(noted.pid, noted.birth)?;
        Some(Unmanaged { pid: noted.pid.unsigned_abs(), process })
    }

    /// The manager's state, as [`Session::record`]; where there is only a program without one, a new manager takes that
    /// over first.
    pub(super) fn managed_record(&mut self) -> Result<Option<StatusRecord>, Failure> {
        let record = self.record()?;
        let Some(left) = self.unmanaged().filter(|_| record.is_none()) else { return Ok(record) };
        if let Err(failure) = self.launch(&[]) {
            self.host.report(&Failure::Unmanaged(left.pid));
            return Err(failure);
        }
        self.record()
    }

    /// Tells, where no manager answers, of a program without one.
    pub(super) fn warn_of_unmanaged(&mut self) {
        if let Some(left) = self.unmanaged() {
            self.host.report(&Failure::Unmanaged(left.pid));
        }
    }
}
