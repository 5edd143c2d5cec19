//! What to say when an instance has been started: who can connect, and what to do with it.

use std::net::IpAddr;

use super::{Request, advice};
use crate::zconfig::Address;

/// The lines for a server that listens on these addresses: its exposure; how to control it, to connect from Python, and to
/// stop and remove it.
#[must_use]
pub fn lines(request: &Request, addresses: &[Address]) -> Vec<String> {
    let home = advice::word(&request.home.path().display().to_string());
    let zeoctl = advice::word(&request.home.join("bin/zeoctl").display().to_string());
    let connect = addresses
        .first()
        .map(|address| format!("To connect from Python: import ZEO; db = ZEO.DB({})", python(address)));
    let is_encrypted = request.set.get("tls_certificate").is_some_and(|set| !set.is_empty());
    let mut lines = vec![exposure(addresses, is_encrypted)];
    lines.push(format!("To control it: {zeoctl} status, or restart, stop, help"));
    // With encryption it takes the client's certificate too.
    lines.extend(connect.filter(|_| !is_encrypted));
    lines.push(format!("To stop and remove it, with all that is in it: {zeoctl} stop && rm -r {home}"));
    lines
}

/// From where clients can connect, widest first.
fn exposure(addresses: &[Address], is_encrypted: bool) -> String {
    let how = if is_encrypted { "with a certificate that it knows" } else { "without authentication" };
    let hosts = addresses.iter().filter_map(|address| match address {
        Address::Inet { host, .. } => Some(host.as_str()),
        Address::Unix(_) => None,
    });
    let hosts: Vec<&str> = hosts.collect();
    let every = |host: &&str| host.is_empty() || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    let local = |host: &&str| *host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if hosts.iter().any(every) {
        format!("It can be reached on every interface of this machine, {how}")
    } else if !hosts.iter().all(local) {
        format!("It can be reached from other machines, {how}")
    } else if hosts.is_empty() {
        "It can be reached from this machine alone, by what may write to its socket".to_owned()
    } else {
        format!("It can be reached from this machine alone, {how}")
    }
}

/// An address as Python's client takes it.
fn python(address: &Address) -> String {
    match address {
        Address::Inet { host, port } => {
            let host = if host.is_empty() { "127.0.0.1" } else { host };
            format!("('{host}', {})", port.unwrap_or_default())
        }
        Address::Unix(path) => crate::repr::repr(&path.to_string_lossy()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposure_is_that_of_the_widest_address() {
        let at = |host: &str| Address::Inet { host: host.to_owned(), port: Some(9999) };
        let unix = || Address::Unix("/run/s".into());
        for (addresses, expected) in [
            (vec![at("")], "on every interface of this machine, without authentication"),
            (
                vec![at("127.0.0.1"), at("0.0.0.0")],
                "on every interface of this machine, without authentication",
            ),
            (vec![at("::1"), at("::")], "on every interface of this machine, without authentication"),
            (vec![at("10.0.0.1"), at("::1")], "from other machines, without authentication"),
            (vec![at("localhost"), unix()], "from this machine alone, without authentication"),
            (vec![unix()], "from this machine alone, by what may write to its socket"),
        ] {
            assert_eq!(exposure(&addresses, false), format!("It can be reached {expected}"));
        }
        assert!(exposure(&[at("")], true).ends_with("machine, with a certificate that it knows"));
        assert_eq!(python(&at("")), "('127.0.0.1', 9999)");
        assert_eq!(python(&unix()), "'/run/s'");
    }
}
