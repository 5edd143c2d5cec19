//! Where the server listens: `[HOST:]PORT`, or the path of a Unix socket.

use std::ffi::OsStr;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::error::{AddressError, Error};
use super::home::Home;
use crate::sys::unix_stream::LONGEST;
use crate::zconfig::{self, is_space};

/// The port where none is named: the founding document's.
pub const DEFAULT_PORT: u16 = 9999;

/// The first port that needs no privilege.
const FIRST_FREE_PORT: u16 = 1024;

/// An address in the form that configuration files take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// The interface.
        host: Host,
        /// The port, never 0.
        port: u16,
    },
    /// A Unix socket, by its path; one that is not absolute starts at the home.
    Unix(String),
}

/// The interface that a server listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Every one of the machine.
    Any,
    /// An IPv4 address, or a name that the resolver knows.
    Name(String),
    /// An IPv6 address, without brackets; a zone may follow it after `%`.
    V6(String),
}

impl Default for Address {
    fn default() -> Self {
        Self::Tcp { host: Host::Any, port: DEFAULT_PORT }
    }
}

impl Address {
    /// Reads `PORT`, `HOST:PORT`, `[IPV6]:PORT`, or with a slash in it the path of a Unix socket, which is made absolute
    /// from the home. Ports below 1024 are for `root` only.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong.
    pub fn parse(text: &OsStr, root: bool, home: &Home) -> Result<Self, AddressError> {
        if text.as_encoded_bytes().contains(&b'/') {
            return socket(text, home).map(Self::Unix);
        }
        let text = text.to_string_lossy();
        if text.starts_with('[') && text.ends_with(']') {
            return Err(AddressError::Host {
                host: text.into_owned(),
                why: "no port follows, as in [::1]:9999",
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            None => (Host::Any, text.as_ref()),
            Some((host, port)) => (Host::parse(host)?, port),
        };
        Ok(Self::Tcp { host, port: parse_port(port, root)? })
    }

    /// What a configuration file says; `None` where the port is left to the system.
    pub(super) fn configured(address: &zconfig::Address) -> Option<Self> {
        let (name, port) = match address {
            zconfig::Address::Unix(path) => return Some(Self::Unix(path.to_str()?.to_owned())),
            zconfig::Address::Inet { host, port } => (host.clone(), (*port)?),
        };
        let host = match name.as_str() {
            "" => Host::Any,
            v6 if v6.contains(':') => Host::V6(name),
            _ => Host::Name(name),
        };
        Some(Self::Tcp { host, port })
    }

    /// The port, if it is one of those that only root can listen on.
    #[must_use]
    pub fn privileged_port(&self) -> Option<u16> {
        match self {
            Self::Tcp { port, .. } => Some(*port).filter(|port| *port < FIRST_FREE_PORT),
            Self::Unix(_) => None,
        }
    }

    /// The address as a message names it: a lone number would not say that it is a port.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Tcp { host: Host::Any, port } => format!("port {port}"),
            Self::Tcp { .. } | Self::Unix(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host: Host::Any, port } => write!(f, "{port}"),
            Self::Tcp { host: Host::Name(name), port } => write!(f, "{name}:{port}"),
            Self::Tcp { host: Host::V6(address), port } => write!(f, "[{address}]:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

impl Host {
    /// The interface of this name or address; an IPv6 address may stand without brackets.
    ///
    /// # Errors
    /// [`AddressError::Host`].
    pub fn named(text: &str) -> Result<Self, AddressError> {
        if is_v6(text) { Ok(Self::V6(text.to_owned())) } else { Self::parse(text) }
    }

    fn parse(text: &str) -> Result<Self, AddressError> {
        let fault = |why| Err(AddressError::Host { host: text.to_owned(), why });
        if let Some(rest) = text.strip_prefix('[') {
            return match rest.strip_suffix(']') {
                Some(inner) if is_v6(inner) => Ok(Self::V6(inner.to_owned())),
                Some(_) => fault("not an IPv6 address"),
                None => fault("the bracket is not closed"),
            };
        }
        if text.is_empty() {
            return fault("empty; for every interface give the port alone");
        }
        if text.contains(':') {
            return fault("an IPv6 address needs brackets, as in [::1]:9999");
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.parse::<Ipv4Addr>().is_err() {
            return fault("not an IPv4 address");
        }
        if is_host_name(text) { Ok(Self::Name(text.to_owned())) } else { fault("not a host name") }
    }
}

/// An IPv6 address as RFC 4291 section 2.2 writes it, and the zone of RFC 4007 section 11.
fn is_v6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let in_zone = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(|z| !z.is_empty() && z.chars().all(in_zone))
}

/// Labels of letters, digits and hyphens (RFC 1123 section 2.1), and underscores, which resolvers let through.
fn is_host_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label)
}

/// The path of a Unix socket as a configuration file can hold it.
fn socket(typed: &OsStr, home: &Home) -> Result<String, AddressError> {
    let refused = |why| Err(AddressError::Socket { path: typed.to_string_lossy().into_owned(), why });
    // A home is a path that a configuration file can hold, too.
    let path = match Home::new(Path::new(typed), home.path()) {
        Ok(path) => path.path().to_string_lossy().into_owned(),
        Err(Error::Inexpressible { why, .. } | Error::InTheWay { why, .. }) => return refused(why),
        Err(_) => return refused("'..' in it leads nowhere"),
    };
    let is_directory = typed.as_encoded_bytes().ends_with(b"/") || Path::new(&path).is_dir();
    match path {
        path if path.ends_with(is_space) => refused("a configuration file drops white space at the end"),
        path if path.len() > LONGEST => {
            refused("it has more than the 107 bytes that a Unix socket's may have")
        }
        _ if is_directory => refused("it is a directory"),
        path => Ok(path),
    }
}

fn parse_port(text: &str, root: bool) -> Result<u16, AddressError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::PortNotNumber(text.to_owned()));
    }
    match text.parse::<u16>() {
        Ok(0) | Err(_) => Err(AddressError::PortOutOfRange(text.to_owned())),
        Ok(port) if port < FIRST_FREE_PORT && !root => Err(AddressError::PortPrivileged(port)),
        Ok(port) => Ok(port),
    }
}

