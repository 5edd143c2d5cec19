//! Questions to the network: is an address free, and does a ZEO server answer on it.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use super::address::describe;
use super::home::Home;
use crate::sys::system_error::os_error_text;
use crate::sys::tcp::try_address;
use crate::sys::unix_stream::{self, Occupant, connect};
use crate::zconfig::Address;

/// Bytes of a greeting beyond which it is none; today's has two.
const MAX_GREETING_BYTES: usize = 16;

/// How long to wait for a connection, and then for each part of the greeting.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a server may be unable to listen on an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AvailabilityError {
    /// Some process listens there.
    #[error("a process is already listening on {0}")]
    InUse(String),
    /// Anything else that the system says.
    #[error("cannot check that {address} is free: {why}")]
    Unknown {
        /// The address.
        address: String,
        /// The reason.
        why: String,
    },
}

/// Whether the server of an instance could listen on the address now.
pub(super) fn availability(address: &Address, home: &Home) -> Result<(), AvailabilityError> {
    let unknown = |error: &io::Error| AvailabilityError::Unknown {
        address: describe(address),
        why: os_error_text(error),
    };
    let (host, sockets) = match address {
        Address::Inet { host, port } => (host, resolve(host, *port, ["::", "0.0.0.0"])),
        Address::Unix(path) => return socket_availability(address, &home.path().join(path), home),
    };
    for socket in sockets.map_err(|error| unknown(&error))? {
        match try_address(socket) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(AvailabilityError::InUse(describe(address)));
            }
            // A machine without IPv6 is no error where every interface will do.
            Err(_) if host.is_empty() && socket.is_ipv6() => {}
            Err(error) => return Err(unknown(&error)),
        }
    }
    Ok(())
}

/// Whether a Unix socket could be had: no process listens there, and nothing else has the name.
fn socket_availability(address: &Address, path: &Path, home: &Home) -> Result<(), AvailabilityError> {
    let unknown = |why: String| Err(AvailabilityError::Unknown { address: describe(address), why });
    match unix_stream::probe(path, PROBE_TIMEOUT) {
        Ok(Occupant::Stale) => Ok(()),
        // The directories of the instance may have yet to be made.
        Ok(Occupant::Free) if path.starts_with(home.path()) || path.parent().is_some_and(Path::is_dir) => {
            Ok(())
        }
        Ok(Occupant::Free) => unknown("its directory does not exist".to_owned()),
        Ok(Occupant::Alive(_)) => Err(AvailabilityError::InUse(describe(address))),
        Ok(Occupant::NotSocket) => unknown("it is not a socket".to_owned()),
        Err(error) => unknown(os_error_text(&error)),
    }
}

/// Connects and reads the greeting of a ZEO server: a frame of four bytes length and that many bytes, which are a
/// letter for the encoding and a version number (ZEO-PROTOCOL sections 1 and 2). One that encrypts greets only clients whose
/// certificate it knows: of it a connection is enough.
pub(super) fn greeting(address: &Address, home: &Home, is_encrypted: bool) -> Result<(), String> {
    let greeted = |stream: &mut dyn Read| if is_encrypted { Ok(()) } else { read_greeting(stream) };
    let (host, port) = match address {
        Address::Inet { host, port } => (host, *port),
        Address::Unix(path) => {
            let stream = connect(&home.path().join(path), PROBE_TIMEOUT);
            let stream =
                stream.and_then(|stream| stream.set_read_timeout(Some(PROBE_TIMEOUT)).map(|()| stream));
            return greeted(&mut stream.map_err(|error| os_error_text(&error))?);
        }
    };
    let mut last = Err("the address leads nowhere".to_owned());
    for socket in resolve(host, port, ["127.0.0.1", "::1"]).map_err(|error| os_error_text(&error))? {
        let stream = TcpStream::connect_timeout(&socket, PROBE_TIMEOUT);
        let stream = stream.and_then(|stream| stream.set_read_timeout(Some(PROBE_TIMEOUT)).map(|()| stream));
        last = stream.map_err(|error| os_error_text(&error)).and_then(|mut stream| greeted(&mut stream));
        if last.is_ok() {
            break;
        }
    }
    last
}

fn read_greeting(stream: &mut dyn Read) -> Result<(), String> {
    let stranger = || Err("what answers is not a ZEO server".to_owned());
    let mut length = [0; 4];
    read(stream, &mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_GREETING_BYTES {
        return stranger();
    }
    let mut greeting = vec![0; length];
    read(stream, &mut greeting)?;
    match greeting.as_slice() {
        [b'Z' | b'M', version @ ..] if !version.is_empty() && version.iter().all(u8::is_ascii_digit) => {
            Ok(())
        }
        _ => stranger(),
    }
}

fn read(stream: &mut dyn Read, buffer: &mut [u8]) -> Result<(), String> {
    stream.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "the connection was closed without a greeting".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no greeting came".to_owned(),
        _ => os_error_text(&error),
    })
}

