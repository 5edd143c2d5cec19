//! A client under which the server may end.

use std::io;

use zeo_server::pickle::Value;

use crate::zeo::connection::{Connection, MAX, eight, number, text};

/// Data, and the transaction that made them.
pub(crate) type Loaded = (Vec<u8>, u64);

/// What the server answers: a value, or an exception's name and arguments.
pub(crate) type Reply = Result<Value, (String, Value)>;

/// A connection, registered with the storage `1`.
pub(crate) struct Client {
    connection: Connection,
    last: i64,
    /// Transactions that the server has told of.
    pub(crate) told: Vec<u64>,
}

impl Client {
    /// Connects and registers.
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        Self::register(port, false)
    }

    /// Connects and registers for reading only.
    pub(crate) fn connect_to_read(port: u16) -> io::Result<Self> {
        Self::register(port, true)
    }

    fn register(port: u16, read_only: bool) -> io::Result<Self> {
        let mut client = Self { connection: Connection::open(port)?, last: 0, told: Vec::new() };
        let greeting = client.connection.frame()?.ok_or_else(end)?;
        assert_eq!(greeting, b"Z5");
        client.connection.put(b"Z5")?;
        let registered = client.call("register", vec![text("1"), Value::Bool(read_only)])?;
        registered.expect("a client is welcome");
        Ok(client)
    }

    /// Calls a method and waits for the reply; what the server tells meanwhile is taken in.
    fn call(&mut self, method: &str, arguments: Vec<Value>) -> io::Result<Reply> {
        self.last += 1;
        let id = Value::Int(self.last);
        self.connection.send(id.clone(), false, method, arguments)?;
        loop {
            let message = self.connection.message()?.ok_or_else(end)?;
            if message.name == ".reply" {
                assert_eq!(message.id, id);
                return Ok(message.outcome());
            }
            if message.name == "invalidateTransaction" {
                self.told.extend(message.body.items().and_then(<[Value]>::first).map(number));
            }
        }
    }

    /// Begins a transaction of these records, and no more.
    pub(crate) fn begin(&mut self, records: &[(u64, u64, &[u8])]) -> io::Result<()> {
        self.connection.begin(1, records)
    }

    /// Packs to a time, in seconds since 1970.
    pub(crate) fn pack(&mut self, time: f64, wait: bool) -> io::Result<Reply> {
        self.call("pack", vec![Value::Float(time), Value::Bool(wait)])
    }

    /// Commits records (oid, the transaction they build on, data) in one transaction; its id, or the exception.
    pub(crate) fn commit(
        &mut self,
        records: &[(u64, u64, &[u8])],
    ) -> io::Result<Result<u64, (String, Value)>> {
        let id = self.last + 1;
        self.connection.begin(id, records)?;
        if let Err(exception) = self.call("vote", vec![Value::Int(id)])? {
            return Ok(Err(exception));
        }
        Ok(self.call("tpc_finish", vec![Value::Int(id)])?.map(|tid| number(&tid)))
    }

    /// The current data of an object, and the transaction that made them.
    pub(crate) fn load(&mut self, oid: u64) -> io::Result<Result<Loaded, (String, Value)>> {
        let reply = self.call("loadBefore", vec![eight(oid), eight(MAX)])?;
        Ok(reply.map(|value| match value.items() {
            Some([Value::Bytes(data), start, _]) => (data.clone(), number(start)),
            _ => panic!("{value:?}"),
        }))
    }
}

/// The server has closed the connection.
fn end() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
