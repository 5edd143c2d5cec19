//! What a manager leaves in its lock file for the next one: who it is, and which program it runs.
//!
//! ```text
//! offset  bytes  text, padded with blanks, ended by a newline
//!      0     64  manager PID BOOT
//!     64     64  program PID BIRTH     blank: none runs
//! ```
//!
//! The program's line is written by the program's own process before it becomes the program
//! ([`crate::sys::process::Note`]). That process holds the lock too until then, so there is no instant in which a
//! program runs that is not noted and the lock is free. A number alone is never trusted: it goes with the time at which
//! the process was started and with the system's start.

use std::fs;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::sys::daemon::Lock;
use crate::sys::pidfd;
use crate::sys::process::{self, NOTE_BYTES, Note};

/// Where the program's line begins.
const PROGRAM_AT: u64 = NOTE_BYTES as u64;

/// The lock file, held.
#[derive(Debug)]
pub struct Ledger {
    lock: Lock,
}

impl Ledger {
    /// Goes on with a lock that this process holds.
    pub fn resume(lock: Lock) -> Self {
        Self { lock }
    }

    /// Takes over the file from whoever held the lock last. Gives the program that still runs under nobody, if any.
    ///
    /// # Errors
    /// Those of reading the file and of writing to it.
    pub fn take_over(&self) -> io::Result<Option<i32>> {
        let survivor = survivor(&self.read()?);
        self.write(0, &format!("manager {} {}", process::own_pid(), pidfd::boot()))?;
        if survivor.is_none() {
            self.forget_program()?;
        }
        Ok(survivor)
    }

    /// The noted program, if it lives.
    pub fn survivor(&self) -> Option<i32> {
        self.read().ok().and_then(|text| survivor(&text))
    }

    /// Where a program's process is to note itself.
    pub fn note(&self) -> Note<'_> {
        Note { file: self.lock.file(), offset: PROGRAM_AT }
    }

    /// The program has ended.
    ///
    /// # Errors
    /// Those of writing to the file.
    pub fn forget_program(&self) -> io::Result<()> {
        self.write(PROGRAM_AT, "")
    }

    /// The lock.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    fn read(&self) -> io::Result<String> {
        let mut text = String::new();
        let mut file = self.lock.file();
        file.rewind()?;
        match file.read_to_string(&mut text) {
            // Somebody's own file; it is about to become ours.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(String::new()),
            read => read.map(|_| text),
        }
    }

    fn write(&self, offset: u64, text: &str) -> io::Result<()> {
        let line = format!("{text:<width$.width$}\n", width = NOTE_BYTES - 1);
        self.lock.file().write_all_at(line.as_bytes(), offset)
    }
}

/// The manager that has the lock file at `path`, by its own note.
pub fn noted_manager(path: &Path) -> Option<u32> {
    let text = fs::read_to_string(path).ok()?;
    words(&text, "manager")?.first()?.parse().ok()
}

/// The program of a manager that is gone, if it lives.
fn survivor(text: &str) -> Option<i32> {
    let manager = words(text, "manager")?;
    let boot = pidfd::boot();
    if manager.get(1).is_none_or(|noted| *noted != boot) {
        return None;
    }
    let program = words(text, "program")?;
    let pid: i32 = program.first()?.parse().ok().filter(|pid| *pid > 1)?;
    let birth: u64 = program.get(1)?.parse().ok()?;
    (pidfd::birth(pid) == Some(birth)).then_some(pid)
}

fn words<'a>(text: &'a str, first: &str) -> Option<Vec<&'a str>> {
    let line = text.lines().find_map(|line| line.strip_prefix(first)?.strip_prefix(' '))?;
    Some(line.split_ascii_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(path: &Path) -> (Ledger, Option<i32>) {
        let ledger = Ledger::resume(Lock::take(path).unwrap().unwrap());
        let survivor = ledger.take_over().unwrap();
        (ledger, survivor)
    }

    fn start(ledger: &Ledger) -> i32 {
        let words = ["sleep".into(), "1000".into()];
        process::start(&process::Program {
            file: Path::new("/bin/sleep"),
            words: &words,
            environment: &[],
            hidden: &[],
            output: None,
            own_session: true,
            note: Some(ledger.note()),
        })
        .unwrap()
    }

    #[test]
    fn program_that_runs_on_is_found_and_one_that_does_not_is_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let (ledger, survivor) = take(&path);
        assert_eq!(survivor, None);
        assert_eq!(noted_manager(&path), Some(std::process::id()));
        let pid = start(&ledger);
        drop(ledger);
        let (ledger, survivor) = take(&path);
        assert_eq!(survivor, Some(pid));
        drop(ledger);
        process::send_signal(process::Receiver::Process(pid), 9).unwrap();
        crate::sys::daemon::wait_for(pid);
        assert_eq!(take(&path).1, None);
        assert_eq!(fs::metadata(&path).unwrap().len(), 128);
    }

    #[test]
    fn number_that_somebody_else_has_now_is_not_trusted() {
        let own = process::own_pid();
        let (boot, birth) = (pidfd::boot(), pidfd::birth(own).unwrap());
        let text = |pid, birth, boot: &str| format!("manager 1 {boot}\nprogram {pid} {birth}\n");
        assert_eq!(survivor(&text(own, birth, &boot)), Some(own));
        assert_eq!(survivor(&text(own, birth + 1, &boot)), None);
        assert_eq!(survivor(&text(own, birth, "another")), None);
        for odd in ["", "program 1 1\n", "manager x\nprogram\n", "manager 1 \nprogram 1 2\n"] {
            assert_eq!(survivor(odd), None);
        }
    }
}
