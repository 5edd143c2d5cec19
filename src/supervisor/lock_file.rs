//! The lock file, held ([`crate::control::lock_record`] has its form).
//!
//! The program's line is written by the program's own process before it becomes the program
//! ([`crate::sys::spawn::Note`]). That process holds the lock too until then, so there is no instant in which a
//! program runs that is not recorded and the lock is free.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Error;
use crate::control::lock_record::{
    self, LINE, LOCK, LockRecord, MANAGER_BIRTH_AT, PROGRAM_AT, RecordedProcess, WORDS_AT, lock_file,
};
use crate::control::repr::quote_list;
use crate::sys::file_lock::NamedLock;
use crate::sys::orphans::OrphanScan;
use crate::sys::proc::{boot_id, pid_namespace, start_time};
use crate::sys::process;
use crate::sys::spawn::{NOTE_BYTES, Note};

const _: () = assert!(LINE == NOTE_BYTES);

/// The lock file beside a socket, held. Dropped: it is removed, unless the program that is recorded in it, or what
/// descends from that, runs; then it is free.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    lock: NamedLock,
    /// The words in the file are this manager's.
    words_written: bool,
    /// What a program leaves running is to be ended too.
    ends_orphans: bool,
}

/// What a manager that is gone has left running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// Nothing, or nothing that concerns the next manager.
    Nothing,
    /// Its program.
    Program(OrphanedProgram),
    /// Not its program, which had this process id, but processes that descend from it; or, where the program is not known,
    /// from the manager, which had this id then.
    Orphans(i32, OrphanScan),
}

/// The program of a manager that is gone, which runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanedProgram {
    /// Which process it is.
    pub process: RecordedProcess,
    /// The words with which it was started, where they are known.
    pub words: Option<Vec<OsString>>,
}

impl LockFile {
    /// Takes the lock, and the file over from the process that held it last. Gives what runs without a manager; that stays
    /// recorded. `ends_orphans`: what a program leaves running is to be ended too.
    ///
    /// # Errors
    /// Another manager holds it; the file cannot be read or written to.
    pub fn take(socket: &Path, ends_orphans: bool) -> Result<(Self, Leftover), Error> {
        let path = lock_file(socket);
        let lock = locked(socket, &path)?;
        // From here on the file goes away again with an error.
        let held = Self { path, lock, words_written: false, ends_orphans };
        let leftover = held.take_over().map_err(|source| failed(&held.path, source))?;
        Ok((held, leftover))
    }

    /// Goes on with a lock that an earlier image of this process took.
    ///
    /// # Errors
    /// Another process holds it.
    pub fn resume(socket: &Path, ends_orphans: bool, lock: OwnedFd) -> Result<Self, Error> {
        let path = lock_file(socket);
        let lock = NamedLock::resume(lock).map_err(|source| failed(&path, source))?;
        Ok(Self { path, lock, words_written: false, ends_orphans })
    }

    fn take_over(&self) -> io::Result<Leftover> {
        let inode = self.lock.file().metadata()?.ino();
        let boot = boot_id();
        let leftover = self.leftover(&self.read()?, &boot, inode);
        self.write_manager(&boot, inode)?;
        // After the process id: for as long as it is another manager's start time, the two name no process.
        let started = start_time(process::own_pid()).map(|started| started.to_string()).unwrap_or_default();
        self.write(MANAGER_BIRTH_AT, &format!("manager-birth {started} {}", pid_namespace()))?;
        if leftover == Leftover::Nothing {
            self.forget_program()?;
        }
        Ok(leftover)
    }

