//! The files of `<ssl>`: encrypted keys, hashed directories, what is wrong with them, and their renewal.

use std::fs;
use std::io::{Read as _, Write as _};

use nix::sys::signal::Signal;
use rcgen::PKCS_ECDSA_P256_SHA256;

use super::certificates::{named, revoking, self_signed, signed, signing};
use super::tls::{SSL, assert_refused, certificates, configure, start, tries};
use super::tls_client::connect;
use crate::peers;
use crate::sandbox::{SOON, Sandbox, eventually, have};

#[test]
fn encrypted_keys_are_read_in_each_form_that_openssl_writes() {
    if !have("openssl") {
        return;
    }
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    sandbox.write("password", "a secret \u{e9}\n");
    sandbox.write("wrong", "another");
    let openssl = |command: &str| {
        let run = sandbox.command("openssl").args(command.split(' '));
        assert_eq!(run.output().status, 0, "{command}");
    };
    let fault = |why: &str| format!("runzeo: TLS: key.pem: {why}\n");
    for generate in ["rsa", "ec -pkeyopt ec_paramgen_curve:P-521"] {
        openssl(&format!(
            "req -x509 -newkey {generate} -nodes -subj /CN=x -keyout plain.pem -out server.pem"
        ));
        let kind = generate.split(' ').next().unwrap();
        for form in [
            format!("{kind} -des3 -traditional"),
            format!("{kind} -aes128 -traditional"),
            format!("{kind} -aes192 -traditional"),
            format!("{kind} -aes256 -traditional"),
            "pkcs8 -topk8".to_owned(),
            "pkcs8 -topk8 -v2 des3".to_owned(),
            "pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA1".to_owned(),
            "pkcs8 -topk8 -scrypt".to_owned(),
        ] {
            // ec(1) has no other form than the traditional one.
            let form = if kind == "ec" { form.replace(" -traditional", "") } else { form };
            openssl(&format!("{form} -in plain.pem -out key.pem -passout file:password"));
            let check = |more: &str| {
                configure(
                    &sandbox,
                    1,
                    &format!("certificate server.pem\nkey key.pem\nauthenticate clients.pem\n{more}"),
                );
                sandbox.runzeo().args(["-C", "zeo.conf", "--check-config"])
            };
            check("password-file password").stdout("configuration OK\n").run();
            let wrong = fault("the password in wrong does not decrypt the key");
            check("password-file wrong").status(1).stderr(wrong).run();
            let none =
                fault("the key is encrypted; name a file with its password (password-file), or decrypt it");
            check("").status(1).stderr(none).run();
        }
    }
}

#[test]
fn what_is_wrong_with_the_files_is_said_before_anything_is_served() {
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    fs::create_dir(sandbox.path("plain")).unwrap();
    fs::copy(sandbox.path("client.pem"), sandbox.path("plain/client.pem")).unwrap();
    sandbox.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let whole = sandbox.read("client.pem");
    sandbox.write("cut.pem", format!("{whole}-----BEGIN CERTIFICATE-----\nAAAA\n"));
    sandbox.write("dsa.key", "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n");
    let lines = |certificate: &str, key: &str, authenticate: &str| {
        format!("certificate {certificate}\nkey {key}\nauthenticate {authenticate}")
    };
    for (ssl, why) in [
        (
            lines("server.pem", "client.key", "clients.pem"),
            "client.key: it is not the key of the certificate in server.pem",
        ),
        (
            lines("server.pem", "dsa.key", "clients.pem"),
            "dsa.key: a key of this kind is not served; RSA, P-256, P-384, P-521 and Ed25519 are",
        ),
        (
            lines("server.pem", "server.key", "junk.pem"),
            "junk.pem: it has a certificate that cannot be read: [..]",
        ),
        (lines("server.pem", "server.key", "cut.pem"), "cut.pem: it is not in PEM form: a part has no end"),
        (lines("junk.pem", "server.key", "clients.pem"), "junk.pem: its certificate cannot be read: [..]"),
        (
            lines("server.pem", "server.key", "plain"),
            "plain: the directory has no certificate under a name by which OpenSSL finds it (HASH.0); 'openssl rehash \
             plain' makes these names",
        ),
    ] {
        configure(&sandbox, sandbox.port(), &ssl);
        let stderr = format!("runzeo: TLS: {why}\n");
        sandbox.runzeo().args(["-C", "zeo.conf", "--check-config"]).status(1).stderr(stderr).run();
        let started = sandbox.runzeo().args(["-C", "zeo.conf"]).output();
        assert_eq!(started.status, 1);
        assert!(started.stderr.contains("runzeo: TLS: "), "{}", started.stderr);
        assert!(!started.stderr.contains("opening storage"), "{}", started.stderr);
    }
    for (ssl, why) in [
        (
            lines("server.pem", "server.key", "DYNAMIC"),
            "zeo.conf:8: authenticate DYNAMIC lets in nobody: it is for Python programs that add certificates while they \
             run; name a file or a directory with the certificates of clients",
        ),
        (
            lines("server.pem", "server.key", "clients.pem") + "\npassword-function my.module.password",
            "zeo.conf:5: <ssl>: the password-function 'my.module.password' is Python's and cannot be called; put the \
             password into a file, and name it with password-file",
        ),
        (
            lines("server.pem", "server.key", "SIGNED"),
            "zeo.conf:5: <ssl>: the authenticate file 'SIGNED' cannot be read: No such file or directory",
        ),
    ] {
        configure(&sandbox, 1, &ssl);
        sandbox.runzeo().args(["-C", "zeo.conf"]).status(2).stderr(format!("{why}\n")).run();
    }
}

