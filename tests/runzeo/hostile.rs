//! Large records, many clients, and those who do not keep to the protocol.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Server;
use super::wire::Client;
use crate::sandbox::{Sandbox, is_long, resident};

#[test]
fn record_of_fifty_megabytes_comes_back_as_it_was() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, sandbox.port());
    let large: Vec<u8> = (0..50_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut client = server.client();
    let tid = client.commit(&[(1, 0, &large)]).unwrap().unwrap();
    assert!(client.load(1).unwrap().unwrap() == (large, tid));
    drop(client);
    server.stop();
}

#[test]
fn thousand_clients_are_served_at_once() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, sandbox.port());
    let count = if is_long() { 1000 } else { 200 };
    let mut clients: Vec<Client> = (0..count).map(|_| server.client()).collect();
    let tid = clients[0].commit(&[(1, 0, b"x")]).unwrap().unwrap();
    for client in &mut clients {
        assert_eq!(client.load(1).unwrap().unwrap(), (b"x".to_vec(), tid));
    }
    for client in &clients[1..] {
        assert_eq!(client.told, [tid], "everybody was told, and before the reply");
    }
    assert!(clients[0].told.is_empty());
    drop(clients);
    server.stop();
}

#[test]
fn clients_that_do_not_keep_to_the_protocol_hold_back_nobody() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, sandbox.port());
    let before = resident(server.running.pid());
    let mut good = server.client();
    let deep = [b"\x80\x03".as_slice(), &vec![b'('; 60_000], &vec![b't'; 60_000], b"."].concat();
    let frame = |content: &[u8]| [&u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat();
    let hostile: [Vec<u8>; 7] = [
        b"\0\0".to_vec(),
        b"\xff\xff\xff\xff".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        frame(b"X5"),
        frame(b""),
        [frame(b"Z5"), frame(&deep)].concat(),
        [frame(b"Z5"), frame(b"\x80\x03cos\nsystem\nX\x02\0\0\0id\x85R.")].concat(),
    ];
    let mut open = Vec::new();
    for _ in 0..10 {
        for bytes in &hostile {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            // It may have been closed already.
            let _ = stream.write_all(bytes);
            open.push(stream);
        }
    }
    let tid = good.commit(&[(1, 0, b"x")]).unwrap().unwrap();
    assert_eq!(good.load(1).unwrap().unwrap(), (b"x".to_vec(), tid));
    // All but the half handshake are closed.
    for (at, stream) in open.iter_mut().enumerate().filter(|(at, _)| at % hostile.len() != 0) {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{}", at % hostile.len());
            }
        }
    }
    let grown = resident(server.running.pid()).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    drop(open);
    server.stop();
}
