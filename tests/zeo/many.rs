//! More clients than the usual limit of descriptors allows.

use nix::sys::signal::Signal;

use super::client::{Client, Encoding, eight};
use crate::sandbox::{SOON, Sandbox, eventually};

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

#[test]
fn clients_beyond_the_hard_limit_wait_until_others_go() {
    let sandbox = Sandbox::new();
    let port = sandbox.port();
    let start = format!("ulimit -n 40; exec {} -a 127.0.0.1:{port} -f Data.fs", env!("CARGO_BIN_EXE_runzeo"));
    let running = sandbox.command("sh").args(["-c", &start]).spawn();
    eventually(SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let many: Vec<_> = (0..60).map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    eventually(SOON, || running.stderr().contains("cannot accept a client: "));
    drop(many);
    let mut client = Client::new(port, Encoding::Pickle);
    assert_eq!(client.call("lastTransaction", vec![]), Ok(eight(0)));
    running.signal(Signal::SIGTERM);
    let outcome = running.wait(SOON);
    assert_eq!(outcome.status, 0);
    assert!(outcome.stderr.contains("clients are accepted again"), "{}", outcome.stderr);
}
