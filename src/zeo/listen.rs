//! Listening, in two steps: addresses are bound before a large storage is opened, so that a conflict shows at once, and clients
//! can connect only when it is open, so that a connection means a server.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Error;
use crate::sys::socket::{Identity, identity};
use crate::sys::tcp;
use crate::sys::unix_stream::{self, Occupant};
use crate::sys::{access, files};
use crate::zconfig::Address;

/// How long a server that has the socket may take to accept a connection.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// An address that is bound.
#[derive(Debug)]
pub struct Listener {
    address: Address,
    bound: Vec<Bound>,
    sockets: Vec<Socket>,
}

/// What is there before clients can connect.
#[derive(Debug)]
enum Bound {
    Tcp(tcp::Bound),
    /// The path is free, or has a socket without a server.
    Unix(PathBuf),
}

/// One socket of an address: "any host" has one for IPv4 and one for IPv6.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, File),
}

/// A local socket's name in the file system, removed on drop.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    created: Identity,
}

impl Drop for File {
    fn drop(&mut self) {
        // The name may be a later server's by now.
        if identity(&self.path).is_ok_and(|now| now == self.created) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// Binds an address, for [`Listener::listen`]. Without a port, or with port 0, the system chooses one.
    ///
    /// # Errors
    /// Another process has it, there is no such host, and so on.
    pub fn bind(address: &Address) -> Result<Self, Error> {
        match address {
            Address::Inet { host, port } => tcp_listener(address, host, port.unwrap_or(0)),
            Address::Unix(path) => {
                Self::check(address)?;
                is_stale(address, path)?;
                let bound = vec![Bound::Unix(path.clone())];
                Ok(Self { address: address.clone(), bound, sockets: Vec::new() })
            }
        }
    }

    /// Looks at what a start would find of an address, beside a server that may have it.
    ///
    /// # Errors
    /// The path of a local socket is too long, is that of another file, or cannot be made.
    pub fn check(address: &Address) -> Result<(), Error> {
        let Address::Unix(path) = address else { return Ok(()) };
        let (length, most) = (path.as_os_str().len(), unix_stream::LONGEST);
        if length > most {
            return Err(Error::LongPath { address: shown(address), length, most });
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => Err(Error::NoSocket(shown(address))),
            _ => access::may_create_in(files::parent(path)).map_err(|error| failed(address, error)),
        }
    }

    /// Lets clients connect; they wait until [`super::run`] accepts them. A local socket without a server is replaced. A second
    /// call does nothing.
    ///
    /// # Errors
    /// Another process has taken the address meanwhile, and so on.
    pub fn listen(&mut self) -> Result<(), Error> {
        for bound in self.bound.drain(..) {
            self.sockets.push(match bound {
                Bound::Tcp(bound) => {
                    Socket::Tcp(bound.listen().map_err(|error| failed(&self.address, error))?)
                }
                Bound::Unix(path) => unix_listener(&self.address, &path)?,
            });
        }
        Ok(())
    }

    /// Its sockets; there are none before [`Listener::listen`].
    pub(super) fn into_sockets(self) -> Vec<Socket> {
        self.sockets
    }

    /// Where it listens; the port is the one that the system chose where any would do.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl fmt::Display for Listener {
    /// Where it listens, as Python's log has it: `str` of the address.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Unix(path) => write!(formatter, "{}", path.display()),
            address @ Address::Inet { .. } => formatter.write_str(&shown(address)),
        }
    }
}

/// An address in an error: a tuple of Python, or the path in quotes.
fn shown(address: &Address) -> String {
    match address {
        Address::Inet { host, port } => format!("('{host}', {})", port.unwrap_or(0)),
        Address::Unix(path) => format!("'{}'", path.display()),
    }
}

