//! Unix stream sockets that listen: made under a temporary name, ready before their name appears.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr, sockopt};
use nix::unistd::geteuid;

use super::unix_stream::{LONGEST, with_short_name};

/// How many clients may wait to be accepted.
const BACKLOG: i32 = 128;

/// A socket's file, by device and inode: what [`listen`] made, whatever has the name later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// The identity of the file at `path`, a symbolic link itself and not what it points to.
///
/// # Errors
/// Those of lstat(2).
pub fn identity(path: &Path) -> io::Result<Identity> {
    let found = fs::symlink_metadata(path)?;
    Ok(Identity { device: found.dev(), inode: found.ino() })
}

/// Whether [`listen`] can give a socket this name, whatever its directory: the longest process number included, and the
/// way through a descriptor that a path takes which is too long for a socket address.
#[must_use]
pub fn name_fits(path: &Path) -> bool {
    /// Linux numbers processes up to 2^22 (proc(5), `pid_max`).
    const SUFFIX: usize = ".4194304".len();
    const DETOUR: usize = "/proc/self/fd/999/".len();
    let name = path.file_name().map_or(0, OsStr::len);
    path.as_os_str().len() + SUFFIX <= LONGEST || DETOUR + name + SUFFIX <= LONGEST
}

/// Listens at `path`, which must not exist; the file's mode is 0700 and it appears only when connecting works.
///
/// Until then it has the name with `.new` after it, always the same, so that the next one removes what a killed process
/// left. One process at a time may do this for a path.
///
/// # Errors
/// `AlreadyExists`, a missing or read-only directory, and so on.
pub fn listen(path: &Path) -> io::Result<(UnixListener, Identity)> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let _ = fs::remove_file(&temporary);
    let listener = bind(&temporary)?;
    let shown = fs::set_permissions(&temporary, fs::Permissions::from_mode(0o700))
        .and_then(|()| socket::listen(&listener, Backlog::new(BACKLOG)?).map_err(io::Error::from))
        .and_then(|()| identity(&temporary))
        .and_then(|made| show(&temporary, path).map(|()| made));
    if shown.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    Ok((listener, shown?))
}

/// Gives `temporary` its final name without replacing a file that is there.
fn show(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        Ok(()) => fs::remove_file(temporary),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without hard links. The caller holds the lock, so no other manager can come between.
        Err(_) if !path.exists() => fs::rename(temporary, path),
        Err(error) => Err(error),
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let made = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    with_short_name(path, |short| {
        socket::bind(made.as_raw_fd(), &UnixAddr::new(short)?).map_err(io::Error::from)
    })?;
    Ok(UnixListener::from(made))
}

/// Whether the process at the other end belongs to root or to the user that we are (unix(7), `SO_PEERCRED`).
#[must_use]
pub fn peer_is_trusted(stream: &UnixStream) -> bool {
    socket::getsockopt(&stream.as_fd(), sockopt::PeerCredentials)
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_in_nobodys_way() {
        let place = tempfile::tempdir().unwrap();
        drop(bind(&place.path().join("sock.new")).unwrap());
        listen(&place.path().join("sock")).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn existing_file_is_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sock");
        fs::write(&path, "precious").unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
    #[test]
    fn name_that_fits_can_be_listened_at_and_a_longer_one_is_told_before() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let path = |length: usize| deep.join("s".repeat(length));
        let longest = (1..255).take_while(|length| name_fits(&path(*length))).last().unwrap();
        assert!(longest > 80, "{longest}");
        listen(&path(longest)).unwrap();
        assert_eq!(
            listen(&path(108)).unwrap_err().raw_os_error(),
            Some(nix::errno::Errno::ENAMETOOLONG as i32)
        );
        assert!(
            name_fits(&Path::new("/").join("s".repeat(98)))
                && !name_fits(&Path::new("/").join("s".repeat(99)))
        );
    }
}
