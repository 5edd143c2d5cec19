//! TCP sockets, where the standard library does more than is wanted.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrStorage, bind, getsockname,
    listen as listen_at, setsockopt, socket, sockopt,
};

/// How many clients may wait to be accepted: after a restart all come at once. The system bounds it further
/// (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// Seconds of silence after which a peer is asked whether it is there, between two such questions, and how many
/// unanswered ones end the connection.
const KEEP_ALIVE: (u32, u32, u32) = (60, 15, 4);
/// Milliseconds that sent bytes may stay unacknowledged: as long as the questions of [`KEEP_ALIVE`] last, which are not
/// asked while bytes are in flight.
const UNACKNOWLEDGED: u32 = 120_000;

/// Whether a server could listen on `address` now: takes the address and gives it back, without listening in between,
/// so that no other process can take the attempt for a server. Connections that are closing do not count (`SO_REUSEADDR`).
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] if a process is listening there; otherwise what the system says.
pub fn try_address(address: SocketAddr) -> io::Result<()> {
    bound(address, SockFlag::SOCK_CLOEXEC).map(drop)
}

/// Whether an address could not be taken because the machine has no such address, or no such kind of address.
#[must_use]
pub fn is_unavailable(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT))
}

/// An address that is taken, though no client can connect yet.
#[derive(Debug)]
pub struct Bound(OwnedFd);

/// Takes `address`. An IPv6 address takes no IPv4 connections, so that both kinds of "any" may be had.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] if a process is listening there; otherwise what the system says.
pub fn take(address: SocketAddr) -> io::Result<Bound> {
    bound(address, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK).map(Bound)
}

impl Bound {
    /// Where it is: with the port that the system chose where any would do.
    ///
    /// # Errors
    /// What the system says.
    pub fn port(&self) -> io::Result<u16> {
        let address: SockaddrStorage = getsockname(self.0.as_raw_fd())?;
        let four = address.as_sockaddr_in().map(SockaddrIn::port);
        four.or_else(|| address.as_sockaddr_in6().map(SockaddrIn6::port))
            .ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Lets clients connect; accept(2) does not block.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] if another process has come to listen there.
    pub fn listen(self) -> io::Result<TcpListener> {
        listen_at(&self.0, Backlog::new(BACKLOG)?)?;
        Ok(TcpListener::from(self.0))
    }
}

fn bound(address: SocketAddr, flags: SockFlag) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}

/// Has the system notice when the other end of a connection is gone without a word (tcp(7)).
///
/// # Errors
/// What the system says.
pub fn keep_alive(stream: &impl AsFd) -> io::Result<()> {
    let (idle, interval, count) = KEEP_ALIVE;
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &idle)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &interval)?;
    setsockopt(stream, sockopt::TcpKeepCount, &count)?;
    Ok(setsockopt(stream, sockopt::TcpUserTimeout, &UNACKNOWLEDGED)?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn both_kinds_of_any_are_listened_at_and_a_taken_port_is_not() {
        let four = take("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = four.port().unwrap();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        let _listener = four.listen().unwrap();
        assert_eq!(
            take(format!("127.0.0.1:{port}").parse().unwrap()).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        // A host without IPv6 has nothing to claim.
        if std::net::UdpSocket::bind("[::1]:0").is_ok() {
            take(format!("[::]:{port}").parse().unwrap()).unwrap().listen().unwrap();
        }
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        keep_alive(&client).unwrap();
    }

    #[test]
    fn listener_is_noticed_and_another_attempt_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(try_address(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        // What another test is just starting may hold it open for a moment.
        let begun = std::time::Instant::now();
        while try_address(address).is_err() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it stays taken");
        }
        try_address(address).unwrap();
    }
}
