//! Syslog in the form of Python's `SysLogHandler`: `<PRIORITY>text` with a NUL at the end. The priority is that of RFC
//! 3164; the daemon adds date and host.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::level::Level;
use super::settings::{Syslog, SyslogAddress};
use crate::sys::unix_stream::{connect, with_short_name};

/// Facilities by name (RFC 3164 section 4.1.1). `security` is 13, Python's number for it.
const FACILITIES: [(&str, u8); 20] = [
    ("auth", 4),
    ("authpriv", 10),
    ("cron", 9),
    ("daemon", 3),
    ("kern", 0),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
    ("lpr", 6),
    ("mail", 2),
    ("news", 7),
    ("security", 13),
    ("syslog", 5),
    ("user", 1),
    ("uucp", 8),
];

impl Syslog {
    /// The names of the facilities.
    pub fn facilities() -> impl Iterator<Item = &'static str> {
        FACILITIES.iter().map(|(name, _)| *name)
    }
}

/// How long to wait for a daemon whose queue of connections is full: the log must not block.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1);

/// A syslog daemon's address, and the socket to it.
pub(super) struct SyslogSink {
    facility: u8,
    name: String,
    peer: Peer,
    datagram: Vec<u8>,
}

enum Peer {
    /// Connected when there is a record and a daemon; absent otherwise.
    Local {
        path: PathBuf,
        socket: Option<Local>,
    },
    Udp {
        address: SocketAddr,
        socket: UdpSocket,
    },
}

/// A local socket is of whichever kind the daemon made it.
enum Local {
    Datagram(UnixDatagram),
    Stream(UnixStream),
}

impl SyslogSink {
    /// Prepares a destination. A local daemon may start later. A host name is resolved once, now, which may take time.
    ///
    /// # Errors
    /// The facility or the host is not known, or no socket can be made.
    pub(super) fn open(settings: &Syslog) -> Result<Self, Error> {
        let facility = FACILITIES.iter().find(|(name, _)| *name == settings.facility);
        let (_, facility) = facility.ok_or_else(|| Error::Facility(settings.facility.clone()))?;
        let (peer, name) = match &settings.address {
            SyslogAddress::Unix(path) => {
                let failed = |source| Error::Syslog { address: path.display().to_string(), source };
                let path = std::path::absolute(path).map_err(failed)?;
                let name = path.display().to_string();
                (Peer::Local { path, socket: None }, name)
            }
            SyslogAddress::Udp { host, port } => {
                let name = format!("{host}:{port}");
                let failed = |source| Error::Syslog { address: name.clone(), source };
                let (address, socket) = udp(host, *port).map_err(failed)?;
                (Peer::Udp { address, socket }, name)
            }
        };
        Ok(Self { facility: *facility, name, peer, datagram: Vec::new() })
    }

    /// The address.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sends a record. What a datagram's network loses on its way is not known to us.
    ///
    /// # Errors
    /// The daemon is not there, or does not take it now.
    pub(super) fn write(&mut self, level: Level, text: &str) -> io::Result<()> {
        self.datagram.clear();
        write!(self.datagram, "<{}>{text}\0", self.facility * 8 + severity(level))?;
        match &mut self.peer {
            Peer::Udp { address, socket } => socket.send_to(&self.datagram, *address).map(|_| ()),
            Peer::Local { path, socket } => {
                // A daemon that was restarted has closed the old socket: one new try.
                if let Some(open) = socket.as_mut()
                    && open.send(&self.datagram).is_ok()
                {
                    return Ok(());
                }
                *socket = None;
                let mut new = Local::connect(path)?;
                new.send(&self.datagram)?;
                *socket = Some(new);
                Ok(())
            }
        }
    }
}

impl Local {
    fn connect(path: &Path) -> io::Result<Self> {
        let datagram = UnixDatagram::unbound()?;
        datagram.set_nonblocking(true)?;
        if with_short_name(path, |short| datagram.connect(short)).is_ok() {
            return Ok(Self::Datagram(datagram));
        }
        let stream = connect(path, CONNECT_TIMEOUT)?;
        stream.set_nonblocking(true)?;
        Ok(Self::Stream(stream))
    }

    /// Sends a record whole. After an error the socket is of no use: a stream may have taken a part.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        match self {
            Self::Datagram(socket) => socket.send(datagram).map(|_| ()),
            Self::Stream(socket) => socket.write_all(datagram),
        }
    }
}

/// A socket that can send to a host: its first address that this machine has a protocol for.
fn udp(host: &str, port: u16) -> io::Result<(SocketAddr, UdpSocket)> {
    let mut failure = io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        let from: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        match UdpSocket::bind(from).and_then(|socket| socket.set_nonblocking(true).map(|()| socket)) {
            Ok(socket) => return Ok((address, socket)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The severity of a level's name; a level that syslog has no name for is a warning, as in Python.
fn severity(level: Level) -> u8 {
    match level {
        Level::DEBUG => 7,
        Level::INFO => 6,
        Level::ERROR => 3,
        Level::CRITICAL => 2,
        _ => 4,
    }
}
