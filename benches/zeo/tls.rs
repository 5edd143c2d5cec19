//! Encryption of the connections under measurement: one self-signed certificate for server and clients.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Names of the files, in the directory of the data file.
pub struct Files {
    pub certificate: &'static str,
    pub key: &'static str,
}

const FILES: Files = Files { certificate: "tls.pem", key: "tls.key" };

/// Makes the files, where they are not there.
pub fn make(directory: &Path) -> Files {
    if !directory.join(FILES.key).exists() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(directory.join(FILES.certificate), made.cert.pem()).unwrap();
        fs::write(directory.join(FILES.key), made.signing_key.serialize_pem()).unwrap();
    }
    FILES
}

/// Encrypts a connection with a server of this directory.
pub fn encrypt(stream: TcpStream, directory: &Path) -> StreamOwned<ClientConnection, TcpStream> {
    let certificate = CertificateDer::from_pem_file(directory.join(FILES.certificate)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join(FILES.key)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(session, stream)
}
