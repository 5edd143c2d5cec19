//! Encryption of the connections, as Python's server has it (docs/spec/ZEO-PROTOCOL.md, section 14): TLS from the first byte on, and a
//! certificate of every client.
//!
//! It knows of files in PEM form, which it reads again on request: certificates live for 90 days, and connections for years.
//! Promises: a file that cannot be used leaves the certificates in use that were read before; a handshake takes bounded
//! memory; one that is refused has a reason for the log.

mod certificate;
mod clients;
mod error;
mod key;
mod pem_file;
mod reason;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{Acceptor, NoServerSessionStorage};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, InconsistentKeys, ServerConfig};
use tokio_rustls::LazyConfigAcceptor;

pub use self::error::Error;

use self::certificate::Certificate;
use self::clients::{Clients, Judge};
use super::acceptor::Stream;

/// So ZEO's own client ends where it does not trust the server.
const GONE: &str = "the client has closed the connection in the middle of it, as it does when it does not accept the server's \
    certificate";

/// The files of `<ssl>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate, followed by those that lead to its authority.
    pub certificate: PathBuf,
    /// Its key; absent: in the same file.
    pub key: Option<PathBuf>,
    /// The password of the key.
    pub password_file: Option<PathBuf>,
    /// The certificates of clients and of their authorities: a file, or a directory with OpenSSL's names.
    pub authenticate: PathBuf,
}

/// What was read of the files.
#[derive(Debug)]
struct Certificates {
    server: Arc<SingleCertAndKey>,
    clients: Arc<Clients>,
    provider: Arc<CryptoProvider>,
    /// The server's certificate and the number of those of clients, for the log.
    described: String,
    /// What is wrong with the server's certificate by now, though it is served.
    doubt: Option<String>,
}

/// The encryption of a server.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    current: RwLock<Arc<Certificates>>,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum Refused {
    /// The client has gone, or the network failed.
    Lost(io::Error),
    /// What was wrong with what it sent.
    Handshake(String),
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them is missing, or is not what it is to be.
    pub fn open(files: Files) -> Result<Self, Error> {
        let current = RwLock::new(Arc::new(Certificates::read(&files)?));
        Ok(Self { files, current })
    }

    /// Reads the files again, for the connections to come.
    ///
    /// # Errors
    /// As [`Tls::open`]; what was read before stays.
    pub fn reload(&self) -> Result<(), Error> {
        let read = Arc::new(Certificates::read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// What is in use: whose certificate, until when it is valid, how many there are of clients.
    #[must_use]
    pub fn described(&self) -> String {
        self.current().described.clone()
    }

    /// Why clients may refuse the certificate in use.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        self.current().doubt.clone()
    }

    fn current(&self) -> Arc<Certificates> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a client's handshake; the stream that comes of it encrypts.
    pub(super) async fn accept(&self, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, Refused> {
        let refused = |error: io::Error| match reason::of_handshake(&error) {
            Some(why) => Refused::Handshake(why),
            None => Refused::Lost(error),
        };
        // Until it has begun it costs next to nothing: whoever only looks whether the port is open, or stays silent.
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(refused)?;
        let current = self.current();
        let judge = Arc::new(Judge::new(current.clients.clone()));
        let config = current.config(judge.clone()).map_err(|error| Refused::Handshake(error.to_string()))?;
        match begun.into_stream(Arc::new(config)).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(match (judge.refused(), error.kind()) {
                (Some(why), _) => Refused::Handshake(why),
                (None, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                    Refused::Handshake(GONE.to_owned())
                }
                (None, _) => refused(error),
            }),
        }
    }
}

impl Certificates {
    fn read(files: &Files) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let path = &files.certificate;
        let chain = chain(path)?;
        let first =
            chain.first().ok_or_else(|| Error::contents(path, "it has no certificate in PEM form"))?;
        let certificate = Certificate::read(first)
            .map_err(|error| Error::contents(path, format!("its certificate cannot be read: {error}")))?;
        let key_path = files.key.as_ref().unwrap_or(path);
        let key = key::read(key_path, files.password_file.as_deref())?;
        let server = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Error::contents(
                key_path,
                format!("it is not the key of the certificate in {}", path.display()),
            ),
            rustls::Error::InvalidCertificate(_) => Error::contents(path, error.to_string()),
            _ => key::unknown(key_path),
        })?;
        let clients = Clients::read(&files.authenticate, &provider)?;
        let count = match clients.count() {
            1 => "1 certificate".to_owned(),
            count => format!("{count} certificates"),
        };
        let described = format!(
            "certificate '{}' valid until {}; clients by {count} of {}",
            certificate.subject(),
            certificate.end(),
            files.authenticate.display()
        );
        let doubt = certificate.check_dates(UnixTime::now()).err().map(|error| {
            let what = match error {
                CertificateError::Expired => "has expired",
                _ => "is not valid yet",
            };
            format!("the certificate in {} {what}: clients will refuse it", path.display())
        });
        Ok(Self {
            server: Arc::new(SingleCertAndKey::from(server)),
            clients: Arc::new(clients),
            provider,
            described,
            doubt,
        })
    }

    /// For one handshake. Nothing is kept for a client that comes again: what `authenticate` says then is to count.
    fn config(&self, judge: Arc<Judge>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(judge)
            .with_cert_resolver(self.server.clone());
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// The server's certificate and those that lead to its authority.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let is_certificate = |part: &pem::Pem| matches!(part.tag(), "CERTIFICATE" | "X509 CERTIFICATE");
    let parts = pem_file::parts(path)?.into_iter().filter(is_certificate);
    Ok(parts.map(|part| CertificateDer::from(part.into_contents())).collect())
}
