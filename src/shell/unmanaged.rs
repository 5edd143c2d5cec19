//! The program of a manager that is gone: killed, mostly. It runs on, and nobody looks after it, nor after what it leaves
//! behind when it ends.
//!
//! Where no manager answers, the lock file beside the socket tells of it. Whatever is said of "not running" looks there
//! first: a program that runs unseen would be the worst of all.

use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use crate::control::StatusRecord;
use crate::control::ledger::{Ledger, Noted, lock_file, lock_mark};
use crate::sys::daemon::Lock;
use crate::sys::interrupt::readable;
use crate::sys::kin::Living;
use crate::sys::pidfd::{self, Watched};
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
        let Some((before, mut remains)) = self.remains() else { return Ok(()) };
        let Found { sure, doubtful } = remains.look();
        if self.ledger() != Some(before) {
            // A manager has come meanwhile, and what was found may be its program.
            return Ok(());
        }
        if !sure.is_empty() {
            return Err(Failure::LeftBehind(Numbers::of(&sure)));
        }
        expect_no_doubt(&doubtful, &self.settings.runner.socket_name)
    }

    /// Ends what a program without a manager left behind when it ended; false: there is nothing. A manager would do it by
    /// itself, and then start the program. None comes meanwhile: the lock is held.
    pub(super) fn end_left_behind(&mut self) -> Result<bool, Failure> {
        if self.remains().is_none() {
            return Ok(false);
        }
        let path = lock_file(&self.settings.runner.socket_name);
        let failed = |source| Failure::System { what: "cannot take the daemon manager's lock", source };
        let Some(lock) = Lock::take(&path).map_err(failed)? else { return Ok(false) };
        let ended = match self.remains() {
            Some((_, mut remains)) => self.end_those(&mut remains)?,
            None => false,
        };
        if lock.has_name(&path) {
            // It names nobody any more; one that stays does no harm.
            let _ = fs::remove_file(&path);
        }
        Ok(ended)
    }

    fn end_those(&mut self, remains: &mut Remains) -> Result<bool, Failure> {
        let Found { sure, doubtful } = remains.look();
        expect_no_doubt(&doubtful, &self.settings.runner.socket_name)?;
        if sure.is_empty() {
            return Ok(false);
        }
        let gone = |left: &mut Remains| left.look().sure.is_empty().then_some(());
        Remains::signal(&sure, number::TERM);
        Remains::signal(&sure, number::CONT);
        for limit in [ENDS, KILLED] {
            if self.wait_on(Some(limit), remains, |_| (None, POLL), |_, left| Ok(gone(left)))?.is_some() {
                return Ok(true);
            }
            Remains::signal(&remains.look().sure, number::KILL);
        }
        Err(Failure::LeftBehind(Numbers::of(&remains.look().sure)))
    }

    /// What the lock file says, if it is from this start of the system and no copy. One that may not be read is that of a
    /// manager whose socket does not answer us either, which is an error.
    fn ledger(&self) -> Option<Ledger> {
        self.ledger_and_file().map(|(ledger, _)| ledger)
    }

    /// The same, with what the system says about the file.
    fn ledger_and_file(&self) -> Option<(Ledger, Metadata)> {
        let mut file = File::open(lock_file(&self.settings.runner.socket_name)).ok()?;
        let about = file.metadata().ok()?;
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        Some((Ledger::parse(&text).of(&pidfd::boot(), about.ino())?, about))
    }

    /// What the lock file says, and the family of the program that it names, or of one that could not note itself. `None`:
    /// there was none; or the program lives, or a manager, which then sees to it; or a stop is meant for the program alone.
    fn remains(&self) -> Option<(Ledger, Remains)> {
        let (ledger, file) = self.ledger_and_file().filter(|_| self.settings.runner.stop_group)?;
        let lives = |noted: Option<Noted>| noted.is_some_and(|it| pidfd::birth(it.pid) == Some(it.birth));
        if lives(ledger.program) || lives(ledger.manager_process()) {
            return None;
        }
        let (_, remains) = ledger.remains(Some(lock_mark(file.dev(), file.ino())))?;
        Some((ledger, remains))
    }
}

fn expect_no_doubt(doubtful: &[Living], socket: &Path) -> Result<(), Failure> {
    if doubtful.is_empty() {
        return Ok(());
    }
    Err(Failure::PerhapsLeftBehind { pids: Numbers::of(doubtful), lock: lock_file(socket) })
}
