//! What an object's data say about it without its classes: data are two pickles, the class and the state
//! (ZODB/serialize).

use super::Value;
use super::decode::decode_first;
use super::error::Error;
use super::machine::{Machine, Node};
use super::policy::{Limits, Policy, any_global};
use super::tree::Tree;

/// The class of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its module.
    pub module: String,
    /// Its name in the module.
    pub name: String,
}

/// Limit of the bytes in a persistent id: an oid, and the names of a class or a database.
const MAX_ID_BYTES: usize = 1 << 16;

const RECORD: Policy = Policy { globals: any_global, limits: Limits { depth: 100, steps: usize::MAX } };

/// The class that the first pickle of an object's data names: alone, with arguments of its `__new__`, or as a tuple of
/// the two names (`ZODB.utils.get_pickle_metadata`). `None`: nothing of the kind.
#[must_use]
pub fn class_of(record: &[u8]) -> Option<Class> {
    let policy = Policy { limits: Limits::MESSAGE, ..RECORD };
    let (value, _) = decode_first(record, &policy).ok()?;
    let names = match &value {
        Value::Tuple(parts) => {
            parts.first().filter(|first| !matches!(first, Value::Text(_))).unwrap_or(&value)
        }
        _ => &value,
    };
    match names {
        Value::Global { module, name } => Some(Class { module: module.clone(), name: name.clone() }),
        Value::Tuple(parts) => match parts.as_slice() {
            [Value::Text(module), Value::Text(name)] => {
                Some(Class { module: module.clone(), name: name.clone() })
            }
            _ => None,
        },
        _ => None,
    }
}

/// The persistent ids in an object's data, in their order, with repetitions: what its owner makes of an id
/// (`ZODB.serialize.referencesf` follows ids of bytes and tuples that begin with such).
///
/// Unlike a [`Value`], a state may be of any depth and contain itself.
///
/// # Errors
/// The data are not two pickles.
pub fn persistent_ids(record: &[u8]) -> Result<Vec<Value>, Error> {
    // One machine for both: the second pickle refers to the memo of the first.
    let mut machine = Machine::new(record, &RECORD);
    machine.run()?;
    machine.run()?;
    let nodes = machine.nodes();
    let mut found = Vec::new();
    for node in nodes {
        if let Node::Persistent(id) = node {
            found.push(Tree::new(nodes, Limits::MESSAGE, MAX_ID_BYTES).value(*id)?);
        }
    }
    Ok(found)
}
