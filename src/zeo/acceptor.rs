//! Where clients come in: a socket of either kind.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::listen::File;
use crate::sys;

/// A client's stream of bytes: a socket, or what encrypts one.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A client that has connected.
pub struct Incoming {
    /// What the log calls it.
    pub address: String,
    /// Both directions.
    pub stream: Box<dyn Stream>,
}

/// What clients connect to.
pub trait Acceptor: Send + Sync + 'static {
    /// Waits for the next client.
    fn next(&self) -> impl Future<Output = io::Result<Incoming>> + Send;
}

impl Acceptor for TcpListener {
    async fn next(&self) -> io::Result<Incoming> {
        let (stream, address) = self.accept().await?;
        // A reply that waits for the acknowledgement of the one before it would take 40 ms. Neither option can fail on a
        // living connection, and a dead one shows when it is read.
        let _ = stream.set_nodelay(true);
        let _ = sys::tcp::keep_alive(&stream);
        Ok(Incoming { address: address.to_string(), stream: Box::new(stream) })
    }
}

/// A local socket, whose name goes with it.
impl Acceptor for (UnixListener, File) {
    async fn next(&self) -> io::Result<Incoming> {
        let (stream, _) = self.0.accept().await?;
        // It has no address of its own; the process that connected is what a person looks for.
        let process = stream.peer_cred().ok().and_then(|peer| Some((peer.pid()?, peer.uid())));
        let address = match process {
            Some((pid, uid)) => format!("local socket pid={pid} uid={uid}"),
            None => "local socket".to_owned(),
        };
        Ok(Incoming { address, stream: Box::new(stream) })
    }
}
