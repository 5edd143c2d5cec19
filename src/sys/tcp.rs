//! TCP sockets, where the standard library does more than is wanted.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen as listen_at, setsockopt,
    socket, sockopt,
};

/// How many clients may wait to be accepted: after a restart all come at once. The system bounds it further
/// (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// Seconds of silence after which a peer is asked whether it is there, between two such questions, and how many
/// unanswered ones end the connection.
const KEEP_ALIVE: (u32, u32, u32) = (60, 15, 4);
/// Milliseconds that sent bytes may stay unacknowledged: as long as the questions of [`KEEP_ALIVE`] last, which are not
/// asked while bytes are under way.
const UNACKNOWLEDGED: u32 = 120_000;

/// Whether a server could listen on `address` now: takes the address and gives it back, without listening in between,
/// so that nobody else can take the attempt for a server. Connections that are closing do not count (`SO_REUSEADDR`).
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] if a process is listening there; otherwise what the system says.
pub fn try_address(address: SocketAddr) -> io::Result<()> {
    bound(address, SockFlag::SOCK_CLOEXEC).map(drop)
}

/// Listens at `address`, without blocking at accept(2). An IPv6 address takes no IPv4 connections, so that both kinds of
/// "any" may be listened at.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] if a process is listening there; otherwise what the system says.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
    listen_at(&socket, Backlog::new(BACKLOG)?)?;
    Ok(TcpListener::from(socket))
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
        let four = listen("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = four.local_addr().unwrap().port();
        assert_eq!(
            listen(format!("127.0.0.1:{port}").parse().unwrap()).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        // A host without IPv6 has nothing to claim.
        if std::net::UdpSocket::bind("[::1]:0").is_ok() {
            listen(format!("[::]:{port}").parse().unwrap()).unwrap();
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
        try_address(address).unwrap();
        try_address(address).unwrap();
    }
}
