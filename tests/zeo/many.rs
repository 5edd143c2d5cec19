//! Many connections: more than the limits allow, and more than ever register.

use nix::sys::signal::Signal;

use zeo_server::pickle::Value;
use zeo_server::zeo::{Limits, Settings};

use super::client::{Client, Encoding, eight, text};
use super::server::Server;
use crate::sandbox::{SOON, Sandbox, eventually, resident};

#[test]
fn limit_of_descriptors_is_raised_for_the_clients() {
    let sandbox = Sandbox::new();
    let port = sandbox.port();
    let start =
        format!("ulimit -Sn 40; exec {} -a 127.0.0.1:{port} -f Data.fs", env!("CARGO_BIN_EXE_runzeo"));
    let running = sandbox.command("sh").args(["-c", &start]).spawn();
    eventually(SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut clients: Vec<_> = (0..100).map(|_| Client::new(port, Encoding::Pickle)).collect();
    assert_eq!(clients[99].call("lastTransaction", vec![]), Ok(eight(0)));
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait(SOON).status, 0);
}

/// A client may need a descriptor for its data besides that of its connection.
#[test]
fn connections_that_never_register_take_nothing_from_clients() {
    let sandbox = Sandbox::new();
    let port = sandbox.port();
    let start = format!("ulimit -n 40; exec {} -a 127.0.0.1:{port} -f Data.fs", env!("CARGO_BIN_EXE_runzeo"));
    let running = sandbox.command("sh").args(["-c", &start]).spawn();
    eventually(SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut before = Client::new(port, Encoding::Pickle);
    let strangers: Vec<_> =
        (0..60).map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let large = vec![b'x'; 400_000];
    before.commit(1, &[(1, 0, &large)]);
    let mut after = Client::new(port, Encoding::Msgpack);
    assert_eq!(after.load(1).0, large);
    after.commit(1, &[(2, 0, &large)]);
    drop(strangers);
    running.signal(Signal::SIGTERM);
    let outcome = running.wait(SOON);
    assert_eq!(outcome.status, 0);
    let line = "disconnected: it has not registered, and others need its place";
    assert!(outcome.stderr.contains(line), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("cannot accept a client"), "{}", outcome.stderr);
}

#[test]
fn oldest_of_too_many_unregistered_connections_ends() {
    let limits = Limits { unregistered: 5, ..Limits::default() };
    let server = Server::start(Settings { limits, ..Settings::default() });
    let mut client = Client::new(server.port, Encoding::Pickle);
    let mut strangers: Vec<_> = (0..8).map(|_| Client::silent(server.port)).collect();
    for stranger in &mut strangers[..3] {
        stranger.assert_closed();
    }
    for stranger in &mut strangers[3..] {
        stranger.put(b"Z5");
        stranger.call("register", vec![text("1"), Value::Bool(false)]).unwrap();
    }
    assert_eq!(client.call("lastTransaction", vec![]), Ok(eight(0)));
    server.assert_logs("WARNING ZEO.asyncio.server");
    assert_eq!(server.log().matches("it has not registered, and others need its place").count(), 3);
}

#[test]
fn clients_beyond_the_limit_wait_until_others_go() {
    let limits = Limits { connections: 3, ..Limits::default() };
    let server = Server::start(Settings { limits, ..Settings::default() });
    let clients: Vec<_> = (0..3).map(|_| Client::new(server.port, Encoding::Pickle)).collect();
    let port = server.port;
    let next =
        std::thread::spawn(move || Client::new(port, Encoding::Pickle).call("lastTransaction", vec![]));
    server.assert_logs("3 clients are connected, as many as may be: others wait");
    assert!(!next.is_finished());
    drop(clients);
    assert_eq!(next.join().unwrap(), Ok(eight(0)));
}

/// What a crowd has taken does not stay with a server that runs for years.
#[test]
fn memory_of_a_crowd_is_given_back() {
    let sandbox = Sandbox::new();
    let port = sandbox.port();
    let running = sandbox.runzeo().args(["-a", &format!("127.0.0.1:{port}"), "-f", "Data.fs"]).spawn();
    eventually(SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let before = resident(running.pid());
    let crowd: Vec<_> = (0..900)
        .map(|_| {
            let mut stranger = Client::anonymous(port, Encoding::Pickle);
            std::io::Write::write_all(&mut stranger.stream, &[&[0, 0, 15, 255][..], &[b'x'; 4000]].concat())
                .unwrap();
            stranger
        })
        .collect();
    let most = resident(running.pid()) - before;
    assert!(most < 900 * (24 << 10), "{most} bytes for 900 connections that have not registered");
    drop(crowd);
    eventually(SOON, || resident(running.pid()).saturating_sub(before) < most / 2);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait(SOON).status, 0);
}
