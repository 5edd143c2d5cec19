//! Python's values as bytes: pickles of the protocols 1 to 3, as zodbpickle and before it Python 2 have written them into
//! ZEO's messages, into a transaction's extension and into the index of a data file. (ZODB has never written protocol 0.)
//!
//! A pickle is a program for a stack machine. [`Value`] is what such a program makes without running any code: plain
//! values, and, where the program names a class or calls something, that it does so. Nothing is ever imported or called.
//!
//! The machine (`machine`) builds a flat table of nodes that refer to each other by number, since a pickle may use a value
//! before it is complete, several times, or inside itself. Only then a tree is made of it (`tree`), which is where shared
//! values become copies: the number of values, the bytes in them and the depth are bounded there again, so that a few
//! bytes cannot ask for gigabytes ("memo bomb") and everything that walks a [`Value`] may recurse.
//!
//! Guarantees: any bytes are valid input; depth, length and memory are bounded, nothing recurses by the depth of the input,
//! and nothing panics. This module must not know what the values mean.

mod decode;
mod encode;
mod error;
mod input;
mod machine;
mod number;
mod persistent;
mod policy;
#[cfg(test)]
mod tests;
mod tree;

pub use decode::{decode, decode_first, decode_pair};
pub use encode::{EncodeError, encode, encode_with_memo};
pub use error::Error;
pub use persistent::{PersistentId, PersistentIds};
pub use policy::{Globals, Limits, Policy, any_global, server_global};

/// A value of Python, as far as its pickle describes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A longer one: two's complement, little-endian, as short as possible, as LONG1 has it.
    Long(Vec<u8>),
    /// A float.
    Float(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text. Also strings of Python 2, which may be meant as bytes, if they are ASCII (others are
    /// [`Value::Bytes`]): an id may come as either, see [`Value::as_bytes`].
    Text(String),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A list.
    List(Vec<Value>),
    /// A dict, in its order. A key that comes twice has its last value.
    Dict(Vec<(Value, Value)>),
    /// A class or function, by its names: `module.name`.
    Global {
        /// The module.
        module: String,
        /// The name in it.
        name: String,
    },
    /// Another object, by its persistent id. Only in a record.
    Persistent(Box<Value>),
    /// What a call gives, which is not carried out: an instance, a set.
    Call(Box<Call>),
}

/// A call that a pickle asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub callable: Value,
    /// With what: a tuple.
    pub arguments: Value,
    /// Whether the instance is made by the class's `__new__` alone (NEWOBJ) rather than by calling it.
    pub new: bool,
    /// The state that the result is given (BUILD), if any.
    pub state: Option<Value>,
}

impl Value {
    /// The bytes, of bytes and of text.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The number, of an integer of up to 64 bits and of a truth value.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bool(truth) => Some(i64::from(*truth)),
            _ => None,
        }
    }

    /// The items of a tuple or list.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Tuple(items) | Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// What a dict has for a text.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(pairs) = self else { return None };
        let found = |(k, _): &&(Self, Self)| matches!(k, Self::Text(text) if text == key);
        pairs.iter().rev().find(found).map(|(_, value)| value)
    }
}
