//! A client that encrypts.

use std::io::{self, Read as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::sandbox::{SOON, Sandbox};

/// What reads and writes.
pub(super) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A handshake that has not begun: with the certificate `NAME.pem`, with a server whose certificate is `server.pem`.
pub(super) fn handshake(sandbox: &Sandbox, name: &str) -> ClientConnection {
    let certificates = |file: &str| -> Vec<_> {
        CertificateDer::pem_file_iter(sandbox.path(file)).unwrap().map(Result::unwrap).collect()
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates("server.pem"));
    let key = PrivateKeyDer::from_pem_file(sandbox.path(format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&format!("{name}.pem")), key)
        .unwrap();
    ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

/// Connects, and reads the greeting.
pub(super) fn connect(sandbox: &Sandbox, port: u16, name: &str) -> io::Result<Stream> {
    let plain = TcpStream::connect(("127.0.0.1", port))?;
    plain.set_read_timeout(Some(SOON))?;
    let mut stream = StreamOwned::new(handshake(sandbox, name), plain);
    let mut greeting = [0; 6];
    stream.read_exact(&mut greeting)?;
    assert_eq!(greeting, *b"\0\0\0\x02Z5");
    Ok(stream)
}
