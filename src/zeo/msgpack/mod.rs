//! `MessagePack`, as ZEO uses it (ZEO-PROTOCOL section 3): Python's values without extension types.
//!
//! Bytes, text, integers, floats, truth values, nothing, arrays and maps. Arrays are read as tuples; tuples and lists are
//! both written as arrays. Any bytes are fit input: depth, length and number of values are bounded, and nothing recurses
//! by the depth of the input.

mod decode;
mod encode;

pub use decode::{Error, decode};
pub use encode::{EncodeError, encode};
