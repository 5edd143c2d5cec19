//! Which addresses an instance gets, where several places say something about them.

use super::Error;
use super::address::{Address, Host};

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
    hosts: &[Host],
) -> Result<Vec<Address>, Error> {
    let is_typed = !typed.is_empty();
    let found = [typed, before, set].into_iter().find(|some| !some.is_empty());
    let found = found.unwrap_or_else(|| vec![Address::default()]);
    if hosts.is_empty() {
        return Ok(once(found));
    }
    if found.iter().all(|address| matches!(address, Address::Unix(_))) {
        return Err(Error::NoPort);
    }
    let named =
        |host: &Host| found.iter().any(|a| matches!(a, Address::Tcp { host: own, .. } if own == host));
    if is_typed && !named(&Host::Any) && !hosts.iter().all(named) {
        return Err(Error::TwoHosts);
    }
    let on_hosts = |address: Address| match address {
        Address::Tcp { host, port } if host == Host::Any || !is_typed => {
            hosts.iter().map(|host| Address::Tcp { host: host.clone(), port }).collect()
        }
        other => vec![other],
    };
    Ok(once(found.into_iter().flat_map(on_hosts).collect()))
}

/// All addresses as a message names them.
#[must_use]
pub fn describe(addresses: &[Address]) -> String {
    addresses.iter().map(Address::describe).collect::<Vec<_>>().join(", ")
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

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::super::home::Home;
    use super::*;

    fn read(words: &str) -> Vec<Address> {
        let home = Home::new(Path::new("/h"), Path::new("/")).unwrap();
        let parse = |word| Address::parse(OsStr::new(word), false, &home).unwrap();
        words.split_whitespace().map(parse).collect()
    }

    fn chosen(typed: &str, before: &str, set: &str, hosts: &str) -> Result<String, String> {
        let hosts: Vec<_> = hosts.split_whitespace().map(|host| Host::named(host).unwrap()).collect();
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
