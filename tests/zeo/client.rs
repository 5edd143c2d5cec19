//! A client of the protocol that says exactly what it is told to: one blocking socket, both encodings.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use zeo_server::pickle::{Limits, Policy, Value, any_global, decode, encode};
use zeo_server::zeo::msgpack;

use crate::sandbox::SOON;

/// How messages are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Pickle,
    Msgpack,
}

pub(crate) const BOTH: [Encoding; 2] = [Encoding::Pickle, Encoding::Msgpack];

const ANY: Policy = Policy { globals: any_global, limits: Limits::MESSAGE };

/// A message of the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) id: Value,
    pub(crate) flag: Value,
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// A connection to a server.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) encoding: Encoding,
    received: Vec<u8>,
    /// Calls of the server that came while a reply was awaited.
    pub(crate) calls: VecDeque<Message>,
    last: i64,
}

impl Client {
    /// Connects, and reads the greeting; says nothing.
    pub(crate) fn silent(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_nodelay(true).expect("an option of TCP");
        stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        let (received, calls) = (Vec::new(), VecDeque::new());
        let mut client = Self { stream, encoding: Encoding::Pickle, received, calls, last: 0 };
        assert_eq!(client.frame().as_deref(), Some(&b"Z5"[..]));
        client
    }

    /// Connects and chooses an encoding.
    pub(crate) fn anonymous(port: u16, encoding: Encoding) -> Self {
        let mut client = Self::silent(port);
        client.encoding = encoding;
        client.put(if encoding == Encoding::Pickle { b"Z5" } else { b"M5" });
        client
    }

    /// Connects, chooses an encoding and registers for the storage `1`.
    pub(crate) fn new(port: u16, encoding: Encoding) -> Self {
        let mut client = Self::anonymous(port, encoding);
        client.call("register", vec![text("1"), Value::Bool(false)]).expect("a client is welcome");
        client
    }

    /// Sends bytes as a frame.
    pub(crate) fn put(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).expect("a short frame").to_be_bytes();
        self.stream.write_all(&[&length[..], frame].concat()).expect("the server reads");
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, id: Value, asynchronous: bool, name: &str, arguments: Vec<Value>) {
        let message = Value::Tuple(vec![id, Value::Bool(asynchronous), text(name), Value::Tuple(arguments)]);
        let frame = self.encoded(&message);
        self.put(&frame);
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

    /// Asks, without waiting for the answer: its id.
    pub(crate) fn ask(&mut self, name: &str, arguments: Vec<Value>) -> Value {
        self.last += 1;
        let id = Value::Int(self.last);
        self.send(id.clone(), false, name, arguments);
        id
    }

    /// Calls without wanting an answer.
    pub(crate) fn tell(&mut self, name: &str, arguments: Vec<Value>) {
        self.send(Value::Int(0), true, name, arguments);
    }

    /// Calls: the result, or the exception with its arguments.
    pub(crate) fn call(&mut self, name: &str, arguments: Vec<Value>) -> Result<Value, (String, Value)> {
        let id = self.ask(name, arguments);
        self.answer(&id)
    }

    /// The answer to what was asked; calls of the server before it are kept.
    pub(crate) fn answer(&mut self, id: &Value) -> Result<Value, (String, Value)> {
        loop {
            let message = self.message().expect("an answer, not an end");
            if message.name != ".reply" {
                self.calls.push_back(message);
                continue;
            }
            assert_eq!(message.id, *id);
            return match (message.flag, message.body) {
                (Value::Int(0), result) => Ok(result),
                (_, Value::Tuple(raised)) => match <[Value; 2]>::try_from(raised) {
                    Ok([Value::Text(name), arguments]) => Err((name, arguments)),
                    other => panic!("{other:?} is no exception"),
                },
                other => panic!("{other:?} is no reply"),
            };
        }
    }

    /// The next message; `None`: the server has closed the connection.
    pub(crate) fn message(&mut self) -> Option<Message> {
        let frame = self.frame()?;
        let value = match self.encoding {
            Encoding::Pickle => decode(&frame, &ANY).expect("the server sends pickles"),
            Encoding::Msgpack => msgpack::decode(&frame).expect("the server sends msgpack"),
        };
        let Value::Tuple(parts) = value else { panic!("{value:?} is no message") };
        let [id, flag, Value::Text(name), body] = <[Value; 4]>::try_from(parts).expect("four parts") else {
            panic!("a message without a name")
        };
        Some(Message { id, flag, name, body })
    }

    /// The next call of the server.
    pub(crate) fn told(&mut self) -> Message {
        let message = self.calls.pop_front().or_else(|| self.message()).expect("a call, not an end");
        assert_ne!(message.name, ".reply", "{message:?}");
        message
    }

    /// The next frame; `None`: the server has closed the connection.
    pub(crate) fn frame(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some((header, rest)) = self.received.split_first_chunk::<4>() {
                let length = u32::from_be_bytes(*header) as usize;
                if rest.len() >= length {
                    let frame = rest[..length].to_vec();
                    self.received.drain(..4 + length);
                    return Some(frame);
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer came: {error}"),
            }
        }
    }

    /// Asserts that the server closes the connection, and says nothing before.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        assert_eq!(self.frame(), None, "not closed");
    }

    /// Goes without a word.
    pub(crate) fn vanish(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Begins a transaction and stores in it.
    pub(crate) fn begin(&mut self, id: i64, stores: &[(u64, u64, &[u8])]) {
        let (none, empty) = (Value::None, Value::Bytes(Vec::new()));
        let dict = Value::Dict(Vec::new());
        self.tell("tpc_begin", vec![Value::Int(id), empty.clone(), empty, dict, none, text(" ")]);
        let mut batch = Vec::new();
        for (oid, serial, data) in stores {
            let frame = self.encoded(&store(id, *oid, *serial, data));
            batch.extend(u32::try_from(frame.len()).expect("a short frame").to_be_bytes());
            batch.extend(frame);
        }
        self.stream.write_all(&batch).expect("the server reads");
    }

    /// One more store.
    pub(crate) fn store(&mut self, id: i64, oid: u64, serial: u64, data: &[u8]) {
        let frame = self.encoded(&store(id, oid, serial, data));
        self.put(&frame);
    }

    /// A whole transaction: its id.
    pub(crate) fn commit(&mut self, id: i64, stores: &[(u64, u64, &[u8])]) -> u64 {
        self.begin(id, stores);
        assert_eq!(self.call("vote", vec![Value::Int(id)]), Ok(self.list(Vec::new())));
        number(&self.call("tpc_finish", vec![Value::Int(id)]).expect("it was voted on"))
    }

    /// A list, as this encoding reads it.
    pub(crate) fn list(&self, items: Vec<Value>) -> Value {
        match self.encoding {
            Encoding::Pickle => Value::List(items),
            Encoding::Msgpack => Value::Tuple(items),
        }
    }

    /// The current data of an object and its transaction.
    pub(crate) fn load(&mut self, oid: u64) -> (Vec<u8>, u64) {
        let loaded = self.call("loadBefore", vec![eight(oid), eight(MAX)]).expect("it exists");
        match loaded.items() {
            Some([Value::Bytes(data), start, Value::None]) => (data.clone(), number(start)),
            _ => panic!("{loaded:?}"),
        }
    }
}

fn store(id: i64, oid: u64, serial: u64, data: &[u8]) -> Value {
    let arguments = vec![eight(oid), eight(serial), Value::Bytes(data.to_vec()), Value::Int(id)];
    Value::Tuple(vec![Value::Int(0), Value::Bool(true), text("storea"), Value::Tuple(arguments)])
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
