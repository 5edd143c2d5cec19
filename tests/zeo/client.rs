//! A client of the protocol that says exactly what it is told to, and expects the server to be there.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::ops::{Deref, DerefMut};

use zeo_server::pickle::Value;

pub(crate) use super::connection::{Connection, Encoding, MAX, Message, call, eight, number, store, text};

pub(crate) const BOTH: [Encoding; 2] = [Encoding::Pickle, Encoding::Msgpack];

/// A connection that the test relies on.
pub(crate) struct Client {
    connection: Connection,
    /// Calls of the server that came while a reply was awaited.
    pub(crate) calls: VecDeque<Message>,
    last: i64,
}

impl Deref for Client {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Client {
    /// Connects, and reads the greeting; says nothing.
    pub(crate) fn silent(port: u16) -> Self {
        let connection = Connection::open(port).expect("the server listens");
        let mut client = Self { connection, calls: VecDeque::new(), last: 0 };
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
    pub(crate) fn put(&mut self, content: &[u8]) {
        self.connection.put(content).expect("the server reads");
    }

    /// Sends a call.
    pub(crate) fn send(&mut self, id: Value, asynchronous: bool, name: &str, arguments: Vec<Value>) {
        self.connection.send(id, asynchronous, name, arguments).expect("the server reads");
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
            return message.outcome();
        }
    }

    /// The next message; `None`: the server has closed the connection.
    pub(crate) fn message(&mut self) -> Option<Message> {
        self.connection.message().expect("an answer comes")
    }

    /// The next call of the server.
    pub(crate) fn told(&mut self) -> Message {
        let message = self.calls.pop_front().or_else(|| self.message()).expect("a call, not an end");
        assert_ne!(message.name, ".reply", "{message:?}");
        message
    }

    /// The next frame; `None`: the server has closed the connection.
    pub(crate) fn frame(&mut self) -> Option<Vec<u8>> {
        self.connection.frame().expect("an answer comes")
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
        self.connection.begin(id, stores).expect("the server reads");
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
