//! A key and a self-signed certificate for the server, and the same for its first client: what encryption needs where there is
//! no authority.
//!
//! What is there is never made anew, and what is missing beside it is completed. Neither of the two is an authority: who has
//! the client's key cannot make certificates that the server would take.

use std::io;
use std::path::PathBuf;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use time::{Duration, OffsetDateTime};

use super::home::Home;
use super::{Error, Request};
use crate::sys::tree::{FileKind, SafeTree};
use crate::zconfig::Address;

/// The server's certificate, below the home.
pub const SERVER: &str = "etc/server.pem";
/// Its key.
pub const SERVER_KEY: &str = "etc/server.key";
/// The certificates of the clients that it lets in.
pub const CLIENTS: &str = "etc/clients.pem";
/// The certificate of the first of them.
pub const CLIENT: &str = "etc/client.pem";
/// Its key.
pub const CLIENT_KEY: &str = "etc/client.key";

/// The permission bits of a key.
pub const KEY_MODE: u32 = 0o600;

/// The name that a client may hold against the server's certificate, however it reaches the server.
const NAME: &str = "localhost";
/// Days for which a certificate is valid. It is given to the other end by hand.
const DAYS: i64 = 3650;
/// Keys and certificates are shorter.
const MAX_BYTES: u64 = 1 << 20;

/// A file that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where.
    pub path: PathBuf,
    /// What it will hold.
    pub contents: String,
    /// Its permission bits. A key is for the server alone.
    pub mode: u32,
}

/// The files that are missing.
///
/// # Errors
/// A certificate is there without its key, or one of the files cannot be read or be used.
pub fn missing(tree: &SafeTree, request: &Request) -> Result<Vec<Made>, Error> {
    let home = &request.home;
    let has = |name: &str| read(tree, home, name).map(|text| text.is_some());
    let mut made = Vec::new();
    if has(SERVER)? && has(SERVER_KEY)? && has(CLIENTS)? {
        return Ok(made);
    }
    pair(tree, home, (SERVER, SERVER_KEY), of_server(&request.addresses), &mut made)?;
    let client = pair(tree, home, (CLIENT, CLIENT_KEY), of_client(), &mut made)?;
    if !has(CLIENTS)? {
        made.push(Made { path: home.join(CLIENTS), contents: client, mode: 0o644 });
    }
    Ok(made)
}

/// Adds what is missing of a certificate and its key; the certificate.
fn pair(
    tree: &SafeTree,
    home: &Home,
    (certificate, key): (&str, &str),
    params: Result<CertificateParams, rcgen::Error>,
    made: &mut Vec<Made>,
) -> Result<String, Error> {
    let failed =
        |error: rcgen::Error| Error::system("make", &home.join(certificate), io::Error::other(error));
    let own = match (read(tree, home, certificate)?, read(tree, home, key)?) {
        (Some(text), Some(_)) => return Ok(text),
        (Some(_), None) => {
            let why = "its certificate is there: put its key there, or take the certificate away";
            return Err(Error::InTheWay { verb: "make", path: home.join(key), why });
        }
        (None, Some(text)) => KeyPair::from_pem(&text)
            .map_err(|error| Error::system("use", &home.join(key), io::Error::other(error)))?,
        (None, None) => {
            let own = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
            made.push(Made { path: home.join(key), contents: own.serialize_pem(), mode: KEY_MODE });
            own
        }
    };
    let text = params.and_then(|params| params.self_signed(&own)).map_err(failed)?.pem();
    made.push(Made { path: home.join(certificate), contents: text.clone(), mode: 0o644 });
    Ok(text)
}

/// A file of the home; `None`: there is none.
fn read(tree: &SafeTree, home: &Home, name: &str) -> Result<Option<String>, Error> {
    let path = home.join(name);
    let failed = |error| Error::system("read", &path, error);
    let seen = match tree.look(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        seen => seen.map_err(failed)?,
    };
    if seen.what == FileKind::Nothing {
        return Ok(None);
    }
    let text = seen.read(MAX_BYTES).map_err(failed)?;
    Ok(Some(String::from_utf8_lossy(&text.bytes).into_owned()))
}

/// For the name that every client can hold against it, and the hosts of the addresses.
fn of_server(addresses: &[Address]) -> Result<CertificateParams, rcgen::Error> {
    let hosts = addresses.iter().filter_map(|address| match address {
        Address::Inet { host, .. } if !host.is_empty() && host != NAME => Some(host.clone()),
        _ => None,
    });
    let names: Vec<_> = std::iter::once(NAME.to_owned()).chain(hosts).collect();
    params("ZEO server", names, ExtendedKeyUsagePurpose::ServerAuth)
}

fn of_client() -> Result<CertificateParams, rcgen::Error> {
    params("ZEO client", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)
}

fn params(
    subject: &str,
    names: Vec<String>,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    let now = OffsetDateTime::now_utc();
    // The other end's clock may be behind.
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(DAYS);
    Ok(params)
}

/// What to do at the first client, of which the files were just made.
#[must_use]
pub fn advice(request: &Request) -> Vec<String> {
    let path = |name: &str| request.home.join(name).display().to_string();
    let server = match request.addresses.first() {
        Some(Address::Inet { host, port }) => {
            let host = if host.is_empty() { NAME } else { host };
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            format!("{host}:{}", port.unwrap_or_default())
        }
        Some(Address::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    let text = format!(
        "The first client needs {}, {} (secret) and {}; on another machine, copy them there. In its zope.conf:\n\
         <clientstorage>\n  server {server}\n  <ssl>\n    certificate {}\n    key {}\n    authenticate {}\n    \
         server-hostname {NAME}\n  </ssl>\n</clientstorage>\n\
         To let in more clients, add their certificates to {}, and then: {} logreopen",
        path(CLIENT),
        path(CLIENT_KEY),
        path(SERVER),
        path(CLIENT),
        path(CLIENT_KEY),
        path(SERVER),
        path(CLIENTS),
        path("bin/zeoctl"),
    );
    text.lines().map(str::to_owned).collect()
}
