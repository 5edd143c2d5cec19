//! Encryption: which clients of OpenSSL are let in, what the log says of the others, and certificates that are renewed.

use std::fmt::Write as _;
use std::path::Path;

use rcgen::{
    CertificateParams, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
    PKCS_RSA_SHA256, SerialNumber, date_time_ymd,
};

use super::Server;
use super::certificates::{authority, expired, for_servers, named, revoking, self_signed, signed, signing};
use crate::peers;
use crate::sandbox::{Sandbox, matches};

/// Writes `zeo.conf` with these lines in `<ssl>`.
pub(super) fn configure(sandbox: &Sandbox, port: u16, ssl: &str) {
    let text = format!(
        "<zeo>\n  address 127.0.0.1:{port}\n  registration-timeout 3\n  max-unregistered 2000\n  <ssl>\n{ssl}\n  </ssl>\n</zeo>\n\
         <mappingstorage>\n</mappingstorage>\n"
    );
    sandbox.write("zeo.conf", text);
}

/// Starts a server that encrypts; `ssl` are the lines of `<ssl>`.
pub(super) fn start(sandbox: &Sandbox, ssl: &str) -> Server {
    let port = sandbox.port();
    configure(sandbox, port, ssl);
    let server = Server { running: sandbox.runzeo().args(["-C", "zeo.conf"]).spawn(), port };
    server.await_listening();
    server
}

/// The lines of `<ssl>` of most tests.
pub(super) const SSL: &str = "certificate server.pem\nkey server.key\nauthenticate clients.pem";

/// The certificates of a server, of a client that it knows, and of one that it does not know.
pub(super) fn certificates(sandbox: &Sandbox) {
    self_signed(sandbox, "server", named("server"), &PKCS_ECDSA_P256_SHA256);
    let client = self_signed(sandbox, "client", authority("client"), &PKCS_ECDSA_P256_SHA256);
    sandbox.write("clients.pem", client.pem());
    self_signed(sandbox, "stranger", authority("stranger"), &PKCS_ECDSA_P256_SHA256);
}

/// What a client of Python sees at each try of `tests/clients/tls.py`.
pub(super) fn tries(sandbox: &Sandbox, python: &Path, server: &Server, tries: &[&str], seen: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/tls.py");
    let expected = tries.iter().zip(seen).fold(String::new(), |mut text, (words, seen)| {
        let _ = writeln!(text, "{words} {seen}");
        text
    });
    assert_eq!(tries.len(), seen.len());
    let port = server.port.to_string();
    sandbox.command(python).arg(script).args([&port, "server.pem"]).args(tries).stdout(expected).run();
}

/// The lines of a log about handshakes that were refused, without time and address.
pub(super) fn refusals(log: &str) -> Vec<&str> {
    let lines = log.lines().filter(|line| line.contains(" WARNING "));
    lines.map(|line| line.split_once("disconnected: TLS handshake refused: ").expect(line).1).collect()
}

#[track_caller]
pub(super) fn assert_refused(log: &str, expected: &[&str]) {
    let found = refusals(log);
    assert_eq!(found.len(), expected.len(), "{log}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(matches(expected, found), "{found}\nis not {expected}");
    }
}

#[test]
fn listed_client_is_served_by_each_version_that_openssl_offers() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    self_signed(&sandbox, "server", authority("server"), &PKCS_RSA_SHA256);
    let client = self_signed(&sandbox, "client", authority("client"), &PKCS_RSA_SHA256);
    sandbox.write("clients.pem", client.pem());
    let server = start(&sandbox, SSL);
    let words = ["TLSv1_2,client", "TLSv1_3,client", "TLSv1,client", "TLSv1_1,client", "TLSv1_2", "TLSv1_3"];
    let seen = [
        r"TLSv1.2 b'\x00\x00\x00\x02Z5'",
        r"TLSv1.3 b'\x00\x00\x00\x02Z5'",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    ];
    tries(&sandbox, &python, &server, &words, &seen);
    let log = server.stop();
    let old = "the client speaks no version of TLS that is served: 1.2 and 1.3 are";
    let none = "the client shows no certificate";
    assert_refused(&log, &[old, old, none, none]);
    let used = "TLS: certificate 'CN=server' valid until 2120-01-01T00:00:00Z; clients by 1 certificate of clients.pem\n";
    assert!(log.contains(used), "{log}");
}

