//! The configuration language: text to a typed tree with line numbers.
//!
//! A file is lines; a line is a comment, a key with a value, the start or the end of a section, or a directive
//! (`%define`, `%include`, `%import`). [`load`] turns files into events, [`Builder`] holds the events against a
//! [`Schema`] (data: section types, slots, keys with datatype and default) and makes a [`Tree`] of converted values.
//!
//! Guarantees: what ZConfig accepts is accepted with the same values, what it refuses is refused, and the first
//! [`Problem`] is at the place that ZConfig would name, or at the key where ZConfig names the end of its section. All
//! faults of a file are reported at once. Any bytes are valid input: [`Limits`] bound time and memory, nothing recurses by
//! the depth of the input, and nothing panics.
//!
//! This module must not know any schema: the word "runner" does not occur in it. The facts are of ZConfig 4.3.

mod address;
mod builder;
mod datatype;
mod environment;
mod error_kind;
mod finish;
mod limits;
mod line;
mod number;
mod open;
mod open_file;
mod overrides;
mod path;
mod problem;
mod reader;
mod schema;
mod section_type;
mod source;
mod substitute;
mod text;
mod tree;
mod value;
mod value_error;

pub use address::Address;
pub use builder::Builder;
pub use datatype::{
    BOOLEAN, BYTE_SIZE, DOTTED_NAME, Datatype, EXISTING_DIRPATH, EXISTING_PATH, FLOAT, INET_ADDRESS, INTEGER,
    SOCKET_ADDRESS, SOCKET_BINDING_ADDRESS, SOCKET_CONNECTION_ADDRESS, STRING, TIME_INTERVAL,
};
pub use environment::Environment;
pub use error_kind::ErrorKind;
pub use limits::Limits;
pub use number::{integer, octal};
pub use open::RawValue;
pub use path::{directory_part, existing_dirpath, expand, is_directory, path_value};
pub use problem::{Location, Problem, Problems, did_you_mean};
pub use reader::{load, load_lossy, load_text_lossy};
pub use schema::{Check, Component, Hint, Schema, SectionFault};
pub use section_type::{Key, Keys, Member, SectionType, Slot, SlotName};
pub use source::{Files, Source};
pub use text::{is_space, split, strip};
pub use tree::{Entry, MemberValue, SectionRef, Tree};
pub use value::Value;
pub use value_error::ValueError;
