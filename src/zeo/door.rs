//! Where clients come in: a socket of either kind.

use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};

use super::listen::File;
use super::wire::{self, Reader, Writer};

/// Somebody who has connected.
pub struct Arrival {
    /// What the log calls it.
    pub address: String,
    /// What it says.
    pub reader: Reader,
    /// What it is told.
    pub writer: Arc<Writer>,
}

/// What clients connect to.
pub trait Door: Send + Sync + 'static {
    /// Waits for the next one.
    fn next(&self) -> impl Future<Output = io::Result<Arrival>> + Send;
}

impl Door for TcpListener {
    async fn next(&self) -> io::Result<Arrival> {
        let (stream, address) = self.accept().await?;
        let (reader, writer) = wire::tcp(stream);
        Ok(Arrival { address: address.to_string(), reader, writer })
    }
}

/// A local socket, whose name goes with it.
impl Door for (UnixListener, File) {
    async fn next(&self) -> io::Result<Arrival> {
        let (stream, _) = self.0.accept().await?;
        let (reader, writer) = wire::unix(stream);
        Ok(Arrival { address: "local socket".to_owned(), reader, writer })
    }
}