#[cfg(test)]
mod tests {
    use super::super::quote::shown;
    use super::*;

    fn home() -> Home {
        Home::new(Path::new("/nowhere/zeo"), Path::new("/")).unwrap()
    }

    fn parse(text: &str) -> Result<String, String> {
        Address::parse(OsStr::new(text), false, &home()).map(|a| a.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn addresses_are_written_as_configuration_files_take_them() {
        for (text, written) in [
            ("9999", "9999"),
            ("1024", "1024"),
            ("65535", "65535"),
            ("08100", "8100"),
            ("localhost:8100", "localhost:8100"),
            ("Zeo-1.example.org.:8100", "Zeo-1.example.org.:8100"),
            ("127.0.0.1:8100", "127.0.0.1:8100"),
            ("[::1]:8100", "[::1]:8100"),
            ("[::ffff:10.0.0.1]:8100", "[::ffff:10.0.0.1]:8100"),
            ("[fe80::1%eth0]:8100", "[fe80::1%eth0]:8100"),
            ("/run/zeo.sock", "/run/zeo.sock"),
            ("var/zeo sock:1", "/nowhere/zeo/var/zeo sock:1"),
            ("../run//./zeo.sock", "/nowhere/run/zeo.sock"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(written), "{text}");
        }
        assert_eq!(Address::default().to_string(), "9999");
    }

    #[test]
    fn bad_addresses_are_refused_with_the_reason() {
        for (text, message) in [
            ("", "bad port '': not a number"),
            ("abc", "bad port 'abc': not a number"),
            ("+9999", "bad port '+9999': not a number"),
            ("99 99", "bad port '99 99': not a number"),
            ("٩٩٩٩", "bad port '٩٩٩٩': not a number"),
            ("a\nb", r"bad port 'a\nb': not a number"),
            ("localhost:", "bad port '': not a number"),
            ("0", "bad port 0: not in the range 1024 to 65535"),
            ("65536", "bad port 65536: not in the range 1024 to 65535"),
            ("99999999999999999999", "bad port 99999999999999999999: not in the range 1024 to 65535"),
            ("80", "bad port 80: only root can listen on a port below 1024"),
            ("1023", "bad port 1023: only root can listen on a port below 1024"),
            (":9999", "bad host '': empty; for every interface give the port alone"),
            ("a b:9999", "bad host 'a b': not a host name"),
            ("$x:9999", "bad host '$x': not a host name"),
            ("a..b:9999", "bad host 'a..b': not a host name"),
            ("-a:9999", "bad host '-a': not a host name"),
            ("höst:9999", "bad host 'höst': not a host name"),
            ("1.2.3:9999", "bad host '1.2.3': not an IPv4 address"),
            ("256.1.1.1:9999", "bad host '256.1.1.1': not an IPv4 address"),
            ("::1:9999", "bad host '::1': an IPv6 address needs brackets, as in [::1]:9999"),
            ("[::zz]:9999", "bad host '[::zz]': not an IPv6 address"),
            ("[]:9999", "bad host '[]': not an IPv6 address"),
            ("[::1%]:9999", "bad host '[::1%]': not an IPv6 address"),
            ("[::1:9999", "bad host '[::1': the bracket is not closed"),
            ("[::1]", "bad host '[::1]': no port follows, as in [::1]:9999"),
        ] {
            assert_eq!(parse(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn bad_sockets_are_refused_with_the_reason() {
        let long = format!("/{}", "s".repeat(107));
        let sockets = [
            ("/", "it is a directory"),
            ("var/", "it is a directory"),
            ("/a\nb", "a configuration file cannot hold a line break in a name"),
            ("/a ", "a configuration file drops white space at the end"),
            (&long, "it has more than the 107 bytes that a Unix socket's may have"),
        ];
        for (text, why) in sockets {
            assert_eq!(parse(text), Err(format!("bad socket {}: {why}", shown(text))), "{text}");
        }
        assert_eq!(parse(&long[..107]).as_deref(), Ok(&long[..107]));
    }

    #[test]
    fn host_alone_needs_no_brackets() {
        let named = |text| Host::named(text).map_err(|fault| fault.to_string());
        assert_eq!(named("::1"), Ok(Host::V6("::1".to_owned())));
        assert_eq!(named("[::1]"), Ok(Host::V6("::1".to_owned())));
        assert_eq!(named("localhost"), Ok(Host::Name("localhost".to_owned())));
        assert_eq!(named("1.2.3"), Err("bad host '1.2.3': not an IPv4 address".to_owned()));
    }

    #[test]
    fn root_may_have_a_privileged_port() {
        let parse = |text| Address::parse(OsStr::new(text), true, &home());
        let address = parse("80").unwrap();
        assert_eq!((address.to_string().as_str(), address.privileged_port()), ("80", Some(80)));
        assert_eq!(parse("0"), Err(AddressError::PortOutOfRange("0".to_owned())));
    }
}
