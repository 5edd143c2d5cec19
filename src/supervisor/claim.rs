//! The manager's claim to its socket: a lock for its lifetime, and the listening socket itself.
//!
//! Which of two managers may run is decided by the lock beside the socket, never by the socket's file: that one may be
//! left from a manager that was killed. A manager that knows no lock (zdaemon's) is found by asking the socket.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Error;
use super::ledger::{Ledger, Left, noted_manager};
use crate::control::ledger::lock_file;
use crate::control::{Request, StatusRecord};
use crate::eventlog::EventLog;
use crate::sys::daemon::Lock;
use crate::sys::file_watch::FileWatch;
use crate::sys::files;
use crate::sys::socket::{self, Identity};
use crate::sys::unix_stream::{self, Occupant};

/// How long a manager that holds the socket without a lock has to answer; a silent one counts as alive.
const PROBE: Duration = Duration::from_secs(5);

/// A claimed socket. Dropped: the socket's file is removed, if it is still ours, then the lock's.
#[derive(Debug)]
pub struct Claim {
    socket: PathBuf,
    made: Identity,
    listener: UnixListener,
    /// What an earlier manager left running.
    left: Left,
    /// Held until after the socket's file is gone.
    lock: HeldLock,
    /// Tells when one of the two files may have lost its name.
    watch: Option<FileWatch>,
}

/// The lock beside a socket. Dropped: its file is removed, unless somebody runs on who is noted in it; then it is free.
#[derive(Debug)]
struct HeldLock {
    path: PathBuf,
    ledger: Ledger,
}

impl Claim {
    /// Claims `socket`. `ends_rest`: what a program leaves behind is to be ended too.
    ///
    /// # Errors
    /// Another manager has it; something else has its name; its directory is not there or not writable.
    pub fn take(socket: &Path, ends_rest: bool, log: &EventLog) -> Result<Self, Error> {
        let failed = |source| Error::Socket { socket: socket.to_owned(), source };
        fs::metadata(files::parent(socket)).map_err(failed)?;
        let (lock, left) = HeldLock::take(socket, ends_rest)?;
        remove_stale(socket, log)?;
        let (listener, made) = socket::listen(socket).map_err(failed)?;
        Ok(Self { socket: socket.to_owned(), made, listener, left, watch: None, lock })
    }

    /// Goes on with a claim that an earlier image of this process made.
    ///
    /// # Errors
    /// The lock is not ours.
    pub fn resume(socket: &Path, ends_rest: bool, lock: OwnedFd, listener: OwnedFd) -> Result<Self, Error> {
        let path = lock_file(socket);
        let failed = |source| Error::Open { what: "lock file", path: path.clone(), source };
        let ledger = Ledger::resume(Lock::resume(lock).map_err(failed)?, ends_rest);
        let made =
            socket::identity(socket).map_err(|source| Error::Socket { socket: socket.to_owned(), source })?;
        Ok(Self {
            socket: socket.to_owned(),
            made,
            listener: UnixListener::from(listener),
            left: Left::Nothing,
            watch: None,
            lock: HeldLock { path, ledger },
        })
    }

    /// The descriptors of the lock and of the listening socket.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.lock.ledger.lock().file().as_fd(), self.listener.as_fd()]
    }

    /// Has the system tell of a removal of the files. Where it cannot, nobody hears of one.
    pub fn watch(&mut self) {
        self.watch = FileWatch::of(&[&self.socket, &self.lock.path]).ok();
    }

    /// What to wait on for the removal of a file.
    pub fn removal(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// Whether both files still have their names, after something was told of them.
    pub fn is_whole(&mut self) -> bool {
        if !self.watch.as_ref().is_some_and(FileWatch::take) {
            self.watch = None;
        }
        self.has_socket() && self.lock.is_named()
    }

    fn has_socket(&self) -> bool {
        socket::identity(&self.socket).is_ok_and(|found| found == self.made)
    }

    /// Makes those files again that have been removed.
    ///
    /// # Errors
    /// As [`Claim::take`]: another manager has come meanwhile; the directory has gone too.
    pub fn mend(&mut self, log: &EventLog) -> Result<(), Error> {
        let failed = |source| Error::Socket { socket: self.socket.clone(), source };
        if !self.lock.is_named() {
            let lock = HeldLock::lock(&self.socket, &self.lock.path)?;
            self.lock.ledger.move_to(lock).map_err(failed)?;
        }
        if !self.has_socket() {
            remove_stale(&self.socket, log)?;
            (self.listener, self.made) = socket::listen(&self.socket).map_err(failed)?;
        }
        self.watch();
        Ok(())
    }

    /// The listening socket; accepting from it never blocks.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// What an earlier manager left running, and is nobody's.
    pub fn left(&self) -> &Left {
        &self.left
    }

    /// Notes the words of the program that is about to be started.
    pub fn note_words(&mut self, words: &[std::ffi::OsString]) {
        self.lock.ledger.note_words(words);
    }

    /// What is noted for the next manager.
    pub fn ledger(&self) -> &Ledger {
        &self.lock.ledger
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.has_socket() {
            let _ = fs::remove_file(&self.socket);
        }
        // Closed with the process: the kernel takes up to 25 ms for it, and those who watch the manager wait for its end.
        std::mem::forget(self.watch.take());
    }
}

impl HeldLock {
    /// Takes the lock. Tells, too, what an earlier manager left running.
    fn take(socket: &Path, ends_rest: bool) -> Result<(Self, Left), Error> {
        let path = lock_file(socket);
        let failed = |source| Error::Open { what: "lock file", path: path.clone(), source };
        let lock = Self::lock(socket, &path)?;
        // From here on the file goes away again with an error.
        let held = Self { path: path.clone(), ledger: Ledger::resume(lock, ends_rest) };
        let left = held.ledger.take_over().map_err(failed)?;
        Ok((held, left))
    }

    fn lock(socket: &Path, path: &Path) -> Result<Lock, Error> {
        let failed = |source| Error::Open { what: "lock file", path: path.to_owned(), source };
        let taken = || Error::Taken { socket: socket.to_owned(), manager: noted_manager(path) };
        Lock::take(path).map_err(failed)?.ok_or_else(taken)
    }

    fn is_named(&self) -> bool {
        self.ledger.lock().has_name(&self.path)
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // Still ours: a newcomer gets the lock only once this process has let go of it, and looks at the name again.
        if self.is_named() && !self.ledger.names_anybody() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what a killed manager left; refuses to touch anything alive or anything that is no socket.
fn remove_stale(socket: &Path, log: &EventLog) -> Result<(), Error> {
    let failed = |source| Error::Socket { socket: socket.to_owned(), source };
    match unix_stream::probe(socket, PROBE).map_err(failed)? {
        Occupant::Free => Ok(()),
        Occupant::Stale => {
            log.warning("zdrun", format_args!("unlinking stale socket {}", socket.display()));
            fs::remove_file(socket).map_err(failed)
        }
        Occupant::Alive(stream) => {
            Err(Error::Taken { socket: socket.to_owned(), manager: stream.and_then(ask_pid) })
        }
        Occupant::NotSocket => Err(Error::NotASocket { socket: socket.to_owned() }),
    }
}

fn ask_pid(mut stream: std::os::unix::net::UnixStream) -> Option<u32> {
    stream.set_read_timeout(Some(PROBE)).ok()?;
    stream.set_write_timeout(Some(PROBE)).ok()?;
    stream.write_all(&Request::Status.encode()).ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    let mut reply = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut reply).ok()?;
    StatusRecord::parse(&reply).map(|record| record.manager)
}