    /// Whether the file still has its name.
    pub fn is_named(&self) -> bool {
        self.lock.has_name(&self.path)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file, which has lost its name, again, with what is recorded in it.
    ///
    /// # Errors
    /// As [`LockFile::take`].
    pub fn recreate(&mut self, socket: &Path) -> Result<(), Error> {
        let text = self.read().map_err(|source| failed(&self.path, source))?;
        let removed = std::mem::replace(&mut self.lock, locked(socket, &self.path)?);
        let copied = self.copy(&text);
        if copied.is_err() {
            self.lock = removed;
        }
        copied.map_err(|source| failed(&self.path, source))
    }

    fn copy(&self, text: &str) -> io::Result<()> {
        self.write_manager(&boot_id(), self.lock.file().metadata()?.ino())?;
        let others = text.as_bytes().get(LINE..).unwrap_or_default();
        self.lock.file().write_all_at(others, PROGRAM_AT)?;
        self.lock.file().set_len(PROGRAM_AT + others.len() as u64)
    }

    /// The program that is recorded.
    pub fn program(&self) -> Option<OrphanedProgram> {
        let record = LockRecord::parse(&self.read().ok()?);
        Some(OrphanedProgram { process: record.program?, words: record.words })
    }

    /// Whether the recorded program, or what descends from it, runs.
    fn names_running(&self) -> bool {
        let inode = self.lock.file().metadata().map(|found| found.ino()).unwrap_or_default();
        // Without a program there is nothing to look for.
        self.read().is_ok_and(|text| {
            LockRecord::parse(&text).program.is_some()
                && self.leftover(&text, &boot_id(), inode) != Leftover::Nothing
        })
    }

    fn leftover(&self, text: &str, boot: &str, inode: u64) -> Leftover {
        let Some(record) = LockRecord::parse(text).of(boot, pid_namespace(), inode) else {
            return Leftover::Nothing;
        };
        if let Some(process) = record.program
            && start_time(process.pid) == Some(process.start_time)
        {
            return Leftover::Program(OrphanedProgram { process, words: record.words });
        }
        let Some((root, session)) = record.orphan_root().filter(|_| self.ends_orphans) else {
            return Leftover::Nothing;
        };
        let mut orphans = OrphanScan::new(session, root.start_time, self.mark());
        if orphans.scan().is_empty() {
            return Leftover::Nothing;
        }
        Leftover::Orphans(root.pid, orphans)
    }

    /// What this program leaves running when it ends.
    pub fn orphans_of(&self, program: RecordedProcess) -> OrphanScan {
        OrphanScan::new(Some(program.pid), program.start_time, self.mark())
    }

    /// The same variable as it stands in an environment, `NAME=VALUE`.
    pub fn mark(&self) -> String {
        let found = self.lock.file().metadata();
        found.map(|found| lock_record::lock_mark(found.dev(), found.ino())).unwrap_or_default()
    }

    /// The variable by which programs know the lock file of their manager. `is_daemon`: the manager is no part of the
    /// program of another that it was started by; otherwise that one's lock file is in the variable too.
    pub fn variable(&self, is_daemon: bool) -> Option<(String, String)> {
        let found = self.lock.file().metadata().ok()?;
        let own = lock_record::lock_value(found.dev(), found.ino());
        let outer = env::var(LOCK).ok().filter(|outer| !is_daemon && !outer.is_empty());
        Some((LOCK.to_owned(), [own].into_iter().chain(outer).collect::<Vec<_>>().join(",")))
    }

    /// Records the words of the program that is about to be started. Where that fails, a later manager takes it for the
    /// program of its own configuration.
    pub fn write_words(&mut self, words: &[OsString]) {
        if std::mem::replace(&mut self.words_written, true) {
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

    /// Where a program's process is to record itself.
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

    /// The locked file.
    pub fn file(&self) -> &File {
        self.lock.file()
    }

    fn write_manager(&self, boot: &str, inode: u64) -> io::Result<()> {
        let (own, mark) = (process::own_pid(), lock_record::mark(inode));
        self.write(0, &format!("manager {own} {boot} {mark:x}"))
    }

    fn read(&self) -> io::Result<String> {
        let mut text = String::new();
        let mut file = self.lock.file();
        file.rewind()?;
        match file.read_to_string(&mut text) {
            // A file of another kind; it is about to become ours.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(String::new()),
            read => read.map(|_| text),
        }
    }

    fn write(&self, offset: u64, text: &str) -> io::Result<()> {
        let line = format!("{text:<width$.width$}\n", width = LINE - 1);
        self.lock.file().write_all_at(line.as_bytes(), offset)
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Still ours: a newcomer gets the lock only once this process has let go of it, and looks at the name again.
        if self.is_named() && !self.names_running() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn locked(socket: &Path, path: &Path) -> Result<NamedLock, Error> {
    let taken = || Error::Taken { socket: socket.to_owned(), manager: recorded_manager(path) };
    NamedLock::take(path).map_err(|source| failed(path, source))?.ok_or_else(taken)
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Open { what: "lock file", path: path.to_owned(), source }
}

/// The manager that has the lock file at `path`, by its own record.
fn recorded_manager(path: &Path) -> Option<u32> {
    LockRecord::parse(&fs::read_to_string(path).ok()?).manager
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::spawn;

    fn take(socket: &Path) -> (LockFile, Leftover) {
        LockFile::take(socket, true).unwrap()
    }

    fn start(file: &mut LockFile) -> i32 {
        let words = ["sleep".into(), "1000".into()];
        file.write_words(&words);
        spawn::start(&spawn::Program {
            file: Path::new("/bin/sleep"),
            words: &words,
            environment: &[],
            hidden: &[],
            output: None,
            own_session: true,
            note: Some(file.note()),
        })
        .unwrap()
    }

    #[test]
    fn program_that_runs_on_is_found_and_one_that_does_not_is_not() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("sock");
        let (mut file, left) = take(&socket);
        assert_eq!(left, Leftover::Nothing);
        assert_eq!(recorded_manager(&lock_file(&socket)), Some(std::process::id()));
        let pid = start(&mut file);
        assert!(file.names_running());
        drop(file);
        let (file, left) = take(&socket);
        let process = RecordedProcess { pid, start_time: start_time(pid).unwrap() };
        let words = Some(vec!["sleep".into(), "1000".into()]);
        assert_eq!(left, Leftover::Program(OrphanedProgram { process, words }));
        drop(file);
        let copy = place.path().join("copy");
        fs::copy(lock_file(&socket), lock_file(&copy)).unwrap();
        assert_eq!(take(&copy).1, Leftover::Nothing, "the program is the original's");
        process::send_signal(process::Receiver::Process(pid), 9).unwrap();
        crate::sys::daemon::wait_for(pid);
        assert_eq!(take(&socket).1, Leftover::Nothing);
        assert!(!take(&socket).0.names_running());
    }

    #[test]
    fn process_id_that_another_process_has_now_is_not_trusted() {
        let place = tempfile::tempdir().unwrap();
        let (file, _) = take(&place.path().join("sock"));
        let own = process::own_pid();
        let (boot, started) = (boot_id(), start_time(own).unwrap());
        let text = |pid, started, boot: &str| format!("manager 1 {boot}\nprogram {pid} {started}\n");
        let left = |text: &str| file.leftover(text, &boot, 0);
        let process = RecordedProcess { pid: own, start_time: started };
        let program = OrphanedProgram { process, words: None };
        assert_eq!(left(&text(own, started, &boot)), Leftover::Program(program));
        assert_eq!(left(&text(own, started + 1, &boot)), Leftover::Nothing);
        assert_eq!(left(&text(own, started, "another")), Leftover::Nothing);
        for odd in ["", "program 1 1\n", "manager x\nprogram\n", "manager 1 \nprogram 1 2\n"] {
            assert_eq!(left(odd), Leftover::Nothing);
        }
    }
}
