//! The program of a manager that is gone: killed, mostly. It runs on unmanaged, and so does what it leaves behind when it
//! ends.
//!
//! Where no manager answers, it is found by the lock file beside the socket. Whatever reports "not running" looks there
//! first: a program that runs unseen would be the worst case. A program that `fg` runs is found in the same file; it needs
//! no manager.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use crate::control::StatusRecord;
use crate::control::lock_record::{LockRecord, RecordedProcess, lock_file, lock_mark};
use crate::sys::file_lock::is_claimed;
use crate::sys::interrupt::readable;
use crate::sys::orphans::{OrphanScan, Pids};
use crate::sys::pidfd::PidFd;
use crate::sys::proc::{boot_id, pid_namespace, start_time};

use super::client::Client;
use super::failure::Failure;
use super::launch::{launch, launch_to_end_orphans};
use super::ui::Ui;
use super::watch::{Event, record};

/// A program without a manager; the number stays its own as long as this value lives.
pub(super) struct Orphaned {
    pub(super) pid: u32,
    pub(super) process: PidFd,
    /// `fg` runs it.
    pub(super) foreground: bool,
}

impl Orphaned {
    /// That it runs without a manager.
    pub(super) fn failure(&self) -> Failure {
        if self.foreground { Failure::Foreground(self.pid) } else { Failure::Unmanaged(self.pid) }
    }

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

/// The program that `fg` runs; to be called only where no manager has answered.
///
/// # Errors
/// There is one, and it cannot be seen from here.
pub(super) fn foreground(client: &Client) -> Result<Option<Orphaned>, Failure> {
    let Some(seen) = read_lock_file(client).filter(|seen| seen.claimed) else { return Ok(None) };
    match seen.program() {
        Some(program) => Ok(Some(program)),
        None => Err(Failure::ForegroundElsewhere(lock_file(&client.runner().socket_name))),
    }
}

/// The program that the lock file names, as long as it lives, whichever manager has started it.
pub(super) fn recorded_program(client: &Client) -> Option<Orphaned> {
    read_lock_file(client)?.program()
}

/// The manager's state, as [`record`]; where there is only a program without one, a new manager adopts that first.
pub(super) fn adopt_then_record(client: &Client, ui: &mut Ui<'_>) -> Result<Option<StatusRecord>, Failure> {
    let found = record(client, ui)?;
    if found.is_some() {
        return Ok(found);
    }
    let Some(orphaned) = find(client) else { return Ok(None) };
    if orphaned.foreground {
        return Err(orphaned.failure());
    }
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
        return Err(orphaned.failure());
    }
    foreground(client)?;
    let Some((before, mut orphans)) = orphans(client) else { return Ok(()) };
    let found = orphans.scan();
    // If a manager has come meanwhile, what was found may be its program.
    if found.is_empty() || lock_record(client) != Some(before) {
        return Ok(());
    }
    Err(Failure::LeftBehind(Pids::of(&found)))
}

/// Has a manager end what a program without a manager left running when it ended; false: there is nothing.
pub(super) fn end_left_behind(client: &Client, ui: &mut Ui<'_>) -> Result<bool, Failure> {
    if orphans(client).is_none_or(|(_, mut orphans)| orphans.scan().is_empty()) {
        return Ok(false);
    }
    launch_to_end_orphans(client, ui)?;
    let left = orphans(client).map(|(_, mut orphans)| orphans.scan()).unwrap_or_default();
    if left.is_empty() { Ok(true) } else { Err(Failure::LeftBehind(Pids::of(&left))) }
}

/// What the lock file says, if it is from this start of the system and no copy. One that may not be read is that of a
/// manager whose socket does not answer us either, which is an error.
fn lock_record(client: &Client) -> Option<LockRecord> {
    read_lock_file(client)?.record
}

/// A lock file.
struct LockFileSeen {
    /// What it says, as [`lock_record`].
    record: Option<LockRecord>,
    /// What the system says about it.
    about: Metadata,
    /// A program in the foreground has it.
    claimed: bool,
}

impl LockFileSeen {
    /// The program that it names, if it lives.
    fn program(&self) -> Option<Orphaned> {
        let program = self.record.as_ref()?.program?;
        let process = PidFd::same(program.pid, program.start_time)?;
        Some(Orphaned { pid: program.pid.unsigned_abs(), process, foreground: self.claimed })
    }
}

fn read_lock_file(client: &Client) -> Option<LockFileSeen> {
    let mut file = File::open(lock_file(&client.runner().socket_name)).ok()?;
    let about = file.metadata().ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let record = LockRecord::parse(&text).of(&boot_id(), pid_namespace(), about.ino());
    Some(LockFileSeen { record, about, claimed: is_claimed(&file) })
}

/// What the lock file says, and what descends from the program that it names, or from one that could not record itself.
/// `None`: there was none; or the program lives, or a manager, which then sees to it; or a stop is meant for the program
/// alone.
fn orphans(client: &Client) -> Option<(LockRecord, OrphanScan)> {
    let LockFileSeen { record, about: file, .. } =
        read_lock_file(client).filter(|_| client.runner().stop_group)?;
    let record = record?;
    let lives = |process: RecordedProcess| start_time(process.pid) == Some(process.start_time);
    if record.program.is_some_and(lives) || record.manager_process().is_some_and(lives) {
        return None;
    }
    let (root, session) = record.orphan_root()?;
    let mark = lock_mark(file.dev(), file.ino());
    Some((record, OrphanScan::new(session, root.start_time, mark)))
}
