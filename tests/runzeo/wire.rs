//! A client of ZEO's protocol 5 with pickles, message by message.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use zeo_server::pickle::{Limits, Policy, Value, any_global, decode, encode};

/// How long a reply may take; far beyond what any should.
const PATIENCE: Duration = Duration::from_secs(60);

/// Data, and the transaction that made them.
pub(crate) type Loaded = (Vec<u8>, [u8; 8]);

/// A connection, registered with the storage `1`.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    next: i64,
    /// Transactions that the server has told of.
    pub(crate) told: Vec<[u8; 8]>,
}

/// What the server answers: a value, or an exception's name and arguments.
pub(crate) type Reply = Result<Value, Value>;

impl Client {
    /// Connects and registers.
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut client =
            Self { stream: BufReader::with_capacity(1 << 18, stream), next: 1, told: Vec::new() };
        let greeting = client.receive_frame()?;
        if greeting != b"Z5" {
            return Err(io::Error::other(format!("the greeting is {}", greeting.escape_ascii())));
        }
        client.send(&frame(b"Z5"))?;
        let arguments = vec![text("1"), Value::Bool(false)];
        client.call("register", arguments)?.map_err(|error| io::Error::other(format!("{error:?}")))?;
        Ok(client)
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// A frame's content.
    pub(crate) fn receive_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut content = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut content)?;
        Ok(content)
    }

    /// The next reply, with the id of its call; what the server tells unasked is taken in on the way.
    pub(crate) fn receive(&mut self) -> io::Result<(Value, Reply)> {
        loop {
            let content = self.receive_frame()?;
            let policy =
                Policy { globals: any_global, limits: Limits { steps: 10_000_000, ..Limits::MESSAGE } };
            let message = decode(&content, &policy).map_err(io::Error::other)?;
            let Value::Tuple(parts) = message else { return Err(io::Error::other("not a tuple")) };
            let Ok([id, flag, name, value]) = <[Value; 4]>::try_from(parts) else {
                return Err(io::Error::other("not four parts"));
            };
            if name == text(".reply") {
                return Ok((id, if flag.as_int() == Some(2) { Err(value) } else { Ok(value) }));
            }
            if name == text("invalidateTransaction") {
                let tid = value.items().and_then(<[Value]>::first).and_then(Value::as_bytes);
                self.told.extend(tid.and_then(|tid| <[u8; 8]>::try_from(tid).ok()));
            }
        }
    }

    /// Calls a method and waits for the reply.
    pub(crate) fn call(&mut self, method: &str, arguments: Vec<Value>) -> io::Result<Reply> {
        let id = Value::Int(self.next);
        self.next += 1;
        self.send(&message(&id, false, method, arguments))?;
        let (answered, reply) = self.receive()?;
        if answered != id {
            return Err(io::Error::other(format!("{id:?} was called and {answered:?} answered")));
        }
        Ok(reply)
    }

    /// Commits records (oid, the transaction they build on, data) in one transaction; its id, or the exception.
    pub(crate) fn commit(&mut self, records: &[(u64, [u8; 8], &[u8])]) -> io::Result<Result<[u8; 8], Value>> {
        let transaction = Value::Int(self.next);
        let mut out = begin(&transaction);
        for (oid, serial, data) in records {
            out.extend(store(*oid, *serial, data, &transaction));
        }
        self.send(&out)?;
        if let Err(error) = self.call("vote", vec![transaction.clone()])? {
            return Ok(Err(error));
        }
        Ok(self.call("tpc_finish", vec![transaction])?.map(|tid| id_of(&tid)))
    }

    /// The current data of an object, and the transaction that made them.
    pub(crate) fn load(&mut self, oid: u64) -> io::Result<Result<Loaded, Value>> {
        let latest = bytes(&[0x7f, 255, 255, 255, 255, 255, 255, 255]);
        let reply = self.call("loadBefore", vec![bytes(&oid.to_be_bytes()), latest])?;
        Ok(reply.map(|value| match value.items() {
            Some([data, start, _]) => (data.as_bytes().unwrap_or_default().to_vec(), id_of(start)),
            _ => panic!("{value:?}"),
        }))
    }
}

fn id_of(value: &Value) -> [u8; 8] {
    value.as_bytes().and_then(|id| id.try_into().ok()).unwrap_or_else(|| panic!("no id: {value:?}"))
}

/// A text.
pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Bytes.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

/// The message that begins a transaction.
pub(crate) fn begin(transaction: &Value) -> Vec<u8> {
    let nothing = || bytes(b"");
    let arguments =
        vec![transaction.clone(), nothing(), nothing(), Value::Dict(Vec::new()), Value::None, text(" ")];
    message(&Value::Int(0), true, "tpc_begin", arguments)
}

/// The message that stores a record.
pub(crate) fn store(oid: u64, serial: [u8; 8], data: &[u8], transaction: &Value) -> Vec<u8> {
    let arguments = vec![bytes(&oid.to_be_bytes()), bytes(&serial), bytes(data), transaction.clone()];
    message(&Value::Int(0), true, "storea", arguments)
}

/// A framed message.
pub(crate) fn message(id: &Value, cast: bool, method: &str, arguments: Vec<Value>) -> Vec<u8> {
    let parts = vec![id.clone(), Value::Bool(cast), text(method), Value::Tuple(arguments)];
    let mut content = Vec::new();
    encode(&Value::Tuple(parts), &mut content).expect("short enough");
    frame(&content)
}

/// A frame.
pub(crate) fn frame(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("short enough");
    [&length.to_be_bytes(), content].concat()
}
