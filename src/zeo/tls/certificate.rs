//! What a certificate says: whose it is, from when to when, and what it may be used for.

use std::fmt::Write as _;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use x509_cert::crl::CertificateList;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_CLIENT_AUTH};
use x509_cert::der::{self, Decode as _};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

/// A certificate.
pub struct Certificate {
    parsed: x509_cert::Certificate,
    /// Whether it is said to be that of an authority.
    is_authority: bool,
    key_usage: Option<KeyUsage>,
    purposes: Option<ExtendedKeyUsage>,
}

impl Certificate {
    /// Reads one.
    pub fn read(bytes: &CertificateDer<'_>) -> der::Result<Self> {
        let parsed = x509_cert::Certificate::from_der(bytes)?;
        let body = parsed.tbs_certificate();
        Ok(Self {
            is_authority: body.get_extension::<BasicConstraints>()?.is_some_and(|(_, found)| found.ca),
            key_usage: body.get_extension::<KeyUsage>()?.map(|(_, usage)| usage),
            purposes: body.get_extension::<ExtendedKeyUsage>()?.map(|(_, purposes)| purposes),
            parsed,
        })
    }

    /// Subject and fingerprint of whatever a client shows.
    pub fn describe(bytes: &CertificateDer<'_>) -> String {
        let subject = Self::read(bytes)
            .map_or_else(|_| "unreadable".to_owned(), |found| format!("'{}'", found.subject()));
        let mut fingerprint = String::new();
        for byte in Sha256::digest(bytes) {
            let _ = write!(fingerprint, "{byte:02x}");
        }
        format!("certificate {subject} (SHA-256 {fingerprint})")
    }

    /// Whose it is.
    pub fn subject(&self) -> String {
        self.parsed.tbs_certificate().subject().to_string()
    }

    /// Until when it is valid.
    pub fn end(&self) -> String {
        self.parsed.tbs_certificate().validity().not_after.to_string()
    }

    /// Whether it is too early or too late for it.
    pub fn check_dates(&self, now: UnixTime) -> Result<(), CertificateError> {
        let validity = self.parsed.tbs_certificate().validity();
        if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
            return Err(CertificateError::NotValidYet);
        }
        if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
            return Err(CertificateError::Expired);
        }
        Ok(())
    }

    /// Whether a client may use it now.
    pub fn check_as_client(&self, now: UnixTime) -> Result<(), CertificateError> {
        self.check_dates(now)?;
        let is_client = |purposes: &ExtendedKeyUsage| {
            purposes.0.iter().any(|purpose| [ID_KP_CLIENT_AUTH, ANY_EXTENDED_KEY_USAGE].contains(purpose))
        };
        if self.purposes.as_ref().is_none_or(is_client) {
            return Ok(());
        }
        Err(CertificateError::InvalidPurpose)
    }

    /// Whether it is said to be that of an authority.
    pub fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// Whether certificates that it has signed are to be believed; not if it does not say so, as OpenSSL has it.
    pub fn may_sign_others(&self) -> bool {
        self.is_authority && self.key_usage.is_none_or(|usage| usage.key_cert_sign())
    }

    /// Whether a list names it.
    pub fn is_revoked_by(&self, list: &CertificateList) -> bool {
        let (body, list) = (self.parsed.tbs_certificate(), &list.tbs_cert_list);
        let revoked = list.revoked_certificates.iter().flatten();
        list.issuer == *body.issuer()
            && revoked.into_iter().any(|revoked| revoked.serial_number == *body.serial_number())
    }
}
