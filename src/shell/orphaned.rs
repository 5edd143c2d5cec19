//! The program of a manager that is gone: killed, mostly. It runs on unmanaged, and so does what it leaves behind when it
//! ends.
//!
//! Where no manager answers, it is found by the lock file beside the socket. Whatever reports "not running" looks there
//! first: a program that runs unseen would be the worst case.

use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::os::fd::AsFd as _;
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

use super::client::Client;
use super::failure::Failure;
use super::launch::launch;
use super::ui::Ui;
use super::watch::{Event, POLL_INTERVAL, record, wait_for};

/// How long those whom a program left behind have to end after SIGTERM, as the manager has it.
const ENDS: Duration = Duration::from_secs(5);
/// How long they have after SIGKILL.
const KILLED: Duration = Duration::from_secs(10);

/// A program without a manager; the number stays its own as long as this value lives.
pub(super) struct Orphaned {
    pub(super) pid: u32,
    pub(super) process: Watched,
}

impl Orphaned {
    /// What announces its end.
    pub(super) fn event(&self) -> Event<'_> {
        (Some(self.process.as_fd()), Duration::MAX)
    }

    /// Something, once it has ended.
    pub(super) fn has_ended(&self) -> Result<Option<()>, Failure> {
        let failed = |source| Failure::System { what: "cannot wait for the program", source };
        Ok(readable(&self.process, Duration::ZERO).map_err(failed)?.then_some(()))
    }
}

/// The program that an earlier manager has left running; to be called only where no manager has answered. A manager that
/// has come since has recorded its program, and answers by then.
pub(super) fn find(client: &Client) -> Option<Orphaned> {
    let program = recorded_program(client)?;
    (!matches!(client.status(), Ok(Some(_)))).then_some(program)
}

/// The program that the lock file names, as long as it lives, whichever manager has started it.
pub(super) fn recorded_program(client: &Client) -> Option<Orphaned> {
    let noted = ledger(client)?.program?;
    let process = Watched::same(noted.pid, noted.birth)?;
    Some(Orphaned { pid: noted.pid.unsigned_abs(), process })
}

/// The manager's state, as [`record`]; where there is only a program without one, a new manager adopts that first.
pub(super) fn adopt_then_record(client: &Client, ui: &mut Ui<'_>) -> Result<Option<StatusRecord>, Failure> {
    let found = record(client, ui)?;
    if found.is_some() {
        return Ok(found);
    }
    let Some(orphaned) = find(client) else { return Ok(None) };
    if let Err(failure) = launch(client, ui, &[]) {
        ui.host.report(&Failure::Unmanaged(orphaned.pid));
        return Err(failure);
    }
    record(client, ui)
}

/// Reports, where no manager answers, what runs without one.
pub(super) fn warn(client: &Client, ui: &mut Ui<'_>) {
    if let Err(orphaned) = expect_none(client) {
        ui.host.report(&orphaned);
    }
}

/// To be called only where no manager answers.
///
/// # Errors
/// A program runs without one, or what such a program left behind.
pub(super) fn expect_none(client: &Client) -> Result<(), Failure> {
    if let Some(orphaned) = find(client) {
        return Err(Failure::Unmanaged(orphaned.pid));
    }
    let Some((before, mut remains)) = remains(client) else { return Ok(()) };
    let Found { sure, doubtful } = remains.look();
    if ledger(client) != Some(before) {
        // A manager has come meanwhile, and what was found may be its program.
        return Ok(());
    }
    if !sure.is_empty() {
        return Err(Failure::LeftBehind(Numbers::of(&sure)));
    }
    expect_no_doubt(&doubtful, &client.runner().socket_name)
}

/// Ends what a program without a manager left behind when it ended; false: there is nothing. A manager would do it by
/// itself, and then start the program. None comes meanwhile: the lock is held.
pub(super) fn end_left_behind(client: &Client, ui: &mut Ui<'_>) -> Result<bool, Failure> {
    if remains(client).is_none() {
        return Ok(false);
    }
    let path = lock_file(&client.runner().socket_name);
    let failed = |source| Failure::System { what: "cannot take the daemon manager's lock", source };
    let Some(lock) = Lock::take(&path).map_err(failed)? else { return Ok(false) };
    let ended = match remains(client) {
        Some((_, mut remains)) => end_those(client, ui, &mut remains)?,
        None => false,
    };
    if lock.has_name(&path) {
        // It names nobody any more; one that stays does no harm.
        let _ = fs::remove_file(&path);
    }
    Ok(ended)
}

fn end_those(client: &Client, ui: &mut Ui<'_>, remains: &mut Remains) -> Result<bool, Failure> {
    let Found { sure, doubtful } = remains.look();
    expect_no_doubt(&doubtful, &client.runner().socket_name)?;
    if sure.is_empty() {
        return Ok(false);
    }
    let gone = |left: &mut Remains| left.look().sure.is_empty().then_some(());
    Remains::signal(&sure, number::TERM);
    Remains::signal(&sure, number::CONT);
    for limit in [ENDS, KILLED] {
        if wait_for(ui, Some(limit), remains, |_| (None, POLL_INTERVAL), |_, left| Ok(gone(left)))?.is_some()
        {
            return Ok(true);
        }
        Remains::signal(&remains.look().sure, number::KILL);
    }
    Err(Failure::LeftBehind(Numbers::of(&remains.look().sure)))
}

/// What the lock file says, if it is from this start of the system and no copy. One that may not be read is that of a
/// manager whose socket does not answer us either, which is an error.
fn ledger(client: &Client) -> Option<Ledger> {
    ledger_and_file(client).map(|(ledger, _)| ledger)
}

/// The same, with what the system says about the file.
fn ledger_and_file(client: &Client) -> Option<(Ledger, Metadata)> {
    let mut file = File::open(lock_file(&client.runner().socket_name)).ok()?;
    let about = file.metadata().ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    Some((Ledger::parse(&text).of(&pidfd::boot(), about.ino())?, about))
}

/// What the lock file says, and the family of the program that it names, or of one that could not note itself. `None`:
/// there was none; or the program lives, or a manager, which then sees to it; or a stop is meant for the program alone.
fn remains(client: &Client) -> Option<(Ledger, Remains)> {
    let (ledger, file) = ledger_and_file(client).filter(|_| client.runner().stop_group)?;
    let lives = |noted: Option<Noted>| noted.is_some_and(|it| pidfd::birth(it.pid) == Some(it.birth));
    if lives(ledger.program) || lives(ledger.manager_process()) {
        return None;
    }
    let (_, remains) = ledger.remains(Some(lock_mark(file.dev(), file.ino())))?;
    Some((ledger, remains))
}

fn expect_no_doubt(doubtful: &[Living], socket: &Path) -> Result<(), Failure> {
    if doubtful.is_empty() {
        return Ok(());
    }
    Err(Failure::PerhapsLeftBehind { pids: Numbers::of(doubtful), lock: lock_file(socket) })
}