#[test]
fn directories_are_those_that_openssl_rehashes() {
    let Some(python) = peers::python() else { return };
    if !have("openssl") {
        return;
    }
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    let issuer = self_signed(&sandbox, "issuer", signing("issuer"), &PKCS_ECDSA_P256_SHA256);
    let mut revoked = named("revoked");
    revoked.serial_number = Some(7.into());
    signed(&sandbox, "revoked", revoked, &issuer);
    signed(&sandbox, "signed", named("signed"), &issuer);
    fs::create_dir(sandbox.path("clients")).unwrap();
    sandbox.write("clients/issuer.pem", issuer.pem());
    sandbox.write("clients/list.pem", revoking(&[7], &issuer));
    sandbox.command("openssl").args(["rehash", "clients"]).run();
    // Not a name that OpenSSL looks up.
    fs::copy(sandbox.path("client.pem"), sandbox.path("clients/client.pem")).unwrap();
    let server = start(&sandbox, "certificate server.pem\nkey server.key\nauthenticate clients");
    let words = ["TLSv1_3,signed", "TLSv1_2,signed", "TLSv1_3,revoked", "TLSv1_3,client"];
    let seen = [
        r"TLSv1.3 b'\x00\x00\x00\x02Z5'",
        r"TLSv1.2 b'\x00\x00\x00\x02Z5'",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "TLSV1_ALERT_UNKNOWN_CA",
    ];
    tries(&sandbox, &python, &server, &words, &seen);
    let log = server.stop();
    assert_refused(&log, &["certificate 'CN=revoked' [..]: it is revoked", "certificate 'CN=client' [..]"]);
    assert!(log.contains("clients by 1 certificate of clients\n"), "{log}");
}

#[test]
fn renewed_certificates_are_served_while_clients_stay_connected() {
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    let server = start(&sandbox, SSL);
    let old = sandbox.read("server.pem");
    let mut first = connect(&sandbox, server.port, "client").unwrap();
    let shown = first.conn.peer_certificates().unwrap()[0].clone();

    self_signed(&sandbox, "server", named("renewed"), &PKCS_ECDSA_P256_SHA256);
    let stranger = sandbox.read("stranger.pem");
    sandbox.write("clients.pem", &stranger);
    server.running.signal(Signal::SIGUSR2);
    let said = |what: &str| eventually(SOON, || server.running.stderr().contains(what));
    said("TLS: certificate 'CN=renewed' valid until ");
    let second = connect(&sandbox, server.port, "stranger").unwrap();
    assert_ne!(second.conn.peer_certificates().unwrap()[0], shown);
    assert!(connect(&sandbox, server.port, "client").is_err(), "it is no longer listed");

    sandbox.write("server.pem", old);
    server.running.signal(Signal::SIGUSR2);
    said(
        "ERROR ZEO.runzeo ([..]) TLS: server.key: it is not the key of the certificate in server.pem; the files that were \
         read before stay in use: certificate 'CN=renewed' valid until "
            .replace("[..]", &server.running.pid().to_string())
            .as_str(),
    );
    self_signed(&sandbox, "server", named("third"), &PKCS_ECDSA_P256_SHA256);
    sandbox.write("clients.pem", "");
    server.running.signal(Signal::SIGUSR2);
    said("TLS: clients.pem: it has no certificate in PEM form; the files that were read before stay in use");
    // The first client, whose certificate is no longer listed, goes on: it has its answer.
    first.write_all(b"\0\0\0\x04ruok").unwrap();
    let mut rest = Vec::new();
    let _ = first.read_to_end(&mut rest);
    assert!(rest.starts_with(b"\0\0\0"), "the monitor's answer: {rest:?}");
    let log = server.stop();
    assert!(!log.contains("received SIGUSR2"), "{log}");
}
