//! The control socket and the lock that decides which manager has it.
//!
//! Which of two managers may run is decided by the lock beside the socket, never by the socket's file: that one may be
//! left from a manager that was killed. A manager that knows no lock (zdaemon's) is found by asking the socket.

use std::fs::{self, DirBuilder};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Error;
use super::lock_file::{Leftover, LockFile};
use crate::config::left_by_another;
use crate::control::{Request, StatusRecord};
use crate::eventlog::EventLog;
use crate::sys::file_watch::FileWatch;
use crate::sys::files;
use crate::sys::socket::{self, Identity};
use crate::sys::unix_stream::{self, Occupant};
use crate::sys::user::Account;

/// How long a manager that holds the socket without a lock has to answer; a silent one counts as alive.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The socket and its lock file. Dropped: the socket's file is removed, if it is still ours, then the lock's.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    made: Identity,
    listener: UnixListener,
    /// Held until after the socket's file is gone.
    lock: LockFile,
    /// Readable when one of the two files may have lost its name.
    watch: Option<FileWatch>,
}

impl ControlSocket {
    /// Takes the lock and listens; gives what an earlier manager left running, too. `ends_orphans`: that concerns what its
    /// program left behind.
    ///
    /// # Errors
    /// Another manager has it; something else has its name; its directory is not there or not writable.
    pub fn take(path: &Path, ends_orphans: bool, log: &EventLog) -> Result<(Self, Leftover), Error> {
        let failed = |source| Error::Socket { socket: path.to_owned(), source };
        fs::metadata(files::parent(path)).map_err(failed)?;
        if let Some(hint) = left_by_another(path) {
            return Err(Error::Foreign { socket: path.to_owned(), hint });
        }
        let (lock, leftover) = LockFile::take(path, ends_orphans)?;
        remove_stale(path, log)?;
        let (listener, made) = socket::listen(path).map_err(failed)?;
        Ok((Self { path: path.to_owned(), made, listener, watch: None, lock }, leftover))
    }

    /// Goes on with what an earlier image of this process has taken.
    ///
    /// # Errors
    /// The lock is not ours.
    pub fn resume(path: &Path, ends_orphans: bool, lock: OwnedFd, listener: OwnedFd) -> Result<Self, Error> {
        let lock = LockFile::resume(path, ends_orphans, lock)?;
        let failed = |source| Error::Socket { socket: path.to_owned(), source };
        let made = socket::identity(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), made, listener: UnixListener::from(listener), watch: None, lock })
    }

    /// The descriptors of the lock and of the listening socket.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.lock.file().as_fd(), self.listener.as_fd()]
    }

    /// Has the system report a removal of the files. Where it cannot, a removal is not noticed.
    pub fn watch(&mut self) {
        self.watch = FileWatch::of(&[&self.path, self.lock.path()]).ok();
    }

    /// What to wait on for the removal of a file.
    pub fn removal(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// Whether both files still have their names, after a change of them was reported.
    pub fn files_intact(&mut self) -> bool {
        if !self.watch.as_ref().is_some_and(FileWatch::take) {
            self.watch = None;
        }
        self.has_socket() && self.lock.is_named()
    }

    fn has_socket(&self) -> bool {
        socket::identity(&self.path).is_ok_and(|found| found == self.made)
    }

    /// Makes those files again that have been removed.
    ///
    /// # Errors
    /// As [`ControlSocket::take`]: another manager has come meanwhile; the directory has gone too.
    pub fn recreate(&mut self, log: &EventLog) -> Result<(), Error> {
        if !self.lock.is_named() {
            self.lock.recreate(&self.path)?;
        }
        if !self.has_socket() {
            remove_stale(&self.path, log)?;
            let failed = |source| Error::Socket { socket: self.path.clone(), source };
            (self.listener, self.made) = socket::listen(&self.path).map_err(failed)?;
        }
        self.watch();
        Ok(())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The listening socket; accepting from it never blocks.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// What is recorded for the next manager.
    pub fn lock(&self) -> &LockFile {
        &self.lock
    }

    /// The same, to be written to.
    pub fn lock_mut(&mut self) -> &mut LockFile {
        &mut self.lock
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if self.has_socket() {
            let _ = fs::remove_file(&self.path);
        }
        // Closed with the process: the kernel takes up to 25 ms for it, and clients wait for the manager's end.
        std::mem::forget(self.watch.take());
    }
}

/// Makes the directory of a socket, one level, where it is missing: one of the system may be on a file system that is
/// empty after a boot. It is then `owner`'s, and its mode 0755, less the umask.
///
/// # Errors
/// It cannot be made, or not be given to the owner.
pub fn make_directory(socket: &Path, owner: Option<&Account>) -> Result<(), Error> {
    let path = files::parent(socket);
    let failed = |source| Error::SocketDirectory { path: path.to_owned(), source };
    match DirBuilder::new().mode(0o755).create(path) {
        // What there is is found out, and reported, when the socket is made.
        Err(_) if fs::symlink_metadata(path).is_ok() => Ok(()),
        made => made.map_err(failed).and_then(|()| {
            owner.map_or(Ok(()), |owner| chown(path, Some(owner.uid), Some(owner.gid))).map_err(failed)
        }),
    }
}

/// Removes what a killed manager left; refuses to touch anything alive or anything that is no socket.
fn remove_stale(socket: &Path, log: &EventLog) -> Result<(), Error> {
    let failed = |source| Error::Socket { socket: socket.to_owned(), source };
    match unix_stream::probe(socket, PROBE_TIMEOUT).map_err(failed)? {
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

fn ask_pid(mut stream: UnixStream) -> Option<u32> {
    stream.set_read_timeout(Some(PROBE_TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(PROBE_TIMEOUT)).ok()?;
    stream.write_all(&Request::Status.encode()).ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    let mut reply = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut reply).ok()?;
    StatusRecord::parse(&reply).map(|record| record.manager)
}
