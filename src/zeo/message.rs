//! The message in a frame: `(message id, asynchronous, name, arguments)` (ZEO-PROTOCOL section 3), in either encoding.

use thiserror::Error;

use super::{frame, msgpack};
use crate::pickle::{self, Policy, Value};

/// How the messages of a connection are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `Z`.
    Pickle,
    /// `M`.
    Msgpack,
}

/// A message of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its reply carries it, whatever it is.
    pub id: Value,
    /// No reply is wanted.
    pub asynchronous: bool,
    /// What is called.
    pub name: String,
    /// With what.
    pub arguments: Vec<Value>,
}

/// A frame that is no message.
#[derive(Debug, Error)]
pub enum Undecodable {
    /// Its pickle.
    #[error("{0}")]
    Pickle(#[from] pickle::Error),
    /// Its msgpack.
    #[error("{0}")]
    Msgpack(#[from] msgpack::Error),
    /// A value that has not the shape of a message.
    #[error("it is not (id, flag, name, arguments)")]
    Shape,
    /// It is long, and stores no record.
    #[error("it has {0} bytes and stores no record")]
    TooLong(usize),
}

/// Whether a message of so many bytes, of which `head` has arrived, may be read whole: only one that stores a record is long.
///
/// # Errors
/// [`Undecodable::TooLong`].
pub fn admit_length(length: usize, head: &[u8]) -> Result<(), Undecodable> {
    let refused = length > MAX_PLAIN_BYTES && head.len() >= MAX_NAME_OFFSET && !may_store(head);
    if refused { Err(Undecodable::TooLong(length)) } else { Ok(()) }
}

/// A value that the encoding of a connection cannot say.
#[derive(Debug, Error)]
pub enum Unsayable {
    /// With pickles.
    #[error("{0}")]
    Pickle(#[from] pickle::EncodeError),
    /// With msgpack.
    #[error("{0}")]
    Msgpack(#[from] msgpack::EncodeError),
}

/// Longest frame in bytes of a message that stores no record. Decoding copies it, and a reply carries the id again: what only
/// costs the server memory is refused before that.
pub const MAX_PLAIN_BYTES: usize = 1 << 20;
/// The methods that store a record, and how far into a frame their name may end: the id before it is a number.
const STORING_METHODS: [&str; 2] = ["storea", "restorea"];
const MAX_NAME_OFFSET: usize = 128;

/// The name of a reply, and of a client's sign of life.
const REPLY: &str = ".reply";
/// The id of a sign of life.
const KEEP_ALIVE: Value = Value::Int(-1);

impl Encoding {
    /// Reads a frame; `None`: a sign of life, which wants nothing.
    ///
    /// # Errors
    /// It is no message.
    pub fn decode(self, frame: &[u8]) -> Result<Option<Message>, Undecodable> {
        admit_length(frame.len(), frame)?;
        let value = match self {
            Self::Pickle => pickle::decode(frame, &Policy::SERVER)?,
            Self::Msgpack => msgpack::decode(frame)?,
        };
        let (Value::Tuple(parts) | Value::List(parts)) = value else { return Err(Undecodable::Shape) };
        let [id, flag, name, arguments] = <[Value; 4]>::try_from(parts).map_err(|_| Undecodable::Shape)?;
        if id == KEEP_ALIVE {
            return Ok(None);
        }
        let asynchronous = flag.as_int().ok_or(Undecodable::Shape)? != 0;
        let (Value::Text(name), Value::Tuple(arguments) | Value::List(arguments)) = (name, arguments) else {
            return Err(Undecodable::Shape);
        };
        // An id that is no number may be what is long, or what has the method's name in it.
        let stores = STORING_METHODS.contains(&name.as_str()) && matches!(id, Value::Int(_));
        if frame.len() > MAX_PLAIN_BYTES && !stores {
            return Err(Undecodable::TooLong(frame.len()));
        }
        Ok(Some(Message { id, asynchronous, name, arguments }))
    }

    fn append(self, message: &Value, out: &mut Vec<u8>) -> Result<(), Option<Unsayable>> {
        frame::append(out, |out| match self {
            Self::Pickle => pickle::encode(message, out).map_err(Unsayable::from),
            Self::Msgpack => msgpack::encode(message, out).map_err(Unsayable::from),
        })
    }

    /// Appends the reply to the message `id`. A result that cannot be said becomes an error reply that says so.
    pub fn reply(self, id: &Value, result: Value, out: &mut Vec<u8>) {
        let said = self.append(&message(id.clone(), Value::Int(0), REPLY, result), out);
        if let Err(why) = said {
            let why = why.map_or_else(|| "it is too long".to_owned(), |why| why.to_string());
            let why = Value::Text(format!("the result cannot be sent: {why}"));
            self.error(id, "builtins.TypeError", Value::Tuple(vec![why]), out);
        }
    }

    /// Appends the reply that the message `id` failed with an exception of Python: its name, and its arguments or its
    /// attributes.
    pub fn error(self, id: &Value, exception: &str, arguments: Value, out: &mut Vec<u8>) {
        let arguments = match self {
            Self::Pickle => arguments,
            Self::Msgpack => without_instances(arguments),
        };
        let raised = Value::Tuple(vec![Value::Text(exception.to_owned()), arguments]);
        // The arguments are texts, numbers and bytes of ours, the id came in the same encoding.
        let _ = self.append(&message(id.clone(), Value::Int(2), REPLY, raised), out);
    }

    /// Appends a call of the client.
    pub fn call(self, name: &str, arguments: Vec<Value>, out: &mut Vec<u8>) {
        // All arguments are ids and numbers of ours.
        let _ = self.append(&message(Value::Int(0), Value::Bool(true), name, Value::Tuple(arguments)), out);
    }
}

/// What Python's exceptions of ZODB are pickled by.
const RECON: (&str, &str) = ("ZODB.POSException", "_recon");

/// An exception inside of another one: `module.Class` and its attributes.
pub fn instance(class: &str, attributes: Value) -> Value {
    let global =
        |module: &str, name: &str| Value::Global { module: module.to_owned(), name: name.to_owned() };
    let (module, name) = class.rsplit_once('.').unwrap_or(("builtins", class));
    Value::Call(Box::new(pickle::Call {
        callable: global(RECON.0, RECON.1),
        arguments: Value::Tuple(vec![global(module, name), attributes]),
        new: false,
        state: None,
    }))
}

/// With each [`instance`] as Python's server says it where there are no instances: its class by name, and its attributes.
fn without_instances(value: Value) -> Value {
    match value {
        Value::Tuple(items) => Value::Tuple(items.into_iter().map(without_instances).collect()),
        Value::List(items) => Value::List(items.into_iter().map(without_instances).collect()),
        Value::Dict(pairs) => {
            Value::Dict(pairs.into_iter().map(|(key, value)| (key, without_instances(value))).collect())
        }
        Value::Call(call) => match call.arguments.items() {
            Some([Value::Global { module, name }, attributes]) => {
                Value::Tuple(vec![Value::Text(format!("{module}.{name}")), attributes.clone()])
            }
            _ => Value::Call(call),
        },
        other => other,
    }
}

/// Whether the name of a method that stores a record is near the beginning.
fn may_store(frame: &[u8]) -> bool {
    let head = &frame[..frame.len().min(MAX_NAME_OFFSET)];
    STORING_METHODS.iter().any(|name| head.windows(name.len()).any(|part| part == name.as_bytes()))
}

fn message(id: Value, flag: Value, name: &str, arguments: Value) -> Value {
    Value::Tuple(vec![id, flag, Value::Text(name.to_owned()), arguments])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Encoding; 2] = [Encoding::Pickle, Encoding::Msgpack];

    fn encoded(encoding: Encoding, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        encoding.append(value, &mut out).unwrap();
        out.split_off(frame::HEADER)
    }

    #[test]
    fn message_is_read_whatever_its_id_is() {
        for encoding in BOTH {
            let ids = [
                Value::Int(5),
                Value::Text("x".into()),
                Value::Tuple(vec![Value::Bytes(vec![0; 8]), Value::Bytes(vec![1; 8])]),
            ];
            for id in ids {
                for asynchronous in [false, true] {
                    let call =
                        message(id.clone(), Value::Bool(asynchronous), "ping", Value::Tuple(Vec::new()));
                    let read = encoding.decode(&encoded(encoding, &call)).unwrap().unwrap();
                    let expected =
                        Message { id: id.clone(), asynchronous, name: "ping".into(), arguments: Vec::new() };
                    assert_eq!(read, expected);
                }
            }
        }
    }

    #[test]
    fn sign_of_life_wants_nothing_and_other_shapes_are_refused() {
        for encoding in BOTH {
            let alive = message(Value::Int(-1), Value::Int(0), REPLY, Value::None);
            assert_eq!(encoding.decode(&encoded(encoding, &alive)).unwrap(), None);
            for wrong in [
                Value::None,
                Value::Tuple(vec![Value::Int(1); 4]),
                Value::Tuple(vec![Value::Int(1); 5]),
                message(Value::Int(1), Value::Bool(false), "ping", Value::None),
                message(Value::Int(1), Value::None, "ping", Value::Tuple(Vec::new())),
            ] {
                assert!(matches!(encoding.decode(&encoded(encoding, &wrong)), Err(Undecodable::Shape)));
            }
        }
    }

    #[test]
    fn result_that_has_no_form_becomes_an_error_reply() {
        let set = Value::Global { module: "builtins".into(), name: "set".into() };
        let mut out = Vec::new();
        Encoding::Msgpack.reply(&Value::Int(3), set, &mut out);
        let why =
            Value::Text("the result cannot be sent: an instance of a class has no form in msgpack".into());
        let mut expected = Vec::new();
        Encoding::Msgpack.error(&Value::Int(3), "builtins.TypeError", Value::Tuple(vec![why]), &mut expected);
        assert_eq!(out, expected);
    }
}
