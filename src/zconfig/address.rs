//! Datatypes of network addresses.

use super::datatype::Wrong;
use super::number::port_number;
use super::repr::repr;
use super::text::split;

/// Where to listen or to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The kind of socket.
    pub family: Family,
    /// Host name or number, lower case; empty: any; for [`Family::Unix`] the path.
    pub host: String,
    /// The port; absent when not written.
    pub port: Option<u16>,
}

/// The kind of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A local socket.
    Unix,
    /// IPv4, or a host name.
    Inet,
    /// IPv6.
    Inet6,
    /// Not said: the datatype has hosts and ports only.
    Unsaid,
}

/// Reads where to listen; no host is any.
pub(super) fn listen(text: &str) -> Result<Address, Wrong> {
    socket_address(text, "")
}

/// Reads where to connect; no host is this one.
pub(super) fn connection(text: &str) -> Result<Address, Wrong> {
    socket_address(text, "127.0.0.1")
}

/// Reads host and port; no host is any.
pub(super) fn inet(text: &str) -> Result<Address, Wrong> {
    inet_address(text, "")
}

/// Reads the path of a local socket (it has a slash), or host and port.
fn socket_address(text: &str, default_host: &str) -> Result<Address, Wrong> {
    if text.contains('/') {
        return Ok(Address { family: Family::Unix, host: text.to_owned(), port: None });
    }
    let mut address = inet_address(text, default_host)?;
    address.family = if address.host.contains(':') { Family::Inet6 } else { Family::Inet };
    Ok(address)
}

/// Reads host and port: `PORT`, `HOST`, `HOST:PORT`, `[IPV6]:PORT`, or a bare IPv6 address.
fn inet_address(text: &str, default_host: &str) -> Result<Address, Wrong> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => with_colon(text, host, port)?,
        None => match port_of(text) {
            Ok(port) => (String::new(), port),
            Err(_) if split(text).count() == 1 => (text.to_lowercase(), None),
            Err(_) => return Err(no_host(text)),
        },
    };
    let host = if host.is_empty() { default_host.to_owned() } else { host };
    Ok(Address { family: Family::Unsaid, host, port })
}

fn with_colon(text: &str, host: &str, port: &str) -> Result<(String, Option<u16>), Wrong> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return Ok((text.to_lowercase(), None));
    }
    let port = if port.is_empty() { None } else { port_of(port)? };
    Ok((bare.unwrap_or(host).to_lowercase(), port))
}

fn port_of(text: &str) -> Result<Option<u16>, Wrong> {
    port_number(text).map(|value| value.as_integer().and_then(|port| u16::try_from(port).ok()))
}

fn no_host(text: &str) -> Wrong {
    Wrong::text(
        text,
        format!("not a valid host name: {}", repr(text)),
        "is not an address",
        "PORT, HOST:PORT, [IPV6]:PORT and a path with a slash are",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_forms_of_the_peers() {
        use Family::{Inet, Inet6, Unix};
        for (text, family, host, port) in [
            ("8100", Inet, "", Some(8100)),
            (":80", Inet, "", Some(80)),
            ("host:", Inet, "host", None),
            (":", Inet, "", None),
            ("MyHost:80", Inet, "myhost", Some(80)),
            ("[::1]:80", Inet6, "::1", Some(80)),
            ("::1", Inet6, "::1", None),
            ("[::1]", Inet6, "[::1]", None),
            ("[]:80", Inet, "", Some(80)),
            ("a/b:80", Unix, "a/b:80", None),
            ("65536", Inet, "65536", None),
        ] {
            assert_eq!(listen(text), Ok(Address { family, host: host.into(), port }), "{text}");
        }
        assert_eq!(connection(":80").map(|a| a.host), Ok("127.0.0.1".into()));
        assert_eq!(listen("a b").unwrap_err().message(), "not a valid host name: 'a b'");
        assert_eq!(listen("a:b").unwrap_err().message(), "invalid literal for int() with base 10: 'b'");
    }
}
