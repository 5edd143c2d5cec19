//! Where the server listens: `[HOST:]PORT`, or the path of a Unix socket; and which addresses an instance gets, where
//! several places say something about them.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::error::Error;
use super::home::Home;
use super::quote::shown;
use crate::sys::unix_stream::LONGEST;
use crate::zconfig::{Address, is_space};

/// The port where none is named: the founding document's.
pub const DEFAULT_PORT: u16 = 9999;

/// The first port that needs no privilege.
const FIRST_FREE_PORT: u16 = 1024;

/// Reads `PORT`, `HOST:PORT`, `[IPV6]:PORT`, or with a slash in it the path of a Unix socket, which is made absolute
/// from the home. Ports below 1024 are for `root` only.
///
/// # Errors
/// [`Error::Address`] says what is wrong.
pub fn parse(text: &OsStr, root: bool, home: &Home) -> Result<Address, Error> {
    if text.as_encoded_bytes().contains(&b'/') {
        return socket(text, home);
    }
    let text = text.to_string_lossy();
    if text.starts_with('[') && text.ends_with(']') {
        return Err(bad_host(&text, "no port follows, as in [::1]:9999"));
    }
    let (host, port) = match text.rsplit_once(':') {
        None => (String::new(), text.as_ref()),
        Some((host, port)) => (host_before_port(host)?, port),
    };
    Ok(Address::Inet { host, port: Some(parse_port(port, root)?) })
}

/// The interface of this name or address; an IPv6 address may stand without brackets.
///
/// # Errors
/// [`Error::Address`].
pub fn host(text: &str) -> Result<String, Error> {
    if is_v6(text) { Ok(text.to_owned()) } else { host_before_port(text) }
}

