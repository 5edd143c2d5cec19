//! Programs that run here, on our terminal: `fg`, and the commands of `shell`.
//!
//! One action of a command line becomes the program, by exec(2): what has started it (supervisord, systemd, a container, a
//! shell) then has the program itself, with our process number. In the shell, and as the first process of a container,
//! where a program that does not handle a signal would never get it, we wait and hand the signals on.
//!
//! A program that `fg` runs holds the instance's lock in place of a manager: no second copy can be started, and `status`
//! finds it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::control::Goal;
use crate::control::lock_record::{LockRecord, RecordedProcess, lock_file, mark};
use crate::exit::Exit;
use crate::sys::access::as_account;
use crate::sys::file_lock::NamedLock;
use crate::sys::interrupt;
use crate::sys::proc::{boot_id, pid_namespace, start_time};
use crate::sys::process::{Ended, is_init, own_pid};
use crate::sys::run_here::{RanHere, run_here};
use crate::sys::terminal::Modes;
use crate::sys::user::{Account, own_uid};

use super::as_program::command_as_program;
use super::client::Client;
use super::failure::Failure;
use super::orphaned;
use super::ui::Ui;
use super::watch::{catch_interrupt, record};

pub(super) fn foreground(client: &Client, ui: &mut Ui<'_>, extra: &[OsString]) -> Result<Exit, Failure> {
    // One that waits to be started again would soon be a second copy.
    if record(client, ui)?.is_some_and(|record| record.application.is_some() || record.goal == Goal::Up) {
        return refuse(ui);
    }
    // Here it does not matter whether a manager has come since.
    match orphaned::recorded_program(client) {
        Some(program) if program.foreground => return refuse(ui),
        Some(program) => return Err(Failure::Unmanaged(program.pid)),
        None => orphaned::expect_none(client)?,
    }
    let words: Vec<OsString> = client.runner().program.iter().chain(extra).cloned().collect();
    let (program, arguments) =
        words.split_first().ok_or_else(|| Failure::NotStarted("no program specified".to_owned()))?;
    let (command, account) = command_as_program(&client.settings, program, arguments)?;
    let Some(mut lock) = HeldLock::take(client, ui, &words, account.as_ref())? else { return refuse(ui) };
    lock.record(own_pid());
    ui.say(words.join(OsStr::new(" ")).display())?;
    let ended = run(client, ui, command, |pid| lock.record(pid));
    lock.release();
    ended
}

fn refuse(ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    ui.say("To run the program in the foreground, please stop it first.")?;
    Ok(Exit::Failure)
}

pub(super) fn shell(client: &Client, ui: &mut Ui<'_>, line: &OsStr) -> Result<Exit, Failure> {
    let mut command = if line.is_empty() {
        Command::new(env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh".into()))
    } else {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line);
        command
    };
    command.envs(client.settings.environment.iter().map(|(name, value)| (name, value)));
    run(client, ui, command, |_| ())
}

/// Whether this process has nothing to do but to be the program.
fn becomes_program(client: &Client, ui: &Ui<'_>) -> bool {
    !ui.interactive && !client.flags.interactive && !is_init()
}

/// Becomes the program; or runs it, and gives the status that it ended with.
fn run(
    client: &Client,
    ui: &mut Ui<'_>,
    mut command: Command,
    started: impl FnOnce(i32),
) -> Result<Exit, Failure> {
    let program = command.get_program().to_owned();
    if becomes_program(client, ui) {
        let source = command.exec();
        return Err(Failure::Run { program, source });
    }
    catch_interrupt()?;
    let modes = Modes::of(io::stdin());
    let ran = run_here(&mut command, started).map_err(|source| Failure::Run { program, source })?;
    if let Some(modes) = modes.filter(|_| ui.interactive) {
        // If the terminal has gone, the next read from it says so.
        let _ = modes.restore(io::stdin());
    }
    let _ = interrupt::take();
    if let RanHere { ended: Ended::Killed(..), interrupted: true } = ran {
        ui.say("")?;
    }
    Ok(exit_of(ran.ended))
}

/// As a shell has it.
fn exit_of(ended: Ended) -> Exit {
    let number = match ended {
        Ended::Exited(status) => Some(status),
        Ended::Killed(signal, _) => u8::try_from(128 + signal).ok(),
        Ended::Unseen => None,
    };
    match number {
        Some(0) => Exit::Success,
        Some(number) => Exit::Program(number),
        None => Exit::Failure,
    }
}

/// Takes the lock with the rights of the program, whose directory it may be; where that user cannot make files, with ours.
fn take_as(account: Option<&Account>, path: &Path) -> io::Result<Option<NamedLock>> {
    let Some(account) = account else { return NamedLock::take(path) };
    let taken = as_account(account, || NamedLock::take(path)).and_then(|taken| taken);
    let there = path.symlink_metadata().ok();
    // The file of a `fg` before, in a directory where only we can make files.
    let ours = |found: &Metadata| found.is_file() && found.nlink() == 1 && found.uid() == own_uid();
    if taken.is_err() && there.as_ref().is_none_or(ours) { NamedLock::take(path) } else { taken }
}

/// The lock of the instance, held for a program that has no manager.
struct HeldLock<'a> {
    client: &'a Client,
    words: &'a [OsString],
    /// `None`: there can be no lock file here.
    lock: Option<NamedLock>,
}

impl<'a> HeldLock<'a> {
    /// `None`: a manager has come, or another program in the foreground.
    fn take(
        client: &'a Client,
        ui: &mut Ui<'_>,
        words: &'a [OsString],
        account: Option<&Account>,
    ) -> Result<Option<Self>, Failure> {
        let path = lock_file(&client.runner().socket_name);
        let failed = |source| Failure::Lock { path: path.clone(), source };
        let lock = match take_as(account, &path) {
            Ok(None) => return Ok(None),
            Ok(lock) => lock,
            Err(source) if path.symlink_metadata().is_ok() => return Err(failed(source)),
            // Where no file can be made, there is no manager to collide with.
            Err(source) => {
                ui.host.report(&Failure::NoLock { path: path.clone(), source });
                None
            }
        };
        if let Some(lock) = &lock {
            lock.claim(becomes_program(client, ui)).map_err(failed)?;
        }
        Ok(Some(Self { client, words, lock }))
    }

    /// Records the program. A file that cannot be written to says less, and holds the lock all the same.
    fn record(&mut self, pid: i32) {
        let Some(lock) = &self.lock else { return };
        let file = lock.file();
        let process = |pid| Some(RecordedProcess { pid, start_time: start_time(pid)? });
        let record = LockRecord {
            manager: u32::try_from(own_pid()).ok(),
            boot: Some(boot_id()),
            mark: file.metadata().ok().map(|found| mark(found.ino())),
            manager_start_time: start_time(own_pid()),
            namespace: Some(pid_namespace()),
            program: process(pid),
            words: Some(self.words.to_vec()),
        };
        let text = record.text();
        if file.metadata().is_ok_and(|found| found.nlink() > 1) {
            // It has another name: something else than a lock file.
            return;
        }
        let _ = file.set_len(0).and_then(|()| file.write_all_at(text.as_bytes(), 0));
    }

    /// The program has ended, or was never there.
    fn release(self) {
        let path = lock_file(&self.client.runner().socket_name);
        if self.lock.is_some_and(|lock| lock.has_name(&path)) {
            let _ = std::fs::remove_file(path);
        }
    }
}
