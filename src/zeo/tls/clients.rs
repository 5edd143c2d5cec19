//! Which certificates of clients are accepted: those that `authenticate` lists, and those that an authority listed there has
//! signed.
//!
//! ZEO's way of letting a client in is to list its self-signed certificate, which as `openssl req -x509` makes it is that of an
//! authority. By the rules of the web, which `webpki` keeps, such a certificate is none for a client. So a listed one is
//! compared byte for byte, and only others go to `webpki`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;

use super::certificate::Certificate;
use super::error::Error;
use super::pem_file;
use super::reason::of_certificate;

/// The certificates that clients are judged by.
#[derive(Debug)]
pub struct Clients {
    listed: Vec<CertificateDer<'static>>,
    /// For certificates that are not listed; none where no authority is.
    signed: Option<Arc<dyn ClientCertVerifier>>,
    revoked: Vec<CertificateList>,
    provider: Arc<CryptoProvider>,
}

impl Clients {
    /// Reads a file or a directory.
    pub fn read(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let mut listed = Vec::new();
        let mut anchors = RootCertStore::empty();
        let mut lists = Vec::new();
        let mut revoked = Vec::new();
        for (file, part) in pem_file::parts_below(path)? {
            let wrong = |what: &str, error: &dyn std::fmt::Display| {
                Error::contents(&file, format!("it has a {what} that cannot be read: {error}"))
            };
            match part.tag() {
                "CERTIFICATE" | "X509 CERTIFICATE" => {
                    let bytes = CertificateDer::from(part.into_contents());
                    let certificate =
                        Certificate::read(&bytes).map_err(|error| wrong("certificate", &error))?;
                    if certificate.may_sign_others() {
                        anchors.add(bytes.clone()).map_err(|error| wrong("certificate", &error))?;
                    }
                    listed.push(bytes);
                }
                "X509 CRL" => {
                    let list = CertificateList::from_der(part.contents());
                    revoked.push(list.map_err(|error| wrong("revocation list", &error))?);
                    lists.push(CertificateRevocationListDer::from(part.into_contents()));
                }
                _ => {}
            }
        }
        if listed.is_empty() {
            return Err(Error::contents(path, none_in(path)));
        }
        let signed = if anchors.is_empty() {
            None
        } else {
            let verifier = WebPkiClientVerifier::builder_with_provider(anchors.into(), provider.clone())
                .with_crls(lists)
                .only_check_end_entity_revocation()
                .enforce_revocation_expiration();
            Some(verifier.build().map_err(|error| Error::contents(path, error.to_string()))?)
        };
        Ok(Self { listed, signed, revoked, provider: provider.clone() })
    }

    /// How many certificates there are.
    pub fn count(&self) -> usize {
        self.listed.len()
    }

    /// Judges a certificate that a client shows.
    fn judge(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let certificate = Certificate::read(shown).map_err(|_| CertificateError::BadEncoding)?;
        if self.listed.contains(shown) {
            certificate.check_as_client(now)?;
            if self.revoked.iter().any(|list| certificate.is_revoked_by(list)) {
                return Err(CertificateError::Revoked.into());
            }
            return Ok(ClientCertVerified::assertion());
        }
        match &self.signed {
            // What a client's certificate is not may be the last thing that is wrong with one that nobody here knows.
            Some(signed) if !certificate.is_authority() => {
                signed.verify_client_cert(shown, intermediates, now)
            }
            _ => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}

fn none_in(path: &Path) -> String {
    if path.is_dir() {
        format!(
            "the directory has no certificate under a name by which OpenSSL finds it (HASH.0); 'openssl rehash {}' makes these names",
            path.display()
        )
    } else {
        "it has no certificate in PEM form".to_owned()
    }
}

/// Judges the one certificate of one handshake, and keeps what was wrong with it for the log.
#[derive(Debug)]
pub struct Judge {
    clients: Arc<Clients>,
    refused: Mutex<Option<String>>,
}

impl Judge {
    /// For one handshake.
    pub fn new(clients: Arc<Clients>) -> Self {
        Self { clients, refused: Mutex::default() }
    }

    /// Which certificate was refused, and why, if one was.
    pub fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientCertVerifier for Judge {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Python's server gives none either: a client shows the certificate that it has.
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.clients.judge(shown, intermediates, now).inspect_err(|error| {
            let line = format!("{}: {}", Certificate::describe(shown), of_certificate(error));
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.clients.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.clients.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.provider.signature_verification_algorithms.supported_schemes()
    }
}
