//! The program of a manager that is gone: killed, mostly. It runs on, and nobody looks after it, nor after what it leaves
//! behind when it ends.
//!
//! Where no manager answers, the lock file beside the socket tells of it. Whatever is said of "not running" looks there
//! first: a program that runs unseen would be the worst of all.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use crate::control::StatusRecord;
use crate::control::ledger::{LOCK, lock_file, lock_value};
use crate::sys::interrupt::readable;
use crate::sys::kin::Living;
use crate::sys::pidfd::Watched;
use crate::sys::remains::{Found, Numbers, Remains};
use crate::sys::signals::number;

use super::waiting::POLL;
use super::{Failure, Session};

/// How long those whom a program left behind have to end after SIGTERM, as the manager has it.
const ENDS: Duration = Duration::from_secs(5);
/// How long they have after SIGKILL.
const KILLED: Duration = Duration::from_secs(10);

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
    /// The program that an earlier manager has left running; to be asked for only where no manager has answered. A manager
    /// that has come since has noted its program; it answers by then.
    pub(super) fn unmanaged(&self) -> Option<Unmanaged> {
        let left = self.noted_program()?;
        (!matches!(self.client().status(), Ok(Some(_)))).then_some(left)
    }

    /// The program that is noted, as long as it lives, whoever has started it.
    pub(super) fn noted_program(&self) -> Option<Unmanaged> {
        let noted = self.ledger()?.program?;
        let process = Watched::same(noted.pid, noted.birth)?;
        Some(Unmanaged { pid: noted.pid.unsigned_abs(), process })
    }

    /// The manager's state, as [`Session::record`]; where there is only a program without one, a new manager takes that
    /// over first.
    pub(super) fn managed_record(&mut self) -> Result<Option<StatusRecord>, Failure> {
        let record = self.record()?;
        if record.is_some() {
            return Ok(record);
        }
        let Some(left) = self.unmanaged() else { return Ok(None) };
        if let Err(failure) = self.launch(&[]) {
            self.host.report(&Failure::Unmanaged(left.pid));
            return Err(failure);
        }
        self.record()
    }

    /// Tells, where no manager answers, of what runs without one.
    pub(super) fn warn_of_unmanaged(&mut self) {
        if let Err(left) = self.expect_nobody_unmanaged() {
            self.host.report(&left);
        }
    }

    /// To be asked for only where no manager answers.
    ///
    /// # Errors
    /// A program runs without one, or what such a program left behind.
    pub(super) fn expect_nobody_unmanaged(&self) -> Result<(), Failure> {
        if let Some(left) = self.unmanaged() {
            return Err(Failure::Unmanaged(left.pid));
        }
        let Some(mut remains) = self.remains() else { return Ok(()) };
        let Found { sure, doubtful } = remains.look();
        if !sure.is_empty() {
            return Err(Failure::LeftBehind(Numbers::of(&sure)));
        }
        expect_no_doubt(&doubtful, &self.settings.runner.socket_name)
    }

    /// Ends what a program without a manager left behind when it ended; false: there is nothing. A manager would do it by
    /// itself, and then start the program.
    pub(super) fn end_left_behind(&mut self) -> Result<bool, Failure> {
        let Some(mut remains) = self.remains() else { return Ok(false) };
        let Found { sure, doubtful } = remains.look();
        expect_no_doubt(&doubtful, &self.settings.runner.socket_name)?;
        if sure.is_empty() {
            return Ok(false);
        }
        let gone = |remains: &mut Remains| remains.look().sure.is_empty().then_some(());
        Remains::signal(&sure, number::TERM);
        Remains::signal(&sure, number::CONT);
        let mut ended = None;
        for limit in [ENDS, KILLED] {
            if ended.is_none() {
                ended =
                    self.wait_on(Some(limit), &mut remains, |_| (None, POLL), |_, left| Ok(gone(left)))?;
                Remains::signal(&remains.look().sure, number::KILL);
            }
        }
        ended.map(|()| true).ok_or_else(|| Failure::LeftBehind(Numbers::of(&remains.look().sure)))
    }

    /// The family of a noted program that does not run; `None` where none is noted, or where a stop is meant for the
    /// program alone.
    fn remains(&self) -> Option<Remains> {
        let (ledger, file) = self.ledger_and_file()?;
        let noted = ledger.program.filter(|_| self.settings.runner.stop_group)?;
        // A manager that has come since may have noted one that runs.
        if Watched::same(noted.pid, noted.birth).is_some() {
            return None;
        }
        let value = lock_value(file.dev(), file.ino());
        Some(Remains::of(noted.pid, noted.birth, Some(format!("{LOCK}={value}"))))
    }
}

fn expect_no_doubt(doubtful: &[Living], socket: &Path) -> Result<(), Failure> {
    if doubtful.is_empty() {
        return Ok(());
    }
    Err(Failure::PerhapsLeftBehind { pids: Numbers::of(doubtful), lock: lock_file(socket) })
}
