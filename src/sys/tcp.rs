//! TCP sockets, where the standard library does more than is wanted.

use std::io;
use std::net::SocketAddr;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};

/// Whether a server could listen on `address` now: takes the address and gives it back, without listening in between,
/// so that nobody else can take the attempt for a server. Connections that are closing do not count (`SO_REUSEADDR`).
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] if a process is listening there; otherwise what the system says.
pub fn try_address(address: SocketAddr) -> io::Result<()> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    Ok(bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrStorage::from(address))?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

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
