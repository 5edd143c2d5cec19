//! The methods of the protocol with their arguments (ZEO-PROTOCOL section 7), from message to meaning.

use super::undo_id;
use crate::pickle::{self, Value};
use crate::storage::{Meta, Oid, Operation, Serial, Tid};

/// What a client asks for. Fields are named as in the specification.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Call {
    Register {
        storage: String,
        read_only: bool,
    },
    GetInfo,
    LastTransaction,
    GetInvalidations(Tid),
    LoadBefore {
        oid: Oid,
        before: Tid,
    },
    LoadSerial {
        oid: Oid,
        tid: Tid,
    },
    GetTid(Oid),
    History {
        oid: Oid,
        size: usize,
    },
    NewOids(u32),
    RecordNext(Option<Oid>),
    UndoLog {
        first: i64,
        last: i64,
        filter: Vec<(Value, Value)>,
    },
    /// Seconds since 1970, and whether the reply is to wait for the end.
    Pack {
        time: f64,
        wait: bool,
    },
    /// What needs an ability that no storage has yet.
    Lacking(&'static str),
    /// A step of a transaction that needs one: the vote fails.
    LackingStep {
        id: Value,
        ability: &'static str,
    },
    StoreBlobPart,
    ServerStatus,
    Ping,
    SetClientLabel(String),
    IteratorStart {
        start: Option<Tid>,
        stop: Option<Tid>,
    },
    IteratorNext(i64),
    IteratorRecordStart {
        iterator: i64,
        tid: Tid,
    },
    IteratorRecordNext(i64),
    IteratorGc(Vec<i64>),
    Begin {
        id: Value,
        meta: Box<Meta>,
    },
    Step {
        id: Value,
        operation: Operation,
    },
    Vote(Value),
    Finish(Value),
    Abort(Value),
}

/// Why a message is no call.
#[derive(Debug, Clone, PartialEq)]
pub enum NoCall {
    /// There is no such method.
    Unknown,
    /// The arguments do not fit.
    Arguments,
    /// What is to be an object's id is none, so there is no such object.
    NoObject(Value),
}

impl Call {
    /// Whether it is nothing without its reply: the client must learn what has become of it.
    #[must_use]
    pub fn needs_reply(&self) -> bool {
        matches!(
            self,
            Self::Register { .. }
                | Self::LastTransaction
                | Self::GetInvalidations(_)
                | Self::Vote(_)
                | Self::Finish(_)
        )
    }
}

/// The most that `new_oids` gives at once.
const OIDS: i64 = 100;

impl Call {
    /// The call of a message.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(name: &str, arguments: Vec<Value>) -> Result<Self, NoCall> {
        let mut left = Arguments { values: arguments.into_iter() };
        let call = match name {
            "storea" | "checkCurrentSerialInTransaction" | "deleteObject" | "restorea" => {
                step(name, &mut left)?
            }
            "undoa" => {
                // What is no name of a transaction is that of one that there is not, which the vote says.
                let tid = left.value()?.as_bytes().and_then(undo_id::decode).unwrap_or(Tid::ZERO);
                Self::Step { id: left.value()?, operation: Operation::Undo { tid } }
            }
            "tpc_begin" => begin(&mut left)?,
            "iterator_start"
            | "iterator_next"
            | "iterator_record_start"
            | "iterator_record_next"
            | "iterator_gc" => iteration(name, &mut left)?,
            "register" => Self::Register {
                storage: left.text()?,
                read_only: left.next().is_some_and(|flag| is_true(&flag)),
            },
            "get_info" => Self::GetInfo,
            "lastTransaction" => Self::LastTransaction,
            "getInvalidations" => Self::GetInvalidations(left.tid()?),
            "loadBefore" => Self::LoadBefore { oid: left.oid()?, before: left.tid()? },
            "loadSerial" => Self::LoadSerial { oid: left.oid()?, tid: left.tid()? },
            "getTid" => Self::GetTid(left.oid()?),
            "history" => {
                let oid = left.oid()?;
                let size = left.next().map_or(Some(1), |size| size.as_int()).ok_or(NoCall::Arguments)?;
                Self::History { oid, size: usize::try_from(size).unwrap_or(0) }
            }
            "new_oids" => {
                let count =
                    left.next().map_or(Some(OIDS), |count| count.as_int()).ok_or(NoCall::Arguments)?;
                Self::NewOids(u32::try_from(count.clamp(1, OIDS)).unwrap_or(1))
            }
            "record_iternext" => Self::RecordNext(left.optional()?.map(Oid::from_bytes)),
            "undoLog" | "undoInfo" => {
                let mut number = |default| left.next().map_or(Some(default), |value| value.as_int());
                let first = number(0).ok_or(NoCall::Arguments)?;
                let last = number(-20).ok_or(NoCall::Arguments)?;
                let filter = match left.next().filter(|_| name == "undoInfo") {
                    Some(Value::Dict(pairs)) => pairs,
                    None | Some(Value::None) => Vec::new(),
                    Some(_) => return Err(NoCall::Arguments),
                };
                Self::UndoLog { first, last, filter }
            }
            "pack" => {
                Self::Pack { time: left.seconds()?, wait: left.next().is_none_or(|flag| is_true(&flag)) }
            }
            "sendBlob" => left.ignore(Self::Lacking("sendBlob")),
            "storeBlobStart" | "storeBlobChunk" => left.ignore(Self::StoreBlobPart),
            "storeBlobEnd" | "storeBlobShared" => {
                Self::LackingStep { id: left.last()?, ability: "storeBlob" }
            }
            "server_status" => Self::ServerStatus,
            "ping" => Self::Ping,
            "set_client_label" => Self::SetClientLabel(left.text()?),
            "vote" => Self::Vote(left.value()?),
            "tpc_finish" => Self::Finish(left.value()?),
            "tpc_abort" => Self::Abort(left.value()?),
            _ => return Err(NoCall::Unknown),
        };
        if left.values.next().is_some() { Err(NoCall::Arguments) } else { Ok(call) }
    }
}

