//! Ports of 127.0.0.1 that parallel tests do not take from each other.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

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
        // Any address, so that a server of 0.0.0.0 is seen too.
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).ok()?;
        Some(Self { number, _reservation: reservation })
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

/// The lower end of `ip_local_port_range` (ip(7)); 32768 where it cannot be read.
fn first_ephemeral() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(32_768)
}