/// The socket addresses that host and port stand for; no host stands for all of `any`.
fn resolve(host: &str, port: Option<u16>, any: [&str; 2]) -> io::Result<Vec<SocketAddr>> {
    let resolve =
        |host: &str| (host, port.unwrap_or_default()).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    if host.is_empty() {
        return Ok(any.iter().filter_map(|host| resolve(host).ok()).flatten().collect());
    }
    resolve(host)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread;
    use std::time::Instant;

    use super::*;

    fn home() -> Home {
        Home::new(Path::new("/nowhere"), Path::new("/")).unwrap()
    }

    fn available(address: &Address) -> Result<(), AvailabilityError> {
        availability(address, &home())
    }

    /// What another test is just starting may hold a listener open for a moment.
    fn becomes_available(address: &Address) -> bool {
        let begun = Instant::now();
        let mut looks = std::iter::repeat_with(|| available(address).is_ok());
        looks.any(|free| free || begun.elapsed() > Duration::from_secs(60)) && available(address).is_ok()
    }

    fn at(port: u16) -> Address {
        Address::Inet { host: "127.0.0.1".to_owned(), port: Some(port) }
    }

    /// What the greeting comes to from a server that sends `bytes` to one client.
    fn greeted(bytes: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || listener.accept().unwrap().0.write_all(bytes).unwrap());
        let result = greeting(&at(port), &home(), false);
        server.join().unwrap();
        result
    }

    #[test]
    fn greeting_of_a_zeo_server_is_known_in_both_encodings() {
        assert_eq!(greeted(b"\0\0\0\x02Z5"), Ok(()));
        assert_eq!(greeted(b"\0\0\0\x02M5"), Ok(()));
        assert_eq!(greeted(b"\0\0\0\x04Z310\0\0\0\x05later"), Ok(()));
    }

    #[test]
    fn other_servers_are_not_taken_for_one() {
        let other = Err("what answers is not a ZEO server".to_owned());
        assert_eq!(greeted(b"SSH-2.0-x\r\n"), other);
        assert_eq!(greeted(b"\0\0\0\x02HI"), other);
        assert_eq!(greeted(b"\0\0\0\x01Z"), other);
        assert_eq!(greeted(b"\0\0\0\0"), other);
        assert_eq!(greeted(b"\0\0\0\xffZ5"), other);
        assert_eq!(greeted(b"\0\0\0"), Err("the connection was closed without a greeting".to_owned()));
    }

    #[test]
    fn address_with_a_listener_is_in_use_for_every_spelling() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let any = Address::Inet { host: String::new(), port: Some(port) };
        assert_eq!(available(&any), Err(AvailabilityError::InUse(format!("port {port}"))));
        assert_eq!(available(&at(port)), Err(AvailabilityError::InUse(format!("127.0.0.1:{port}"))));
        drop(listener);
        assert!(becomes_available(&at(port)));
    }

    #[test]
    fn socket_is_free_where_nobody_answers_and_nothing_else_is() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| Address::Unix(place.path().join(name));
        let unknown = |name: &str, why: &str| {
            Err(AvailabilityError::Unknown { address: describe(&at(name)), why: why.to_owned() })
        };
        let listener = UnixListener::bind(place.path().join("s")).unwrap();
        fs::write(place.path().join("f"), "").unwrap();
        assert_eq!(available(&at("s")), Err(AvailabilityError::InUse(describe(&at("s")))));
        drop(listener);
        assert!(becomes_available(&at("s")));
        assert_eq!(available(&at("new")), Ok(()));
        assert_eq!(available(&Address::Unix("var/s".into())), Ok(()));
        assert_eq!(available(&at("f")), unknown("f", "it is not a socket"));
        assert_eq!(available(&at("no/s")), unknown("no/s", "its directory does not exist"));
    }

    #[test]
    fn address_of_another_machine_is_told_apart_from_one_in_use() {
        let elsewhere = Address::Inet { host: "192.0.2.1".to_owned(), port: Some(9999) };
        let why = "Cannot assign requested address".to_owned();
        assert_eq!(
            available(&elsewhere),
            Err(AvailabilityError::Unknown { address: "192.0.2.1:9999".to_owned(), why })
        );
    }
}
