//! The socket on which a started program says that it is ready (`sd_notify(3)`), and the connection to such a socket of
//! the service manager's.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, UnixCredentials, bind,
    getsockname, recvmsg, setsockopt, socket, sockopt,
};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getsid};

/// The longest message that is taken, in bytes; a longer one is cut.
const MAX_MESSAGE_BYTES: usize = 4096;

/// A datagram socket with a name of the system's choice that no file shows (unix(7), abstract, autobind).
#[derive(Debug)]
pub struct NotifySocket {
    socket: OwnedFd,
    address: String,
}

impl NotifySocket {
    /// Opens one.
    ///
    /// # Errors
    /// Where the system is out of descriptors.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let made = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        bind(made.as_raw_fd(), &UnixAddr::new_unnamed())?;
        Self::from_open(made)
    }

    /// Goes on with one that was opened before.
    ///
    /// # Errors
    /// Where it is not such a socket.
    pub fn from_open(socket: OwnedFd) -> io::Result<Self> {
        setsockopt(&socket, sockopt::PassCred, &true)?;
        let own: UnixAddr = getsockname(socket.as_raw_fd())?;
        let name = own.as_abstract().ok_or(Errno::EINVAL)?;
        let address = format!("@{}", String::from_utf8_lossy(name));
        Ok(Self { socket, address })
    }

    /// What the program finds as `NOTIFY_SOCKET`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The next message of the program `pid`, or of a process in its session; those of others are passed over.
    #[must_use]
    pub fn next_from(&self, pid: i32) -> Option<String> {
        loop {
            let mut buffer = [0; MAX_MESSAGE_BYTES];
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let mut space = cmsg_space!(UnixCredentials);
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
            let received =
                match recvmsg::<UnixAddr>(self.socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
                    Ok(received) => received,
                    Err(Errno::EINTR) => continue,
                    Err(_) => return None,
                };
            let sender = received.cmsgs().ok()?.find_map(|message| match message {
                ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
                _ => None,
            });
            let length = received.bytes;
            if sender.is_some_and(|sender| is_of(sender, pid)) {
                return Some(String::from_utf8_lossy(buffer.get(..length)?).into_owned());
            }
        }
    }
}

fn is_of(sender: i32, pid: i32) -> bool {
    sender == pid || getsid(Some(Pid::from_raw(sender))).is_ok_and(|session| session.as_raw() == pid)
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The connection to the service manager that runs this process.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// To the socket that the environment variable `NOTIFY_SOCKET` names; `None`: no service manager wants to know.
    ///
    /// # Errors
    /// As [`Notifier::to`].
    pub fn of_environment() -> io::Result<Option<Self>> {
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        name.map(|name| Self::to(&name)).transpose()
    }

    /// To the socket that a `NOTIFY_SOCKET` names: a path, or `@` and an abstract name.
    ///
    /// # Errors
    /// A name that no socket can have; a system that is out of descriptors.
    pub fn to(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// Sends a message of lines `NAME=VALUE`, without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where the receiver has too many unread; others where there is none.
    pub fn send(&self, message: &str) -> io::Result<()> {
        self.socket.send_to_addr(message.as_bytes(), &self.address).map(drop)
    }
}

/// The time as `MONOTONIC_USEC` gives it, in microseconds; 0 where the system has no such clock.
#[must_use]
pub fn monotonic_microseconds() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |now| now.tv_sec().saturating_mul(1_000_000).saturating_add(now.tv_nsec() / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_sent_to_an_abstract_name_and_to_a_path() {
        let own = std::process::id().cast_signed();
        let notify = NotifySocket::open().unwrap();
        let notifier = Notifier::to(OsStr::new(notify.address())).unwrap();
        notifier.send("READY=1").unwrap();
        assert_eq!(notify.next_from(own).as_deref(), Some("READY=1"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        notifier.send("STATUS=x").unwrap();
        let mut buffer = [0; 64];
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STATUS=x");
        let full = std::iter::repeat_with(|| notifier.send("x")).find_map(Result::err).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        drop(receiver);
        assert_ne!(notifier.send("x").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(Notifier::to(OsStr::new(&"x".repeat(200))).is_err());
        assert!(monotonic_microseconds() > 0);
    }

    #[test]
    fn message_is_taken_from_the_program_only() {
        let own = std::process::id().cast_signed();
        let notify = NotifySocket::open().unwrap();
        let name = notify.address().strip_prefix('@').expect("an abstract name");
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to_addr(b"READY=1\nSTATUS=fine\n", &address).unwrap();
        assert_eq!(notify.next_from(own).as_deref(), Some("READY=1\nSTATUS=fine\n"));
        assert_eq!(notify.next_from(own), None);
        sender.send_to_addr(b"READY=1", &address).unwrap();
        assert_eq!(notify.next_from(1), None, "that is another program");
    }
}
