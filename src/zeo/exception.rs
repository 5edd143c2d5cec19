//! What fails, as the exceptions that the Python clients know (ZEO-PROTOCOL section 5).

use super::message::instance;
use crate::pickle::Value;
use crate::storage::{Error, NotUndone, Oid, Serial, Tid};

/// Why one object, or a whole transaction, cannot be undone.
const UNDO_ERROR: &str = "ZODB.POSException.UndoError";
/// Objects that one error reply names: a transaction may have millions.
const MAX_UNDO_ERRORS: usize = 1000;

/// An exception of Python: what an error reply says.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// `module.Class`.
    pub name: &'static str,
    /// Its arguments (a tuple) or its attributes (a dict).
    pub arguments: Value,
    /// It is part of normal life, and not worth a line in the log.
    pub expected: bool,
}

impl Exception {
    /// One with a message.
    pub fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, arguments: Value::Tuple(vec![Value::Text(message.into())]), expected: false }
    }

    /// Nothing may be written here.
    pub fn read_only() -> Self {
        Self { name: "ZODB.POSException.ReadOnlyError", arguments: Value::Tuple(Vec::new()), expected: true }
    }

    /// There is no such object.
    pub fn no_object(id: Value) -> Self {
        Self { name: "ZODB.POSException.POSKeyError", arguments: Value::Tuple(vec![id]), expected: true }
    }

    /// A call that does not fit the state of the transaction.
    pub fn transaction(arguments: Vec<Value>) -> Self {
        let name = "ZODB.POSException.StorageTransactionError";
        Self { name, arguments: Value::Tuple(arguments), expected: false }
    }

    /// A transaction that cannot be undone, for a reason that is none of its objects'.
    fn undo(reason: &str) -> Self {
        let arguments = dict([("_reason", Value::Text(reason.to_owned())), ("_oid", Value::None)]);
        Self { name: UNDO_ERROR, arguments, expected: false }
    }

    /// One that cannot be undone because of these objects.
    fn undo_of(objects: &[(Oid, NotUndone)]) -> Self {
        // Python's words (FileStorage._transactionalUndoRecord).
        let reason = |why: NotUndone| {
            let reason = match why {
                NotUndone::ChangedSinceAdded => {
                    "Can't undo an add transaction followed by conflicting transactions."
                }
                NotUndone::Changed => "Some data were modified by a later transaction",
                NotUndone::Deleted => "_loadBack() failed",
                NotUndone::NoDataBefore => "_loadBack() failed for %s",
            };
            Value::Text(reason.to_owned())
        };
        let error = |(of, why): &(Oid, NotUndone)| {
            let reason = reason(*why);
            let state = dict([
                ("_reason", reason.clone()),
                ("_oid", oid(*of)),
                ("args", Value::Tuple(vec![reason, oid(*of)])),
            ]);
            Value::Tuple(vec![oid(*of), instance(UNDO_ERROR, state)])
        };
        let errors = objects.iter().take(MAX_UNDO_ERRORS).map(error).collect();
        let first = objects.first().map_or(Value::None, |(_, why)| reason(*why));
        let arguments = dict([("_reason", first), ("_errs", Value::List(errors))]);
        Self { name: "ZODB.POSException.MultipleUndoErrors", arguments, expected: false }
    }

    /// As a line for the log.
    pub fn describe(&self) -> String {
        let texts = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let said = match &self.arguments {
            Value::Tuple(items) => items.first().and_then(texts),
            Value::Dict(pairs) => pairs.first().and_then(|(_, value)| texts(value)),
            _ => None,
        };
        said.map_or_else(|| self.name.to_owned(), |said| in_a_line(&format!("{}: {said}", self.name)))
    }
}

/// As part of a line of the log, whatever a client has put into it: without what would make it several lines, or a very long
/// one, or something else on a terminal.
pub fn in_a_line(text: &str) -> String {
    const MAX_CHARS: usize = 500;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARS).collect()
}

/// A serial as clients know it: a revision that is none is that of a new object.
pub fn serial(serial: Serial) -> Value {
    tid(serial.unwrap_or(Tid::ZERO))
}

/// A transaction as clients know it.
pub fn tid(tid: Tid) -> Value {
    Value::Bytes(tid.to_bytes().to_vec())
}

/// An object as clients know it.
pub fn oid(oid: Oid) -> Value {
    Value::Bytes(oid.to_bytes().to_vec())
}

/// A dict with texts as keys.
pub fn dict<const N: usize>(items: [(&str, Value); N]) -> Value {
    Value::Dict(items.into_iter().map(|(key, value)| (Value::Text(key.to_owned()), value)).collect())
}

fn conflict(name: &'static str, message: &str, of: Oid, committed: Tid, given: Serial) -> Exception {
    let arguments = dict([
        ("message", Value::Text(message.to_owned())),
        ("oid", oid(of)),
        ("class_name", Value::None),
        ("serials", Value::Tuple(vec![tid(committed), serial(given)])),
    ]);
    Exception { name, arguments, expected: true }
}

impl From<&Error> for Exception {
    fn from(error: &Error) -> Self {
        match error {
            Error::NoSuchObject(missing) => Self::no_object(oid(*missing)),
            Error::Conflict { oid, committed, given } => conflict(
                "ZODB.POSException.ConflictError",
                "database conflict error",
                *oid,
                *committed,
                Some(*given),
            ),
            Error::ReadConflict { oid, committed, given } => conflict(
                "ZODB.POSException.ReadConflictError",
                "database read conflict error",
                *oid,
                *committed,
                Some(*given),
            ),
            Error::NoSuchTransaction(_) => Self::undo("Invalid transaction id"),
            Error::Packed(_) => Self::undo("non-undoable transaction"),
            Error::Undo(objects) => Self::undo_of(objects),
            Error::ReadOnly => Self::read_only(),
            // Clients know TypeError; of other names they see a ServerException.
            Error::Unsupported(_) => Self::new("builtins.TypeError", error.to_string()),
            // What clients try again: a conflict with no object (ZODB.POSException.ConflictError).
            Error::Unavailable(_) | Error::WouldWait => Self {
                name: "ZODB.POSException.ConflictError",
                arguments: dict([
                    ("message", Value::Text(error.to_string())),
                    ("oid", Value::None),
                    ("class_name", Value::None),
                    ("serials", Value::None),
                ]),
                expected: false,
            },
            Error::Transaction(_) => Self::transaction(vec![Value::Text(error.to_string())]),
            Error::Busy(_) | Error::Cancelled | Error::NoRoom { .. } => {
                Self::new("ZODB.FileStorage.FileStorage.FileStorageError", error.to_string())
            }
            Error::Quota => {
                Self::new("ZODB.FileStorage.FileStorage.FileStorageQuotaError", error.to_string())
            }
            Error::Damaged { .. } => {
                Self::new("ZODB.FileStorage.FileStorage.CorruptedDataError", error.to_string())
            }
            Error::System(_) => Self::new("ZODB.POSException.StorageSystemError", error.to_string()),
        }
    }
}

impl From<Error> for Exception {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}
