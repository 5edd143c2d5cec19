//! Frames and messages of the protocol over one blocking socket, in both encodings. What the network fails at is a value
//! here: there are tests that end the server under its clients.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use zeo_server::pickle::{Limits, Policy, Value, any_global, decode, encode};
use zeo_server::zeo::msgpack;

use crate::sandbox::SOON;

/// How messages are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Pickle,
    Msgpack,
}

const ANY: Policy = Policy { globals: any_global, limits: Limits::MESSAGE, python2: true };

/// A message of the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) id: Value,
    pub(crate) flag: Value,
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// A connection to a server.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) encoding: Encoding,
    received: Vec<u8>,
}

impl Connection {
    /// Connects, and says nothing.
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SOON))?;
        stream.set_write_timeout(Some(SOON))?;
        Ok(Self { stream, encoding: Encoding::Pickle, received: Vec::new() })
    }

    /// Sends bytes as a frame.
    pub(crate) fn put(&mut self, content: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(content))
    }

    /// Sends a call.
    pub(crate) fn send(
        &mut self,
        id: Value,
        asynchronous: bool,
        name: &str,
        arguments: Vec<Value>,
    ) -> io::Result<()> {
        let call = call(id, asynchronous, name, arguments);
        self.put(&self.encoded(&call))
    }

    /// Begins a transaction and stores in it: oid, the transaction that is built on, data.
    pub(crate) fn begin(&mut self, id: i64, stores: &[(u64, u64, &[u8])]) -> io::Result<()> {
        let empty = Value::Bytes(Vec::new());
        let dict = Value::Dict(Vec::new());
        let begin = vec![Value::Int(id), empty.clone(), empty, dict, Value::None, text(" ")];
        let mut calls = vec![call(Value::Int(0), true, "tpc_begin", begin)];
        calls.extend(stores.iter().map(|(oid, serial, data)| store(id, *oid, *serial, data)));
        self.send_at_once(&calls)
    }

    /// Sends calls with one write.
    pub(crate) fn send_at_once(&mut self, calls: &[Value]) -> io::Result<()> {
        let frames: Vec<u8> = calls.iter().flat_map(|call| frame(&self.encoded(call))).collect();
        self.stream.write_all(&frames)
    }

    /// The bytes of a value.
    pub(crate) fn encoded(&self, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        match self.encoding {
            Encoding::Pickle => encode(value, &mut out).expect("it can be pickled"),
            Encoding::Msgpack => msgpack::encode(value, &mut out).expect("it can be packed"),
        }
        out
    }

    /// The next message; `None`: the server has closed the connection.
    pub(crate) fn message(&mut self) -> io::Result<Option<Message>> {
        let Some(frame) = self.frame()? else { return Ok(None) };
        let value = match self.encoding {
            Encoding::Pickle => decode(&frame, &ANY).expect("the server sends pickles"),
            Encoding::Msgpack => msgpack::decode(&frame).expect("the server sends msgpack"),
        };
        let Value::Tuple(parts) = value else { panic!("{value:?} is no message") };
        let [id, flag, Value::Text(name), body] = <[Value; 4]>::try_from(parts).expect("four parts") else {
            panic!("a message without a name")
        };
        Ok(Some(Message { id, flag, name, body }))
    }

    /// The next frame; `None`: the server has closed the connection.
    pub(crate) fn frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some((header, rest)) = self.received.split_first_chunk::<4>() {
                let length = u32::from_be_bytes(*header) as usize;
                if rest.len() >= length {
                    let frame = rest[..length].to_vec();
                    self.received.drain(..4 + length);
                    return Ok(Some(frame));
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Message {
    /// A reply: the result, or the exception with its arguments.
    pub(crate) fn outcome(self) -> Result<Value, (String, Value)> {
        match (self.flag, self.body) {
            (Value::Int(0), result) => Ok(result),
            (_, Value::Tuple(raised)) => match <[Value; 2]>::try_from(raised) {
                Ok([Value::Text(name), arguments]) => Err((name, arguments)),
                other => panic!("{other:?} is no exception"),
            },
            other => panic!("{other:?} is no reply"),
        }
    }
}

fn frame(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a short frame");
    [&length.to_be_bytes(), content].concat()
}

/// A call, as a value.
pub(crate) fn call(id: Value, asynchronous: bool, name: &str, arguments: Vec<Value>) -> Value {
    Value::Tuple(vec![id, Value::Bool(asynchronous), text(name), Value::Tuple(arguments)])
}

/// The call that stores a record.
pub(crate) fn store(id: i64, oid: u64, serial: u64, data: &[u8]) -> Value {
    let arguments = vec![eight(oid), eight(serial), Value::Bytes(data.to_vec()), Value::Int(id)];
    call(Value::Int(0), true, "storea", arguments)
}

/// Later than every transaction.
pub(crate) const MAX: u64 = 0x7fff_ffff_ffff_ffff;

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// An oid or tid.
pub(crate) fn eight(number: u64) -> Value {
    Value::Bytes(number.to_be_bytes().to_vec())
}

/// What [`eight`] made.
pub(crate) fn number(value: &Value) -> u64 {
    let bytes = value.as_bytes().and_then(|bytes| bytes.try_into().ok());
    u64::from_be_bytes(bytes.unwrap_or_else(|| panic!("{value:?} is no id")))
}
