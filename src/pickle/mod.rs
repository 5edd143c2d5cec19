//! Python's values as bytes: pickles of the protocols 0 to 3, as zodbpickle writes them into ZEO's messages, into a
//! transaction's extension and into the index of a data file.
//!
//! A pickle is a program for a stack machine. [`Value`] is what such a program makes without running any code: plain
//! values, and, where the program names a class or calls something, that it does so. Nothing is ever imported or called.
//!
//! Promises: any bytes are fit input; depth, length and memory are bounded, nothing recurses by the depth of the input, and
//! nothing panics. It must not know what the values mean.

/// A value of Python, as far as bytes can tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A longer one: two's complement, little-endian, as LONG1 has it.
    Long(Vec<u8>),
    /// A float.
    Float(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text.
    Text(String),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A list.
    List(Vec<Value>),
    /// A dict, in its order.
    Dict(Vec<(Value, Value)>),
    /// A class or function, by its names: `module.name`.
    Global {
        /// The module.
        module: String,
        /// The name in it.
        name: String,
    },
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
    /// The state that the result is given (BUILD), if any.
    pub state: Option<Value>,
}
