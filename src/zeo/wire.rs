//! A client's socket, of either kind, in its two halves: the task of the client reads, whoever has the outbox writes.
//!
//! Here TLS will come in, between the halves and their sockets.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio::sync::Notify;

use super::order::Sink;
use crate::sys;

/// The half that is read.
pub enum Reader {
    /// Of TCP.
    Tcp(tcp::OwnedReadHalf),
    /// Of a local socket.
    Unix(unix::OwnedReadHalf),
}

enum Half {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

/// The half that is written, and the bell of the task that owns the connection.
pub struct Writer {
    half: Half,
    bell: Notify,
}

/// Takes a connection apart.
pub fn tcp(stream: TcpStream) -> (Reader, Arc<Writer>) {
    // A reply that waits for the acknowledgement of the one before it would take 40 ms. Neither option can fail on a
    // living connection, and a dead one is found out by reading it.
    let _ = stream.set_nodelay(true);
    let _ = sys::tcp::keep_alive(&stream);
    let (reader, half) = stream.into_split();
    (Reader::Tcp(reader), Arc::new(Writer { half: Half::Tcp(half), bell: Notify::new() }))
}

/// Takes a connection apart.
pub fn unix(stream: UnixStream) -> (Reader, Arc<Writer>) {
    let (reader, half) = stream.into_split();
    (Reader::Unix(reader), Arc::new(Writer { half: Half::Unix(half), bell: Notify::new() }))
}

impl Reader {
    /// Reads what is there into `room`; 0 bytes: the other end is done.
    pub fn poll_read(&mut self, context: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        let read = match self {
            Self::Tcp(half) => Pin::new(half).poll_read(context, &mut room),
            Self::Unix(half) => Pin::new(half).poll_read(context, &mut room),
        };
        read.map_ok(|()| room.filled().len())
    }
}

impl Writer {
    /// Waits until something can be written.
    pub async fn writable(&self) {
        // An error shows at the next write.
        let _ = match &self.half {
            Half::Tcp(half) => half.writable().await,
            Half::Unix(half) => half.writable().await,
        };
    }

    /// Waits until [`Sink::wake`] is called, or was since the last wait.
    pub async fn woken(&self) {
        self.bell.notified().await;
    }
}

impl Sink for Arc<Writer> {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &self.half {
            Half::Tcp(half) => half.try_write(bytes),
            Half::Unix(half) => half.try_write(bytes),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Ok(0) if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            other => other,
        }
    }

    fn wake(&self) {
        self.bell.notify_one();
    }
}