fn host_before_port(text: &str) -> Result<String, Error> {
    let fault = |why| Err(bad_host(text, why));
    if let Some(bracketed) = text.strip_prefix('[') {
        return match bracketed.strip_suffix(']') {
            Some(inner) if is_v6(inner) => Ok(inner.to_owned()),
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
    if is_host_name(text) { Ok(text.to_owned()) } else { fault("not a host name") }
}

fn bad_host(host: &str, why: &str) -> Error {
    Error::Address(format!("bad host {}: {why}", shown(host)))
}

/// The port, if it is one of those that only root can listen on; 0 is none, it lets the system choose.
#[must_use]
pub fn privileged_port(address: &Address) -> Option<u16> {
    match address {
        Address::Inet { port, .. } => port.filter(|port| (1..FIRST_FREE_PORT).contains(port)),
        Address::Unix(_) => None,
    }
}

/// The address as a message names it: a lone number would not say that it is a port.
#[must_use]
pub fn describe(address: &Address) -> String {
    match address {
        Address::Inet { host, .. } if host.is_empty() => format!("port {address}"),
        _ => address.to_string(),
    }
}

/// All addresses as a message names them.
#[must_use]
pub fn describe_all(addresses: &[Address]) -> String {
    addresses.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// Those that were typed, else those from `before`, else those that are `set`, else the default; each once, and with the
/// hosts that an option names.
///
/// Such a host is for the ports that were typed without one. Where nothing was typed, every port moves to it.
///
/// # Errors
/// [`Error::TwoHosts`] where each typed port has a host already, [`Error::NoPort`] where there is none to have one.
pub fn chosen(
    typed: Vec<Address>,
    before: Vec<Address>,
    set: Vec<Address>,
    hosts: &[String],
) -> Result<Vec<Address>, Error> {
    let is_typed = !typed.is_empty();
    let found = [typed, before, set].into_iter().find(|some| !some.is_empty());
    let found =
        found.unwrap_or_else(|| vec![Address::Inet { host: String::new(), port: Some(DEFAULT_PORT) }]);
    if hosts.is_empty() {
        return Ok(once(found));
    }
    if found.iter().all(|address| matches!(address, Address::Unix(_))) {
        return Err(Error::NoPort);
    }
    let named =
        |host: &str| found.iter().any(|a| matches!(a, Address::Inet { host: own, .. } if own == host));
    if is_typed && !named("") && !hosts.iter().all(|host| named(host)) {
        return Err(Error::TwoHosts);
    }
    let on_hosts = |address: Address| match address {
        Address::Inet { host, port } if host.is_empty() || !is_typed => {
            hosts.iter().map(|host| Address::Inet { host: host.clone(), port }).collect()
        }
        other => vec![other],
    };
    Ok(once(found.into_iter().flat_map(on_hosts).collect()))
}

/// Without repetitions: a server could not take an address twice.
fn once(addresses: Vec<Address>) -> Vec<Address> {
    addresses.into_iter().fold(Vec::new(), |mut kept, address| {
        if !kept.contains(&address) {
            kept.push(address);
        }
        kept
    })
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
fn socket(typed: &OsStr, home: &Home) -> Result<Address, Error> {
    let refused = |why| Err(Error::Address(format!("bad socket {}: {why}", shown(typed))));
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
        path => Ok(Address::Unix(path.into())),
    }
}

fn parse_port(text: &str, root: bool) -> Result<u16, Error> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::Address(format!("bad port {}: not a number", shown(text))));
    }
    let why = match text.parse::<u16>() {
        Ok(0) | Err(_) => "not in the range 1024 to 65535",
        Ok(port) if port < FIRST_FREE_PORT && !root => "only root can listen on a port below 1024",
        Ok(port) => return Ok(port),
    };
    Err(Error::Address(format!("bad port {text}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home::new(Path::new("/nowhere/zeo"), Path::new("/")).unwrap()
    }

    fn parse(text: &str) -> Result<String, String> {
        super::parse(OsStr::new(text), false, &home()).map(|a| a.to_string()).map_err(|e| e.to_string())
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
        let named = |text| host(text).map_err(|fault| fault.to_string());
        assert_eq!(named("::1").as_deref(), Ok("::1"));
        assert_eq!(named("[::1]").as_deref(), Ok("::1"));
        assert_eq!(named("localhost").as_deref(), Ok("localhost"));
        assert_eq!(named("1.2.3"), Err("bad host '1.2.3': not an IPv4 address".to_owned()));
    }

    #[test]
    fn root_may_have_a_privileged_port() {
        let parse = |text| super::parse(OsStr::new(text), true, &home());
        let address = parse("80").unwrap();
        assert_eq!((address.to_string().as_str(), privileged_port(&address)), ("80", Some(80)));
        let message = parse("0").unwrap_err().to_string();
        assert_eq!(message, "bad port 0: not in the range 1024 to 65535");
    }

    fn read(words: &str) -> Vec<Address> {
        let parse = |word| super::parse(OsStr::new(word), false, &home()).unwrap();
        words.split_whitespace().map(parse).collect()
    }

    fn chosen(typed: &str, before: &str, set: &str, hosts: &str) -> Result<String, String> {
        let hosts: Vec<_> = hosts.split_whitespace().map(|name| host(name).unwrap()).collect();
        let chosen = super::chosen(read(typed), read(before), read(set), &hosts);
        chosen
            .map(|some| some.iter().map(Address::to_string).collect::<Vec<_>>().join(" "))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_typed_comes_first_and_the_default_last() {
        for (typed, before, set, expected) in [
            ("", "", "", "9999"),
            ("", "", "1025 /s", "1025 /s"),
            ("", "1026 a:1027", "1025", "1026 a:1027"),
            ("1028 /s", "1026 a:1027", "1025", "1028 /s"),
            ("1028 1028 /s 1029 /s", "", "", "1028 /s 1029"),
        ] {
            assert_eq!(chosen(typed, before, set, "").as_deref(), Ok(expected), "{typed} {before} {set}");
        }
    }

    #[test]
    fn host_is_for_ports_that_have_none_or_were_not_typed() {
        let two = Err("the address has a host, and --host names another".to_owned());
        let none = Err("--host is for a port, and the address is a path".to_owned());
        for (typed, before, hosts, expected) in [
            ("", "", "a", Ok("a:9999")),
            ("1025", "", "a ::1", Ok("a:1025 [::1]:1025")),
            ("1025 b:1026 /s", "", "a", Ok("a:1025 b:1026 /s")),
            ("a:1025", "", "a", Ok("a:1025")),
            ("", "1025 b:1026 b:1025 /s", "a", Ok("a:1025 a:1026 /s")),
            ("a:1025", "", "b", two.as_ref().map(String::as_str)),
            ("a:1025", "", "a b", two.as_ref().map(String::as_str)),
            ("/s", "", "a", none.as_ref().map(String::as_str)),
            ("", "/s", "a", none.as_ref().map(String::as_str)),
        ] {
            let seen = chosen(typed, before, "", hosts);
            assert_eq!(seen, expected.map(str::to_owned).map_err(Clone::clone), "{typed} {before} {hosts}");
        }
    }
}
