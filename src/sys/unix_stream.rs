//! Connecting to a Unix stream socket: never longer than asked, and at any path.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect as connect_to, setsockopt, socket,
};
use nix::sys::stat::Mode;
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::files::parent;

/// The longest path that fits a socket address, without the final zero byte (unix(7): `sun_path` has 108 bytes).
pub const LONGEST: usize = 107;

/// Connects to the socket at `path`.
///
/// # Errors
/// `TimedOut` when the server's queue of new connections stayed full for so long (socket(7): a send time-out limits
/// connect too); `NotFound`, `ConnectionRefused` and the other errors of connect(2); `ENAMETOOLONG` when even the last
/// part of the path does not fit an address.
pub fn connect(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    connect_unless(path, timeout, || false)
}

/// As [`connect`]; each signal that comes meanwhile has `give_up` asked.
///
/// # Errors
/// As above, and `Interrupted` where it said so.
pub fn connect_unless(path: &Path, timeout: Duration, give_up: impl Fn() -> bool) -> io::Result<UnixStream> {
    let made = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let limit = TimeVal::milliseconds(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX).max(1));
    setsockopt(&made, SendTimeout, &limit)?;
    with_short_name(path, |short| {
        let address = UnixAddr::new(short)?;
        loop {
            match connect_to(made.as_raw_fd(), &address) {
                Ok(()) => return Ok(()),
                Err(Errno::EINTR) if !give_up() => {}
                Err(Errno::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error.into()),
            }
        }
    })?;
    Ok(UnixStream::from(made))
}

/// What is found at a path at which a process wants to listen.
#[derive(Debug)]
pub enum Occupant {
    /// There is no file.
    Free,
    /// A socket on which no process listens: one that was killed has left it.
    Stale,
    /// A socket on which a process listens, and a connection to it; none where its queue stayed full.
    Alive(Option<UnixStream>),
    /// A file of another kind.
    NotSocket,
}

/// Finds out whether a process listens at `path`, for `timeout` at most.
///
/// # Errors
/// Those of lstat(2) and connect(2) that do not answer the question, such as `EACCES`.
pub fn probe(path: &Path, timeout: Duration) -> io::Result<Occupant> {
    let connected = match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Ok(Occupant::NotSocket),
        Ok(_) => connect(path, timeout),
        Err(error) => Err(error),
    };
    match connected {
        Ok(stream) => Ok(Occupant::Alive(Some(stream))),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Ok(Occupant::Free),
            io::ErrorKind::ConnectionRefused => Ok(Occupant::Stale),
            io::ErrorKind::TimedOut => Ok(Occupant::Alive(None)),
            _ => Err(error),
        },
    }
}

/// Calls `work` with a name for `path` that fits a socket address: where the path is too long, one through a descriptor
/// of its directory (proc(5), `/proc/self/fd`).
///
/// # Errors
/// Those of `work` and of opening the directory; `ENAMETOOLONG` where even the last part is too long.
pub fn with_short_name<T>(path: &Path, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= LONGEST {
        return work(path);
    }
    let name = path.file_name().ok_or(Errno::ENAMETOOLONG)?;
    let directory = open(parent(path), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    if short.as_os_str().len() > LONGEST {
        return Err(Errno::ENAMETOOLONG.into());
    }
    work(&short)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn path_longer_than_an_address_works() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("sock");
        let _listener = with_short_name(&path, |short| UnixListener::bind(short)).unwrap();
        connect(&path, LONG).unwrap();
    }

    #[test]
    fn name_longer_than_an_address_is_refused() {
        let error = connect(Path::new(&"x".repeat(150)), LONG).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::ENAMETOOLONG as i32));
    }

    #[test]
    fn missing_and_stale_sockets_are_told_apart() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sock");
        assert_eq!(connect(&path, LONG).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(matches!(probe(&path, LONG), Ok(Occupant::Free)));
        // It never listened: what another test is just starting may hold it open for a moment.
        let stale = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        nix::sys::socket::bind(stale.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        drop(stale);
        assert_eq!(connect(&path, LONG).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(matches!(probe(&path, LONG), Ok(Occupant::Stale)));
        fs::remove_file(&path).unwrap();
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(probe(&path, LONG), Ok(Occupant::Alive(Some(_)))));
        assert!(matches!(probe(place.path(), LONG), Ok(Occupant::NotSocket)));
        assert!(probe(&path.join("below"), LONG).is_err());
    }

    #[test]
    fn full_queue_is_a_time_out() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sock");
        let listener = UnixListener::bind(&path).unwrap();
        // std asks for a queue of 128 or more; listening again makes it short.
        nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        let begun = Instant::now();
        let waiting: Vec<_> = (0..8).map(|_| connect(&path, Duration::from_millis(20))).collect();
        let failure = waiting.iter().find_map(|r| r.as_ref().err()).expect("the queue is full at last");
        assert_eq!(failure.kind(), io::ErrorKind::TimedOut);
        assert!(matches!(probe(&path, Duration::from_millis(20)), Ok(Occupant::Alive(None))));
        assert!(begun.elapsed() < LONG);
    }
}
