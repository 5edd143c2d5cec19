//! The manager's claim to its socket: a lock for its lifetime, and the listening socket itself.
//!
//! Which of two managers may run is decided by the lock beside the socket, never by the socket's file: that one may be
//! left from a manager that was killed. A manager that knows no lock (zdaemon's) is found by asking the socket.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Error, parent_of};
use crate::control::{Request, StatusRecord};
use crate::eventlog::EventLog;
use crate::sys::daemon::Lock;
use crate::sys::socket::{self, Identity};
use crate::sys::{process, unix_stream};

/// How long a manager that holds the socket without a lock has to answer; a silent one counts as alive.
const PROBE: Duration = Duration::from_secs(5);

/// A claimed socket. Dropped: the socket's file is removed, if it is still ours, then the lock's.
#[derive(Debug)]
pub struct Claim {
    socket: PathBuf,
    made: Identity,
    listener: UnixListener,
    /// Held for its effect, until after the socket's file is gone.
    _lock: HeldLock,
}

/// The lock beside a socket. Dropped: its file is removed, then it is free.
#[derive(Debug)]
struct HeldLock {
    path: PathBuf,
    lock: Lock,
}

impl Claim {
    /// Claims `socket`.
    ///
    /// # Errors
    /// Another manager has it; something else has its name; its directory is not there or not writable.
    pub fn take(socket: &Path, log: &EventLog) -> Result<Self, Error> {
        let failed = |source| Error::Socket { socket: socket.to_owned(), source };
        fs::metadata(parent_of(socket)).map_err(failed)?;
        let lock = HeldLock::take(socket)?;
        remove_stale(socket, log)?;
        let (listener, made) = socket::listen(socket).map_err(failed)?;
        Ok(Self { socket: socket.to_owned(), made, listener, _lock: lock })
    }

    /// The listening socket; accepting from it never blocks.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if socket::identity(&self.socket).is_ok_and(|found| found == self.made) {
            let _ = fs::remove_file(&self.socket);
        }
    }
}

impl HeldLock {
    /// Takes the lock and notes our process number in it, for the message that a second manager prints.
    fn take(socket: &Path) -> Result<Self, Error> {
        let path = beside(socket, ".lock");
        let failed = |source| Error::Open { what: "lock file", path: path.clone(), source };
        let Some(lock) = Lock::take(&path).map_err(failed)? else {
            return Err(Error::Taken { socket: socket.to_owned(), manager: noted_pid(&path) });
        };
        note_pid(&lock).map_err(failed)?;
        Ok(Self { path, lock })
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // Still ours: a newcomer gets the lock only once this process has let go of it, and looks at the name again.
        if self.lock.has_name(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn note_pid(lock: &Lock) -> io::Result<()> {
    let mut file = lock.file();
    file.set_len(0)?;
    writeln!(file, "{}", process::own_pid())
}

fn noted_pid(lock_file: &Path) -> Option<u32> {
    fs::read_to_string(lock_file).ok()?.trim().parse().ok()
}

/// Removes what a killed manager left; refuses to touch anything alive or anything that is no socket.
fn remove_stale(socket: &Path, log: &EventLog) -> Result<(), Error> {
    let failed = |source| Error::Socket { socket: socket.to_owned(), source };
    match fs::symlink_metadata(socket) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::NotASocket { socket: socket.to_owned() });
        }
        Ok(_) => {}
    }
    match unix_stream::connect(socket, PROBE) {
        Ok(stream) => Err(Error::Taken { socket: socket.to_owned(), manager: ask_pid(stream) }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            log.warning("zdrun", format_args!("unlinking stale socket {}", socket.display()));
            fs::remove_file(socket).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // It accepts nothing, but somebody has it open.
        Err(_) => Err(Error::Taken { socket: socket.to_owned(), manager: None }),
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
