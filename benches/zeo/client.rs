//! A client that speaks the protocol with as little work of its own as can be: requests are put together as bytes, of a
//! reply only what tells success is looked at. (Encoding `Z`; ZEO-PROTOCOL sections 1 to 3.)

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;

use zeo_server::storage::{Oid, Tid};

use crate::tls;

/// What precedes a reply's result when it is no error: the flag 0, then the method's name.
const GOOD: &[u8] = b"K\0X\x06\0\0\0.reply";
const REPLY: &[u8] = b"X\x06\0\0\0.reply";

/// Both directions of a connection.
trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// A registered connection.
pub struct Client {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
    /// What of `input` has been looked at, and what has been read.
    range: Range<usize>,
    calls: u16,
}

impl Client {
    /// Connects and registers for storage `1`.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::register(Box::new(stream))
    }

    /// The same, encrypted, with a server of this directory.
    pub fn connect_encrypted(address: SocketAddr, directory: &Path) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::register(Box::new(tls::encrypt(stream, directory)))
    }

    fn register(stream: Box<dyn Stream>) -> Self {
        let mut client = Self { stream, input: vec![0; 1 << 20], range: 0..0, calls: 0 };
        assert_eq!(client.frame(), b"Z5");
        client.send(&framed(b"Z5"));
        let mut request = Vec::new();
        client.call(&mut request, "register", b"X\x01\0\0\x001\x89\x86");
        client.send(&request);
        client.reply();
        client
    }

    /// Adds a call that is answered.
    pub fn call(&mut self, out: &mut Vec<u8>, method: &str, arguments: &[u8]) {
        // Always of two bytes, and never 0, which would mean a call that is not answered.
        self.calls = self.calls.wrapping_add(1) | 0x4000;
        let [low, high] = self.calls.to_le_bytes();
        message(out, &[b'M', low, high, 0x89], method, arguments);
    }

    /// Writes what has been put together.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// The next frame.
    pub fn frame(&mut self) -> &[u8] {
        let range = self.next();
        &self.input[range]
    }

    /// The next reply, its frame; invalidations and other messages of the server are passed over.
    pub fn reply(&mut self) -> &[u8] {
        loop {
            let range = self.next();
            let frame = &self.input[range.clone()];
            let good = found(frame, GOOD);
            assert!(good || !found(frame, REPLY), "an error: {}", String::from_utf8_lossy(frame));
            if good {
                return &self.input[range];
            }
        }
    }

    /// Where in the input the next frame is.
    fn next(&mut self) -> Range<usize> {
        self.need(4);
        let at = self.range.start;
        let length = u32::from_be_bytes(self.input[at..at + 4].try_into().unwrap()) as usize;
        self.need(4 + length);
        let at = self.range.start + 4;
        self.range.start = at + length;
        at..at + length
    }

    /// Reads until so many bytes have not been looked at.
    fn need(&mut self, length: usize) {
        if self.range.start + length > self.input.len() {
            self.input.copy_within(self.range.clone(), 0);
            self.range = 0..self.range.len();
            if length > self.input.len() {
                self.input.resize(length, 0);
            }
        }
        while self.range.len() < length {
            let count = self.stream.read(&mut self.input[self.range.end..]).unwrap();
            assert!(count > 0, "the server has closed the connection");
            self.range.end += count;
        }
    }
}

/// Whether it stands near the frame's beginning, where the longest message id has ended.
fn found(frame: &[u8], wanted: &[u8]) -> bool {
    frame[..frame.len().min(64)].windows(wanted.len()).any(|window| window == wanted)
}

/// `loadBefore` as ZEO's client asks: its arguments are the message's id too.
pub fn load(out: &mut Vec<u8>, oid: Oid, before: Tid) {
    let mut pair = Vec::with_capacity(21);
    for bytes in [oid.to_bytes(), before.to_bytes()] {
        pair.extend(b"C\x08");
        pair.extend(bytes);
    }
    pair.push(0x86);
    let head: Vec<u8> = pair.iter().copied().chain([0x89]).collect();
    message(out, &head, "loadBefore", &pair);
}

/// A call that is not answered.
pub fn tell(out: &mut Vec<u8>, method: &str, arguments: &[u8]) {
    message(out, b"K\0\x88", method, arguments);
}

/// A message in its frame; `head` is the message's id and flag.
fn message(out: &mut Vec<u8>, head: &[u8], method: &str, arguments: &[u8]) {
    let mut body = Vec::with_capacity(64 + arguments.len());
    body.extend(b"\x80\x03(");
    body.extend(head);
    body.push(b'X');
    body.extend(u32::try_from(method.len()).unwrap().to_le_bytes());
    body.extend(method.as_bytes());
    body.extend(arguments);
    body.extend(b"t.");
    out.extend(framed(&body));
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

/// Bytes as an argument.
pub fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'B');
    out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out.extend(bytes);
}