/// The rows of Python's server, and what each means here.
#[test]
fn certificates_of_clients_are_taken_as_python_takes_them() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    self_signed(&sandbox, "server", named("server"), &PKCS_ECDSA_P256_SHA256);
    let mut listed = String::new();
    let mut list = |file: &str, params: CertificateParams| {
        let made = self_signed(&sandbox, file, params, &PKCS_ECDSA_P256_SHA256);
        listed.push_str(&made.pem());
        made
    };
    list("plain", named("plain"));
    list("authority", authority("authority"));
    list("expired", expired(authority("expired")));
    let mut early = authority("early");
    early.not_before = date_time_ymd(2119, 1, 1);
    list("early", early);
    list("purpose", for_servers(authority("purpose")));
    let issuer = list("issuer", signing("issuer"));
    let alone = signed(&sandbox, "alone", named("alone"), &issuer);
    signed(&sandbox, "signed", named("signed"), &issuer);
    signed(&sandbox, "late", expired(named("late")), &issuer);
    signed(&sandbox, "by_leaf", named("by_leaf"), &list("leaf", named("leaf")));
    let between = signed(&sandbox, "between", signing("between"), &issuer);
    let chained = signed(&sandbox, "chained", named("chained"), &between);
    sandbox.write("chained.pem", chained.pem() + &between.pem());
    signed(&sandbox, "broken", named("broken"), &between);
    self_signed(&sandbox, "stranger", authority("stranger"), &PKCS_ECDSA_P256_SHA256);
    sandbox.write("clients.pem", format!("one and\nanother\n{listed}{}", alone.pem()));
    let server = start(&sandbox, SSL);
    let good = r"TLSv1.3 b'\x00\x00\x00\x02Z5'";
    let rows = [
        ("plain", good, ""),
        ("authority", good, ""),
        ("expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED", "it has expired"),
        ("early", "SSLV3_ALERT_CERTIFICATE_EXPIRED", "it is not valid yet"),
        ("purpose", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "its extended key usage is not that of a client"),
        ("issuer", good, ""),
        ("alone", good, ""),
        ("signed", good, ""),
        ("late", "SSLV3_ALERT_CERTIFICATE_EXPIRED", "it has expired"),
        ("by_leaf", "TLSV1_ALERT_UNKNOWN_CA", UNKNOWN),
        ("chained", good, ""),
        ("broken", "TLSV1_ALERT_UNKNOWN_CA", UNKNOWN),
        ("stranger", "TLSV1_ALERT_UNKNOWN_CA", UNKNOWN),
    ];
    let words: Vec<_> = rows.iter().map(|(name, ..)| format!("TLSv1_3,{name}")).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    tries(&sandbox, &python, &server, &words, &rows.map(|(_, seen, _)| seen));
    let log = server.stop();
    let refused: Vec<_> = rows
        .iter()
        .filter(|(_, _, why)| !why.is_empty())
        .map(|(name, _, why)| format!("certificate 'CN={name}' (SHA-256 [..]): {why}"))
        .collect();
    assert_refused(&log, &refused.iter().map(String::as_str).collect::<Vec<_>>());
}

const UNKNOWN: &str = "authenticate lists neither it nor the authority that has signed it";

#[test]
fn keys_of_each_kind_are_served_and_taken() {
    let Some(python) = peers::python() else { return };
    let kinds = [
        ("rsa", &PKCS_RSA_SHA256),
        ("p256", &PKCS_ECDSA_P256_SHA256),
        ("p384", &PKCS_ECDSA_P384_SHA384),
        ("p521", &PKCS_ECDSA_P521_SHA512),
    ];
    for (kind, algorithm) in kinds {
        let sandbox = Sandbox::new();
        self_signed(&sandbox, "server", authority("server"), algorithm);
        let client = self_signed(&sandbox, kind, authority("client"), algorithm);
        sandbox.write("clients.pem", client.pem());
        let server = start(&sandbox, SSL);
        let words = [format!("TLSv1_2,{kind}"), format!("TLSv1_3,{kind}")];
        let good = [r"TLSv1.2 b'\x00\x00\x00\x02Z5'", r"TLSv1.3 b'\x00\x00\x00\x02Z5'"];
        tries(&sandbox, &python, &server, &[&words[0], &words[1]], &good);
        assert_refused(&server.stop(), &[]);
    }
}

#[test]
fn revoked_clients_are_refused_listed_or_not() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    self_signed(&sandbox, "server", named("server"), &PKCS_ECDSA_P256_SHA256);
    let issuer = self_signed(&sandbox, "issuer", signing("issuer"), &PKCS_ECDSA_P256_SHA256);
    let numbered = |name: &str, number: u64| {
        let mut params = named(name);
        params.serial_number = Some(SerialNumber::from(number));
        signed(&sandbox, name, params, &issuer).pem()
    };
    numbered("good", 1);
    numbered("revoked", 2);
    let listed = numbered("listed", 3);
    sandbox.write("clients.pem", issuer.pem() + &listed + &revoking(&[2, 3], &issuer));
    let server = start(&sandbox, SSL);
    let revoked = "SSLV3_ALERT_CERTIFICATE_REVOKED";
    let words = ["TLSv1_3,good", "TLSv1_3,revoked", "TLSv1_3,listed"];
    tries(&sandbox, &python, &server, &words, &[r"TLSv1.3 b'\x00\x00\x00\x02Z5'", revoked, revoked]);
    let expected =
        ["certificate 'CN=revoked' [..]: it is revoked", "certificate 'CN=listed' [..]: it is revoked"];
    assert_refused(&server.stop(), &expected);
}

/// ZEO's own client, with names held against the certificate as it does by default.
#[test]
fn client_storage_of_zeo_is_served_as_its_configuration_says() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    let server = start(&sandbox, SSL);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/tls_storage.py");
    let run = |host: &str, more: &str| {
        let text = format!(
            "%import ZEO\n<zodb>\n<clientstorage>\nserver {host}:{}\nwait-timeout 2\n<ssl>\ncertificate client.pem\n\
             key client.key\nauthenticate server.pem\n{more}</ssl>\n</clientstorage>\n</zodb>\n",
            server.port
        );
        sandbox.write("client.conf", text);
        sandbox.command(&python).arg(&script).arg("client.conf")
    };
    run("localhost", "").stdout("2\n").run();
    run("127.0.0.1", "server-hostname localhost\n").stdout("2\n").run();
    run("127.0.0.1", "check-hostname false\n").stdout("2\n").run();
    let other = run("127.0.0.1", "server-hostname example.org\n").output();
    assert_eq!(other.status, 1);
    assert!(other.stderr.contains("timed out waiting for connection"), "{}", other.stderr);
    let log = server.stop();
    let reasons = refusals(&log);
    assert!(!reasons.is_empty());
    for reason in reasons {
        assert!(reason.contains("the client has closed ") || reason.contains(" not accept "), "{reason}");
    }
}
