//! Datatypes of network addresses.

use std::fmt;
use std::path::PathBuf;

use super::number::port_number;
use super::text::split;
use super::value_error::ValueError;

/// Where to listen or to connect. The display is the form that a configuration file takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A port of the network.
    Inet {
        /// A host name in lower case, or an address of IPv4 or IPv6 without brackets; empty: all of this machine's.
        host: String,
        /// Absent when not given.
        port: Option<u16>,
    },
    /// A socket in the file system, as written.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet { host, port: None } if host.is_empty() => f.write_str(":"),
            Self::Inet { host, port: None } => f.write_str(host),
            Self::Inet { host, port: Some(port) } if host.is_empty() => write!(f, "{port}"),
            Self::Inet { host, port: Some(port) } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Inet { host, port: Some(port) } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads where to listen; no host is any.
pub(super) fn listen(text: &str) -> Result<Address, ValueError> {
    socket_address(text, "")
}

/// Reads where to connect; no host is this one.
pub(super) fn connection(text: &str) -> Result<Address, ValueError> {
    socket_address(text, "127.0.0.1")
}

/// Reads host and port; no host is any.
pub(super) fn inet(text: &str) -> Result<Address, ValueError> {
    inet_address(text, "")
}

/// Reads the path of a local socket (it has a slash), or host and port.
fn socket_address(text: &str, default_host: &str) -> Result<Address, ValueError> {
    if text.contains('/') { Ok(Address::Unix(text.into())) } else { inet_address(text, default_host) }
}

/// Reads host and port: `PORT`, `HOST`, `HOST:PORT`, `[IPV6]:PORT`, or a bare IPv6 address.
fn inet_address(text: &str, default_host: &str) -> Result<Address, ValueError> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => with_colon(text, host, port)?,
        None => match port_number(text) {
            Ok(port) => (String::new(), Some(port)),
            Err(_) if split(text).count() == 1 => (text.to_lowercase(), None),
            Err(_) => return Err(no_host(text)),
        },
    };
    let host = if host.is_empty() { default_host.to_owned() } else { host };
    Ok(Address::Inet { host, port })
}

fn with_colon(text: &str, host: &str, port: &str) -> Result<(String, Option<u16>), ValueError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return Ok((text.to_lowercase(), None));
    }
    let port = if port.is_empty() { None } else { Some(port_number(port)?) };
    Ok((bare.unwrap_or(host).to_lowercase(), port))
}

fn no_host(text: &str) -> ValueError {
    ValueError::text(text, "is not an address", "PORT, HOST:PORT, [IPV6]:PORT and a path with a slash are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_forms_of_the_peers() {
        for (text, host, port, shown) in [
            ("8100", "", Some(8100), "8100"),
            (":80", "", Some(80), "80"),
            ("host:", "host", None, "host"),
            (":", "", None, ":"),
            ("MyHost:80", "myhost", Some(80), "myhost:80"),
            ("[::1]:80", "::1", Some(80), "[::1]:80"),
            ("::1", "::1", None, "::1"),
            ("[::1]", "[::1]", None, "[::1]"),
            ("[]:80", "", Some(80), "80"),
            ("65536", "65536", None, "65536"),
        ] {
            let address = Address::Inet { host: host.into(), port };
            assert_eq!(listen(text).as_ref(), Ok(&address), "{text}");
            assert_eq!(address.to_string(), shown);
            assert_eq!(listen(shown), Ok(address), "{shown}");
        }
        let local = listen("a/b:80").unwrap();
        assert_eq!((local.to_string().as_str(), &local), ("a/b:80", &Address::Unix("a/b:80".into())));
        assert_eq!(connection(":80").unwrap().to_string(), "127.0.0.1:80");
        let fault = |text| listen(text).unwrap_err().to_string();
        assert_eq!(
            fault("a b"),
            "'a b' is not an address; PORT, HOST:PORT, [IPV6]:PORT and a path with a slash are"
        );
        assert_eq!(fault("a:b"), "'b' is not a whole number; decimal digits are, such as 10");
    }
}
