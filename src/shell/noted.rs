//! What the lock file tells: enough to say that the program runs, without waking its manager.
//!
//! It is believed only where it cannot be wrong. Both processes that it names live, by their births; the program is no
//! zombie; and the manager sleeps, so that it does not hang or stand still. In any other case the manager is asked, which
//! finds out what else there is to say. To wake it takes a tenth of the time of a `status` (docs/benchmarks.md).

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

use crate::control::ledger::{Ledger, lock_file};
use crate::sys::{kin, pidfd};

use super::Session;

/// Room for a lock file with the words of a usual command line.
const ROOM: usize = 512;

/// A program that runs under a manager.
pub(super) struct Noted {
    pub(super) pid: u32,
    /// The words with which it was started.
    pub(super) words: Option<Vec<OsString>>,
}

impl Session<'_> {
    /// The program, where the lock file is enough to know that it runs.
    pub(super) fn noted(&self) -> Option<Noted> {
        let ledger = self.ledger()?;
        let (program, manager) = (ledger.program?, ledger.manager_process()?);
        let runs = pidfd::birth(program.pid) == Some(program.birth)
            && kin::asleep(manager.pid).is_some_and(|found| found.birth == manager.birth);
        runs.then_some(Noted { pid: program.pid.unsigned_abs(), words: ledger.words })
    }

    /// What the lock file says, if it is from this start of the system and no copy. One that may not be read is that of a
    /// manager whose socket does not answer us either, which is an error.
    pub(super) fn ledger(&self) -> Option<Ledger> {
        self.ledger_and_file().map(|(ledger, _)| ledger)
    }

    /// The same, with what the system says about the file.
    pub(super) fn ledger_and_file(&self) -> Option<(Ledger, Metadata)> {
        let file = File::open(lock_file(&self.settings.runner.socket_name)).ok()?;
        let about = file.metadata().ok()?;
        let mut text = String::with_capacity(ROOM);
        file.take(u64::MAX).read_to_string(&mut text).ok()?;
        Some((Ledger::parse(&text).of(&pidfd::boot(), about.ino())?, about))
    }
}