fn step(name: &str, left: &mut Arguments) -> Result<Call, NoCall> {
    let oid = left.oid()?;
    let operation = match name {
        "storea" => Operation::Store { oid, serial: left.serial()?, data: left.bytes()? },
        "restorea" => {
            // The serial is the transaction's own id.
            left.serial()?;
            let data = left.data()?;
            Operation::Restore { oid, data, previous: left.optional()?.map(Tid::from_bytes) }
        }
        "deleteObject" => Operation::Delete { oid, serial: left.serial()? },
        _ => Operation::CheckCurrent { oid, serial: left.serial()? },
    };
    Ok(Call::Step { id: left.value()?, operation })
}

fn begin(left: &mut Arguments) -> Result<Call, NoCall> {
    let id = left.value()?;
    let (user, description) = (left.bytes()?, left.bytes()?);
    let extension = match left.value()? {
        Value::None => Vec::new(),
        Value::Dict(pairs) if pairs.is_empty() => Vec::new(),
        // It was pickled by the client.
        Value::Bytes(pickled) => pickled,
        extension => {
            let mut pickled = Vec::new();
            pickle::encode_with_memo(&as_dict(extension), &mut pickled).map_err(|_| NoCall::Arguments)?;
            pickled
        }
    };
    let tid = left.optional()?.map(Tid::from_bytes);
    let packed = left.next().is_some_and(|status| status.as_bytes() == Some(b"p"));
    Ok(Call::Begin { id, meta: Box::new(Meta { tid, packed, user, description, extension }) })
}

/// The dict that an extension is; subclasses of dict come as a call with their items.
fn as_dict(extension: Value) -> Value {
    let Value::Call(call) = &extension else { return extension };
    let called = matches!(&call.callable, Value::Global { module, name }
        if matches!(module.as_str(), "builtins" | "__builtin__") && name == "dict");
    let pair = |item: &Value| match item.items() {
        Some([key, value]) => Some((key.clone(), value.clone())),
        _ => None,
    };
    let pairs = match call.arguments.items() {
        Some([items]) if called && call.state.is_none() => {
            items.items().and_then(|items| items.iter().map(pair).collect::<Option<_>>())
        }
        _ => None,
    };
    pairs.map_or(extension, Value::Dict)
}

fn iteration(name: &str, left: &mut Arguments) -> Result<Call, NoCall> {
    Ok(match name {
        "iterator_start" => Call::IteratorStart {
            start: left.optional()?.map(Tid::from_bytes),
            stop: left.optional()?.map(Tid::from_bytes),
        },
        "iterator_next" => Call::IteratorNext(left.number()?),
        "iterator_record_start" => Call::IteratorRecordStart { iterator: left.number()?, tid: left.tid()? },
        "iterator_record_next" => Call::IteratorRecordNext(left.number()?),
        _ => {
            let ids = left.value()?;
            let ids = ids.items().ok_or(NoCall::Arguments)?.iter().map(Value::as_int);
            Call::IteratorGc(ids.collect::<Option<_>>().ok_or(NoCall::Arguments)?)
        }
    })
}

