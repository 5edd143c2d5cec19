//! Certificates and keys for tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};

use crate::sandbox::Sandbox;

/// A certificate yet to be signed, of a name, that is valid today.
pub(crate) fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

/// The same, said to be that of an authority, as `openssl req -x509` makes them.
pub(crate) fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Signs one by itself, and writes `FILE.pem` and `FILE.key`.
pub(crate) fn self_signed(
    sandbox: &Sandbox,
    file: &str,
    params: CertificateParams,
    algorithm: &'static SignatureAlgorithm,
) -> CertifiedIssuer<'static, KeyPair> {
    let key = KeyPair::generate_for(algorithm).unwrap();
    sandbox.write(format!("{file}.key"), key.serialize_pem());
    let made = CertifiedIssuer::self_signed(params, key).unwrap();
    sandbox.write(format!("{file}.pem"), made.pem());
    made
}

/// Has one signed by an authority, and writes `FILE.pem` and `FILE.key`.
pub(crate) fn signed(
    sandbox: &Sandbox,
    file: &str,
    mut params: CertificateParams,
    by: &CertifiedIssuer<'static, KeyPair>,
) -> CertifiedIssuer<'static, KeyPair> {
    let key = KeyPair::generate().unwrap();
    sandbox.write(format!("{file}.key"), key.serialize_pem());
    params.use_authority_key_identifier_extension = true;
    let made = CertifiedIssuer::signed_by(params, key, by).unwrap();
    sandbox.write(format!("{file}.pem"), made.pem());
    made
}

/// The list of an authority that revokes the certificates with these serial numbers.
pub(crate) fn revoking(serials: &[u64], by: &CertifiedIssuer<'static, KeyPair>) -> String {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2021, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2021, 1, 1),
        next_update: date_time_ymd(2119, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(by).unwrap().pem().unwrap()
}

/// The same, for the purposes of a server only.
pub(crate) fn for_servers(mut params: CertificateParams) -> CertificateParams {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// The same, of an authority that may sign certificates and revocation lists.
pub(crate) fn signing(name: &str) -> CertificateParams {
    let usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let mut params = authority(name);
    params.key_usages = usages;
    params
}

/// The same, too old.
pub(crate) fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_after = date_time_ymd(2021, 1, 1);
    params
}
