//! The lock file, held ([`crate::control::ledger`] has its form).
//!
//! The program's line is written by the program's own process before it becomes the program
//! ([`crate::sys::spawn::Note`]). That process holds the lock too until then, so there is no instant in which a
//! program runs that is not noted and the lock is free.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::control::ledger::{self, BIRTH_AT, LINE, PROGRAM_AT, WORDS_AT};
use crate::control::repr::quote_list;
use crate::sys::daemon::Lock;
use crate::sys::pidfd;
use crate::sys::process;
use crate::sys::spawn::{NOTE_BYTES, Note};

const _: () = assert!(LINE == NOTE_BYTES);

/// The lock file, held.
#[derive(Debug)]
pub struct Ledger {
    lock: Lock,
    /// The words in the file are this manager's.
    words_noted: bool,
}

/// The program of a manager that is gone, which lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Its process number.
    pub pid: i32,
    /// The words with which it was started, where they are known.
    pub words: Option<Vec<OsString>>,
}

impl Ledger {
    /// Goes on with a lock that this process holds.
    pub fn resume(lock: Lock) -> Self {
        Self { lock, words_noted: false }
    }

    /// Takes over the file from whoever held the lock last. Gives the program that still runs under nobody, if any.
    ///
    /// # Errors
    /// Those of reading the file and of writing to it.
    pub fn take_over(&self) -> io::Result<Option<Survivor>> {
        let inode = self.lock.file().metadata()?.ino();
        let boot = pidfd::boot();
        let survivor = survivor(&self.read()?, &boot, inode);
        let (own, mark) = (process::own_pid(), ledger::mark(inode));
        self.write(0, &format!("manager {own} {boot} {mark:x}"))?;
        // After the number: for as long as it is another manager's birth, the two name nobody.
        let birth = pidfd::birth(own).map(|birth| birth.to_string()).unwrap_or_default();
        self.write(BIRTH_AT, &format!("manager-birth {birth}"))?;
        if survivor.is_none() {
            self.forget_program()?;
        }
        Ok(survivor)
    }

    /// The noted program, if it lives.
    pub fn survivor(&self) -> Option<Survivor> {
        let inode = self.lock.file().metadata().ok()?.ino();
        self.read().ok().and_then(|text| survivor(&text, &pidfd::boot(), inode))
    }

    /// Notes the words of the program that is about to be started. Where that fails, a later manager takes it for the
    /// program of its own configuration.
    pub fn note_words(&mut self, words: &[OsString]) {
        if std::mem::replace(&mut self.words_noted, true) {
            return;
        }
        let line = format!("words {}\n", quote_list(words));
        let end = WORDS_AT + line.len() as u64;
        let file = self.lock.file();
        let written = file.write_all_at(line.as_bytes(), WORDS_AT);
        // Left of longer words. A needless truncation can wait for the file system's journal.
        if written.and_then(|()| file.metadata()).is_ok_and(|found| found.len() > end) {
            let _ = file.set_len(end);
        }
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
        let line = format!("{text:<width$.width$}\n", width = LINE - 1);
        self.lock.file().write_all_at(line.as_bytes(), offset)
    }
}

/// The manager that has the lock file at `path`, by its own note.
pub fn noted_manager(path: &Path) -> Option<u32> {
    ledger::Ledger::parse(&fs::read_to_string(path).ok()?).manager
}

/// The program of a manager that is gone, if it lives.
fn survivor(text: &str, boot: &str, inode: u64) -> Option<Survivor> {
    let ledger = ledger::Ledger::parse(text).of(boot, inode)?;
    let noted = ledger.program?;
    let lives = pidfd::birth(noted.pid) == Some(noted.birth);
    lives.then_some(Survivor { pid: noted.pid, words: ledger.words })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::spawn;

    fn take(path: &Path) -> (Ledger, Option<Survivor>) {
        let ledger = Ledger::resume(Lock::take(path).unwrap().unwrap());
        let survivor = ledger.take_over().unwrap();
        (ledger, survivor)
    }

    fn start(ledger: &mut Ledger) -> i32 {
        let words = ["sleep".into(), "1000".into()];
        ledger.note_words(&words);
        spawn::start(&spawn::Program {
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
        let (mut ledger, survivor) = take(&path);
        assert_eq!(survivor, None);
        assert_eq!(noted_manager(&path), Some(std::process::id()));
        let pid = start(&mut ledger);
        drop(ledger);
        let (ledger, survivor) = take(&path);
        let words = Some(vec!["sleep".into(), "1000".into()]);
        assert_eq!(survivor, Some(Survivor { pid, words }));
        drop(ledger);
        let copy = place.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        assert_eq!(take(&copy).1, None, "the program is the original's");
        process::send_signal(process::Receiver::Process(pid), 9).unwrap();
        crate::sys::daemon::wait_for(pid);
        assert_eq!(take(&path).1, None);
    }

    #[test]
    fn number_that_somebody_else_has_now_is_not_trusted() {
        let own = process::own_pid();
        let (boot, birth) = (pidfd::boot(), pidfd::birth(own).unwrap());
        let text = |pid, birth, boot: &str| format!("manager 1 {boot}\nprogram {pid} {birth}\n");
        assert_eq!(survivor(&text(own, birth, &boot), &boot, 0), Some(Survivor { pid: own, words: None }));
        assert_eq!(survivor(&text(own, birth + 1, &boot), &boot, 0), None);
        assert_eq!(survivor(&text(own, birth, "another"), &boot, 0), None);
        for odd in ["", "program 1 1\n", "manager x\nprogram\n", "manager 1 \nprogram 1 2\n"] {
            assert_eq!(survivor(odd, &boot, 0), None);
        }
    }
}