fn tcp_listener(address: &Address, host: &str, port: u16) -> Result<Listener, Error> {
    let failed = |error| failed(address, error);
    let hosts: Vec<IpAddr> = if host.is_empty() {
        vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
    } else {
        let found = (host, port)
            .to_socket_addrs()
            .map_err(|source| Error::Host { address: shown(address), source })?;
        found.map(|found| found.ip()).collect()
    };
    let mut bound = Vec::new();
    let mut chosen = port;
    let mut missing = None;
    for host in hosts {
        match tcp::take(SocketAddr::new(host, chosen)) {
            Ok(socket) => {
                chosen = socket.port().map_err(failed)?;
                bound.push(Bound::Tcp(socket));
            }
            // A name may have addresses of two kinds where the machine has one.
            Err(error) if tcp::is_unavailable(&error) => missing = Some(error),
            Err(error) => return Err(failed(error)),
        }
    }
    match missing {
        Some(error) if bound.is_empty() => Err(failed(error)),
        _ => {
            let address = Address::Inet { host: host.to_owned(), port: Some(chosen) };
            Ok(Listener { address, bound, sockets: Vec::new() })
        }
    }
}

fn failed(address: &Address, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::Taken(shown(address)),
        _ => Error::Listen { address: shown(address), source },
    }
}

/// Whether a socket without a server is in the way at `path`.
///
/// # Errors
/// A server or another file is.
fn is_stale(address: &Address, path: &Path) -> Result<bool, Error> {
    match unix_stream::probe(path, PROBE_TIMEOUT).map_err(|source| failed(address, source))? {
        Occupant::Free => Ok(false),
        Occupant::Stale => Ok(true),
        Occupant::Alive(_) => Err(Error::Taken(shown(address))),
        Occupant::NotSocket => Err(Error::NoSocket(shown(address))),
    }
}

fn unix_listener(address: &Address, path: &Path) -> Result<Socket, Error> {
    let failed = |source| failed(address, source);
    if is_stale(address, path)? {
        fs::remove_file(path).map_err(failed)?;
    }
    let socket = UnixListener::bind(path).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let file = File { path: path.to_owned(), created: identity(path).map_err(failed)? };
    Ok(Socket::Unix(socket, file))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn listening(address: &Address) -> Result<Listener, Error> {
        let mut listener = Listener::bind(address)?;
        listener.listen().map(|()| listener)
    }

    fn any(host: &str) -> Address {
        Address::Inet { host: host.into(), port: None }
    }

    fn port(listener: &Listener) -> u16 {
        match listener.address() {
            Address::Inet { port: Some(port), .. } => *port,
            _ => panic!("{listener:?}"),
        }
    }

    #[test]
    fn any_host_is_reached_by_ipv4_and_by_ipv6() {
        let mut listener = Listener::bind(&any("")).unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port(&listener))).is_err(), "not listening yet");
        listener.listen().unwrap();
        TcpStream::connect(("127.0.0.1", port(&listener))).unwrap();
        if std::net::UdpSocket::bind("[::1]:0").is_ok() {
            TcpStream::connect(("::1", port(&listener))).unwrap();
        }
    }

    #[test]
    fn taken_port_and_unknown_host_are_reported() {
        let listener = listening(&any("127.0.0.1")).unwrap();
        let again = Listener::bind(listener.address()).unwrap_err().to_string();
        let port = port(&listener);
        assert_eq!(again, format!("cannot listen on ('127.0.0.1', {port}): another process listens there"));
        let error = Listener::bind(&any("no.such.host.invalid")).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot listen on ('no.such.host.invalid', 0): the host is unknown"),
            "{error}"
        );
    }

    #[test]
    fn old_local_socket_is_replaced_a_living_one_and_other_files_are_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("zeo.sock");
        let address = Address::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        // What another test is just starting may hold it open for a moment.
        let begun = std::time::Instant::now();
        while UnixStream::connect(&path).is_ok() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it stays open");
        }
        assert!(path.exists());
        let listener = listening(&address).unwrap();
        UnixStream::connect(&path).unwrap();
        let again = Listener::bind(&address).unwrap_err().to_string();
        assert_eq!(again, format!("cannot listen on '{}': another process listens there", path.display()));
        drop(listener);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        let error = Listener::bind(&address).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("cannot listen on '{}': the file is there and is no socket", path.display())
        );
    }

    #[test]
    fn local_socket_of_a_later_server_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("zeo.sock");
        let first = listening(&Address::Unix(path.clone())).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = listening(&Address::Unix(path.clone())).unwrap();
        drop(first);
        UnixStream::connect(&path).unwrap();
    }
}
