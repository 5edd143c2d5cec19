//! Those who do not keep to TLS, or never end its handshake, and what that costs others.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use super::Server;
use super::tls::{SSL, certificates, refusals, start};
use super::tls_client::{connect, handshake};
use crate::sandbox::{SOON, Sandbox, eventually, have, is_long, resident};

/// A registration, and its reply's length.
const REGISTER: &[u8] =
    b"\0\0\0\x02Z5\0\0\0\x1d\x80\x03(K\x01\x89X\x08\0\0\0registerX\x01\0\0\x001\x89\x86t.";

#[test]
fn handshakes_that_never_end_hold_up_nobody_and_end_in_time() {
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    let server = start(&sandbox, SSL);
    let mut good = connect(&sandbox, server.port, "client").unwrap();
    let before = resident(server.running.pid());
    let mut hello = Vec::new();
    handshake(&sandbox, "client").write_tls(&mut hello).unwrap();
    let half = &hello[..hello.len() / 2];
    // The record says that 16 KiB follow, and the message in it 60,000 bytes.
    let endless = [b"\x16\x03\x01\x40\x00\x01\x00\xea\x60".as_slice(), &[0; 16_000]].concat();
    let parts: [&[u8]; 5] = [b"", half, &hello, &hello[..3], &endless];
    let count = if is_long() { 1000 } else { 200 };
    let begin = Instant::now();
    let mut idle: Vec<TcpStream> = (0..count)
        .map(|number: usize| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream.write_all(parts[number % parts.len()]).unwrap();
            stream
        })
        .collect();
    good.write_all(REGISTER).unwrap();
    let mut length = [0; 4];
    good.read_exact(&mut length).unwrap();
    connect(&sandbox, server.port, "client").unwrap();
    let grown = resident(server.running.pid()).saturating_sub(before);
    assert!(grown < count as u64 * (100 << 10), "{grown} bytes more for {count} handshakes");
    for stream in &mut idle {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(begin.elapsed().as_secs() >= 3, "they end when the time to register does");
    let log = server.stop();
    let late = refusals(&log).iter().filter(|line| **line == "the client has not ended it in time").count();
    assert_eq!(late, count, "{log}");
}

#[test]
fn what_is_no_tls_or_is_cut_off_ends_with_a_reason() {
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    let server = start(&sandbox, SSL);
    let mut hello = Vec::new();
    handshake(&sandbox, "client").write_tls(&mut hello).unwrap();
    let mut flipped = hello.clone();
    flipped[5] = 99;
    let no_tls = "the client does not speak TLS";
    for (bytes, why) in [
        (b"\0\0\0\x02Z5".as_slice(), no_tls),
        (b"\0\0\0\x04ruok", no_tls),
        (b"GET / HTTP/1.1\r\n\r\n", no_tls),
        (&flipped, "received "),
        (b"\x16\x03\x01\xff\xff\x01\x00\x00", "received corrupt message"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "received unexpected message: got Alert"),
    ] {
        let seen = server.running.stderr().len();
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        eventually(SOON, || {
            let log = server.running.stderr();
            matches!(refusals(&log[seen..])[..], [one] if one.starts_with(why))
        });
    }
    // Cut off in the middle of the handshake, and in the middle of a record after it.
    TcpStream::connect(("127.0.0.1", server.port)).unwrap().write_all(&hello).unwrap();
    let mut cut = connect(&sandbox, server.port, "client").unwrap();
    cut.conn.writer().write_all(REGISTER).unwrap();
    let mut record = Vec::new();
    cut.conn.write_tls(&mut record).unwrap();
    cut.sock.write_all(&record[..record.len() / 2]).unwrap();
    drop(cut);
    // A record that was changed on its way.
    let mut changed = connect(&sandbox, server.port, "client").unwrap();
    changed.conn.writer().write_all(REGISTER).unwrap();
    let mut record = Vec::new();
    changed.conn.write_tls(&mut record).unwrap();
    *record.last_mut().unwrap() ^= 1;
    changed.sock.write_all(&record).unwrap();
    let mut rest = Vec::new();
    let _ = changed.sock.read_to_end(&mut rest);
    connect(&sandbox, server.port, "client").unwrap();
    let log = server.stop();
    assert!(!log.contains("a fault of this program"), "{log}");
    assert!(log.contains("disconnected: cannot decrypt peer's message\n"), "{log}");
}

#[test]
fn client_that_encrypts_at_a_server_that_does_not_is_named_so() {
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    let server = Server::start(&sandbox, sandbox.port());
    assert!(connect(&sandbox, server.port, "client").is_err());
    let log = server.stop();
    assert!(log.contains("disconnected: the client speaks TLS, and the server has no <ssl>\n"), "{log}");
}

#[test]
fn renegotiation_is_refused() {
    if !have("openssl") {
        return;
    }
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    let server = start(&sandbox, SSL);
    let address = format!("127.0.0.1:{}", server.port);
    let ask = ["s_client", "-connect", &address, "-tls1_2", "-cert", "client.pem", "-key", "client.key"];
    let asked = sandbox.command("openssl").args(ask).stdin("R\n").output();
    assert!(asked.stderr.contains("RENEGOTIATING"), "{}", asked.stderr);
    connect(&sandbox, server.port, "client").unwrap();
    let log = server.stop();
    assert!(!log.contains("a fault of this program"), "{log}");
}
