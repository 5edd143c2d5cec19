//! `runzeo` as people and other programs meet it.

mod certificates;
mod configuration;
mod crash;
mod damage;
mod data_file;
mod disk;
mod hostile;
mod life;
mod pack;
mod real_files;
mod tls;
mod tls_client;
mod tls_files;
mod tls_hostile;
mod usage;
mod wire;

use std::net::TcpStream;

use nix::sys::signal::Signal;

use crate::sandbox::run::Running;
use crate::sandbox::{SOON, Sandbox, eventually};
use wire::Client;

/// A server of the sandbox's `Data.fs` on a port of 127.0.0.1.
struct Server {
    running: Running,
    port: u16,
}

impl Server {
    /// Starts it, and waits until it listens.
    fn start(sandbox: &Sandbox, port: u16) -> Self {
        let address = format!("127.0.0.1:{port}");
        let running = sandbox.runzeo().args(["-a", &address, "-f", "Data.fs"]).spawn();
        let server = Self { running, port };
        server.await_listening();
        server
    }

    fn await_listening(&self) {
        eventually(SOON, || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    fn client(&self) -> Client {
        Client::connect(self.port).expect("a client can register")
    }

    /// Ends it with SIGTERM; what it said on stderr.
    fn stop(self) -> String {
        self.running.signal(Signal::SIGTERM);
        let outcome = self.running.wait(SOON);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (0, ""), "{}", outcome.stderr);
        outcome.stderr
    }
}
