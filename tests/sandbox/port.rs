//! Ports of 127.0.0.1 that parallel tests do not take from each other.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt};

/// The first port that is handed out; services that people run by hand tend to be below.
const FIRST: u16 = 20_000;

/// A port that is ours until this is dropped.
///
/// The reservation is an abstract Unix socket named after the port: seen by every test process in the same network
/// namespace, which is just the reach of the port itself, and gone when its owner ends, however it ends (unix(7)).
pub(super) struct Port {
    number: u16,
    _reservation: UnixListener,
}

impl Port {
    /// Reserves a port below the range from which the kernel picks ports for outgoing connections: one of those could
    /// come to be in use between two starts of a server.
    pub(super) fn reserve() -> Self {
        let end = first_ephemeral();
        assert!(end > FIRST, "no port between {FIRST} and the ephemeral range, which begins at {end}");
        let count = u64::from(end - FIRST);
        let start = RandomState::new().hash_one("start") % count;
        let candidates = (0..count).map(|i| FIRST + u16::try_from((start + i) % count).expect("below end"));
        candidates.into_iter().find_map(Self::take).expect("a free port of 127.0.0.1")
    }

    fn take(number: u16) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("zeo-server-test-port-{number}")).expect("short");
        let reservation = UnixListener::bind_addr(&name).ok()?;
        is_free(number).then_some(Self { number, _reservation: reservation })
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

/// Whether nobody listens on a port, at any address. Nobody does by the question either, as servers may bind what another
/// socket only is bound to: one that was closed here can be open still in a program that another test is just starting.
fn is_free(number: u16) -> bool {
    let made = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    setsockopt(&made, sockopt::ReuseAddr, &true).expect("an option of sockets");
    bind(made.as_raw_fd(), &SockaddrIn::from(std::net::SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, number)))
        .is_ok()
}

/// The lower end of `ip_local_port_range` (ip(7)); 32768 where it cannot be read.
fn first_ephemeral() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(32_768)
}