/// The remaining arguments.
struct Arguments {
    values: std::vec::IntoIter<Value>,
}

impl Arguments {
    fn next(&mut self) -> Option<Value> {
        self.values.next()
    }

    fn value(&mut self) -> Result<Value, NoCall> {
        self.next().ok_or(NoCall::Arguments)
    }

    /// The call, whatever the other arguments are.
    fn ignore(&mut self, call: Call) -> Call {
        self.values.by_ref().for_each(drop);
        call
    }

    /// The last argument, whatever those before it are.
    fn last(&mut self) -> Result<Value, NoCall> {
        self.values.by_ref().last().ok_or(NoCall::Arguments)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, NoCall> {
        self.data()?.ok_or(NoCall::Arguments)
    }

    fn data(&mut self) -> Result<Option<Vec<u8>>, NoCall> {
        match self.value()? {
            Value::Bytes(bytes) => Ok(Some(bytes)),
            Value::Text(text) => Ok(Some(text.into_bytes())),
            Value::None => Ok(None),
            _ => Err(NoCall::Arguments),
        }
    }

    fn text(&mut self) -> Result<String, NoCall> {
        self.bytes().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn seconds(&mut self) -> Result<f64, NoCall> {
        match self.value()? {
            Value::Float(seconds) => Ok(seconds),
            #[allow(clippy::cast_precision_loss)] // a time
            Value::Int(seconds) => Ok(seconds as f64),
            _ => Err(NoCall::Arguments),
        }
    }

    fn number(&mut self) -> Result<i64, NoCall> {
        self.value()?.as_int().ok_or(NoCall::Arguments)
    }

    fn optional(&mut self) -> Result<Option<[u8; 8]>, NoCall> {
        match self.next() {
            None | Some(Value::None) => Ok(None),
            Some(value) => eight(&value).map(Some).ok_or(NoCall::Arguments),
        }
    }

    fn oid(&mut self) -> Result<Oid, NoCall> {
        let value = self.value()?;
        eight(&value).map(Oid::from_bytes).ok_or(NoCall::NoObject(value))
    }

    fn tid(&mut self) -> Result<Tid, NoCall> {
        eight(&self.value()?).map(Tid::from_bytes).ok_or(NoCall::Arguments)
    }

    /// Any value is a serial; one that is not 8 bytes is none of any revision.
    fn serial(&mut self) -> Result<Serial, NoCall> {
        Ok(match self.value()? {
            Value::Bytes(bytes) => bytes.try_into().ok().map(Tid::from_bytes),
            _ => None,
        })
    }
}

fn eight(value: &Value) -> Option<[u8; 8]> {
    value.as_bytes()?.try_into().ok()
}

fn is_true(value: &Value) -> bool {
    value.as_int().is_some_and(|number| number != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: u64) -> Value {
        Value::Bytes(number.to_be_bytes().to_vec())
    }

    #[test]
    fn calls_have_their_arguments() {
        let text = |text: &str| Value::Text(text.into());
        for (name, arguments, call) in [
            (
                "register",
                vec![text("1"), Value::Bool(true)],
                Call::Register { storage: "1".into(), read_only: true },
            ),
            ("loadBefore", vec![bytes(1), bytes(2)], Call::LoadBefore { oid: Oid(1), before: Tid(2) }),
            ("history", vec![bytes(1)], Call::History { oid: Oid(1), size: 1 }),
            ("history", vec![bytes(1), Value::Int(-3)], Call::History { oid: Oid(1), size: 0 }),
            ("new_oids", vec![], Call::NewOids(100)),
            ("new_oids", vec![Value::Int(0)], Call::NewOids(1)),
            ("new_oids", vec![Value::Int(1 << 40)], Call::NewOids(100)),
            ("record_iternext", vec![Value::None], Call::RecordNext(None)),
            ("record_iternext", vec![], Call::RecordNext(None)),
            (
                "storea",
                vec![bytes(1), text(&"\0".repeat(8)), Value::Bytes(vec![9]), Value::Int(7)],
                Call::Step {
                    id: Value::Int(7),
                    operation: Operation::Store { oid: Oid(1), serial: None, data: vec![9] },
                },
            ),
            (
                "restorea",
                vec![bytes(1), bytes(3), Value::None, bytes(4), Value::Int(7)],
                Call::Step {
                    id: Value::Int(7),
                    operation: Operation::Restore { oid: Oid(1), data: None, previous: Some(Tid(4)) },
                },
            ),
            (
                "tpc_begin",
                vec![
                    Value::Int(7),
                    Value::Bytes(b"u".to_vec()),
                    text("d"),
                    Value::Dict(vec![]),
                    bytes(5),
                    text("p"),
                ],
                Call::Begin {
                    id: Value::Int(7),
                    meta: Box::new(Meta {
                        tid: Some(Tid(5)),
                        packed: true,
                        user: b"u".to_vec(),
                        description: b"d".to_vec(),
                        extension: vec![],
                    }),
                },
            ),
            ("iterator_gc", vec![Value::List(vec![Value::Int(3)])], Call::IteratorGc(vec![3])),
            (
                "undoa",
                vec![Value::Bytes(b"AAAAAAAAAAE=".to_vec()), Value::Int(7)],
                Call::Step { id: Value::Int(7), operation: Operation::Undo { tid: Tid(1) } },
            ),
            (
                "undoa",
                vec![Value::None, Value::Int(7)],
                Call::Step { id: Value::Int(7), operation: Operation::Undo { tid: Tid::ZERO } },
            ),
            ("undoLog", vec![], Call::UndoLog { first: 0, last: -20, filter: vec![] }),
            (
                "undoInfo",
                vec![Value::Int(3), Value::Int(9), Value::Dict(vec![(text("user_name"), text("x"))])],
                Call::UndoLog { first: 3, last: 9, filter: vec![(text("user_name"), text("x"))] },
            ),
        ] {
            assert_eq!(Call::parse(name, arguments), Ok(call), "{name}");
        }
    }

    #[test]
    fn extension_is_pickled_with_a_memo_or_is_there_pickled() {
        let pickled = b"\x80\x03}q\0X\x01\0\0\0aq\x01K\x01s.";
        let dict = Value::Dict(vec![(Value::Text("a".into()), Value::Int(1))]);
        for extension in [dict, Value::Bytes(pickled.to_vec())] {
            let texts = [b"u", b"d"].map(|text| Value::Bytes(text.to_vec()));
            let arguments = [vec![Value::Int(7)], texts.to_vec(), vec![extension, Value::None]].concat();
            let Ok(Call::Begin { meta, .. }) = Call::parse("tpc_begin", arguments) else { panic!() };
            assert_eq!(meta.extension, pickled);
        }
    }

    #[test]
    fn extension_of_a_subclass_of_dict_is_a_dict() {
        let pairs = vec![(Value::Text("foo".into()), Value::Int(1))];
        let items = pairs.iter().map(|(key, value)| Value::Tuple(vec![key.clone(), value.clone()]));
        let call = pickle::Call {
            callable: Value::Global { module: "builtins".into(), name: "dict".into() },
            arguments: Value::Tuple(vec![Value::Tuple(items.collect())]),
            new: false,
            state: None,
        };
        assert_eq!(as_dict(Value::Call(Box::new(call.clone()))), Value::Dict(pairs));
        let other = pickle::Call { arguments: Value::Tuple(vec![Value::Int(1)]), ..call };
        let other = Value::Call(Box::new(other));
        assert_eq!(as_dict(other.clone()), other);
    }

    #[test]
    fn what_is_no_call_has_its_reason() {
        assert_eq!(Call::parse("__class__", vec![]), Err(NoCall::Unknown));
        let no_oid = Value::Bytes(vec![1; 7]);
        assert_eq!(Call::parse("getTid", vec![no_oid.clone()]), Err(NoCall::NoObject(no_oid)));
        for (name, arguments) in [
            ("loadBefore", vec![bytes(1)]),
            ("loadBefore", vec![bytes(1), bytes(1), bytes(1)]),
            ("loadBefore", vec![bytes(1), Value::None]),
            ("ping", vec![Value::None]),
            ("undoLog", vec![Value::None]),
            ("undoInfo", vec![Value::Int(0), Value::Int(1), Value::Int(2)]),
            ("iterator_gc", vec![Value::Int(1)]),
            ("tpc_begin", vec![Value::Int(7), Value::None]),
        ] {
            assert_eq!(Call::parse(name, arguments), Err(NoCall::Arguments), "{name}");
        }
    }
}
