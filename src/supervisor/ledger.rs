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

use crate::control::ledger::{self, BIRTH_AT, LINE, LOCK, Noted, PROGRAM_AT, WORDS_AT};
use crate::control::repr::quote_list;
use crate::sys::daemon::Lock;
use crate::sys::pidfd;
use crate::sys::process;
use crate::sys::remains::{Found, Remains};
use crate::sys::spawn::{NOTE_BYTES, Note};

const _: () = assert!(LINE == NOTE_BYTES);

/// The lock file, held.
#[derive(Debug)]
pub struct Ledger {
    lock: Lock,
    /// The words in the file are this manager's.
    words_noted: bool,
    /// Whom a program leaves behind concerns its manager.
    ends_rest: bool,
}

/// What a manager that is gone has left running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Nothing, or nothing that concerns the next.
    Nothing,
    /// Its program.
    Program(Survivor),
    /// Not its program, which was this process, but others that came from it; or, where that is not known, from the manager
    /// itself, which this number is then.
    Others(i32, Remains),
}

/// The program of a manager that is gone, which lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Its process number.
    pub pid: i32,
    /// When it was started.
    pub birth: u64,
    /// The words with which it was started, where they are known.
    pub words: Option<Vec<OsString>>,
}

impl Ledger {
    /// Goes on with a lock that this process holds. `ends_rest`: what a program leaves behind is to be ended too.
    pub fn resume(lock: Lock, ends_rest: bool) -> Self {
        Self { lock, words_noted: false, ends_rest }
    }

    /// Takes over the file from whoever held the lock last. Gives what runs under nobody; that stays noted.
    ///
    /// # Errors
    /// Those of reading the file and of writing to it.
    pub fn take_over(&self) -> io::Result<Left> {
        let inode = self.lock.file().metadata()?.ino();
        let boot = pidfd::boot();
        let left = self.left(&self.read()?, &boot, inode);
        self.write_manager(&boot, inode)?;
        // After the number: for as long as it is another manager's birth, the two name nobody.
        let birth = pidfd::birth(process::own_pid()).map(|birth| birth.to_string()).unwrap_or_default();
        self.write(BIRTH_AT, &format!("manager-birth {birth}"))?;
        if left == Left::Nothing {
            self.forget_program()?;
        }
        Ok(left)
    }

    /// Writes into another file, which this process has locked, what is in this one, and goes on with that.
    ///
    /// # Errors
    /// Those of reading the one and of writing to the other.
    pub fn move_to(&mut self, lock: Lock) -> io::Result<()> {
        let text = self.read()?;
        let inode = lock.file().metadata()?.ino();
        let moved = Self { lock, ..*self };
        moved.write_manager(&pidfd::boot(), inode)?;
        let rest = text.as_bytes().get(LINE..).unwrap_or_default();
        moved.lock.file().write_all_at(rest, PROGRAM_AT)?;
        moved.lock.file().set_len(PROGRAM_AT + rest.len() as u64)?;
        *self = moved;
        Ok(())
    }

    /// The program that is noted, and its words.
    pub fn noted(&self) -> Option<(Noted, Option<Vec<OsString>>)> {
        let ledger = ledger::Ledger::parse(&self.read().ok()?);
        Some((ledger.program?, ledger.words))
    }

    /// Whether what is noted runs.
    pub fn names_anybody(&self) -> bool {
        let inode = self.lock.file().metadata().map(|found| found.ino()).unwrap_or_default();
        // Without a program there is nobody, and nobody to look for.
        self.read().is_ok_and(|text| {
            ledger::Ledger::parse(&text).program.is_some()
                && self.left(&text, &pidfd::boot(), inode) != Left::Nothing
        })
    }

    fn left(&self, text: &str, boot: &str, inode: u64) -> Left {
        let Some(ledger) = ledger::Ledger::parse(text).of(boot, inode) else { return Left::Nothing };
        if let Some(Noted { pid, birth }) = ledger.program
            && pidfd::birth(pid) == Some(birth)
        {
            return Left::Program(Survivor { pid, birth, words: ledger.words });
        }
        let Some((pid, mut remains)) = ledger.remains(self.mark()) else { return Left::Nothing };
        if !self.ends_rest || remains.look() == Found::default() {
            return Left::Nothing;
        }
        Left::Others(pid, remains)
    }

    /// Those whom this program leaves behind.
    pub fn remains(&self, program: Noted) -> Remains {
        Remains::of(program.pid, program.birth, self.mark())
    }

    fn mark(&self) -> Option<String> {
        self.lock.file().metadata().ok().map(|found| ledger::lock_mark(found.dev(), found.ino()))
    }

    /// The variable that tells programs by which lock file their manager is known.
    pub fn variable(&self) -> Option<(String, String)> {
        let found = self.lock.file().metadata().ok()?;
        Some((LOCK.to_owned(), ledger::lock_value(found.dev(), found.ino())))
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

    fn write_manager(&self, boot: &str, inode: u64) -> io::Result<()> {
        let (own, mark) = (process::own_pid(), ledger::mark(inode));
        self.write(0, &format!("manager {own} {boot} {mark:x}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::spawn;

    fn take(path: &Path) -> (Ledger, Left) {
        let ledger = Ledger::resume(Lock::take(path).unwrap().unwrap(), true);
        let left = ledger.take_over().unwrap();
        (ledger, left)
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
        let (mut ledger, left) = take(&path);
        assert_eq!(left, Left::Nothing);
        assert_eq!(noted_manager(&path), Some(std::process::id()));
        let pid = start(&mut ledger);
        assert!(ledger.names_anybody());
        drop(ledger);
        let (ledger, left) = take(&path);
        let birth = pidfd::birth(pid).unwrap();
        let words = Some(vec!["sleep".into(), "1000".into()]);
        assert_eq!(left, Left::Program(Survivor { pid, birth, words }));
        drop(ledger);
        let copy = place.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        assert_eq!(take(&copy).1, Left::Nothing, "the program is the original's");
        process::send_signal(process::Receiver::Process(pid), 9).unwrap();
        crate::sys::daemon::wait_for(pid);
        assert_eq!(take(&path).1, Left::Nothing);
        assert!(!take(&path).0.names_anybody());
    }

    #[test]
    fn number_that_somebody_else_has_now_is_not_trusted() {
        let place = tempfile::tempdir().unwrap();
        let (ledger, _) = take(&place.path().join("lock"));
        let own = process::own_pid();
        let (boot, birth) = (pidfd::boot(), pidfd::birth(own).unwrap());
        let text = |pid, birth, boot: &str| format!("manager 1 {boot}\nprogram {pid} {birth}\n");
        let left = |text: &str| ledger.left(text, &boot, 0);
        let survivor = Survivor { pid: own, birth, words: None };
        assert_eq!(left(&text(own, birth, &boot)), Left::Program(survivor));
        assert_eq!(left(&text(own, birth + 1, &boot)), Left::Nothing);
        assert_eq!(left(&text(own, birth, "another")), Left::Nothing);
        for odd in ["", "program 1 1\n", "manager x\nprogram\n", "manager 1 \nprogram 1 2\n"] {
            assert_eq!(left(odd), Left::Nothing);
        }
    }
}
