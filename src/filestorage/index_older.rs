//! Index files of older versions of ZODB: one pickle of a dict with the end and the index, as an instance that has the same
//! rows as the newer form, or as a plain dict of positions (FILESTORAGE section 7).

use std::io::{self, Read};

use super::format::{LARGEST_POSITION, START};
use super::index::{Index, to_number};
use super::index_file::group;
use crate::pickle::{self, Limits, Policy, Value};
use crate::storage::Oid;

/// A longer file takes more time and memory to read than the data file.
const LONGEST: u64 = 64 << 20;
/// Some hundred thousand objects of a plain dict; instances have only a few values.
const POLICY: Policy = Policy { globals: pickle::any_global, limits: Limits { depth: 16, steps: 1_000_000 } };

/// Reads an index file of the older form; the index and the end that it is good for.
///
/// # Errors
/// It is none, or damaged, or too long, or cannot be read.
pub fn read(file: impl Read, length: u64) -> io::Result<(Index, u64)> {
    if length > LONGEST {
        return Err(wrong("its form is an older one, and it is long"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let value = pickle::decode(&bytes, &POLICY);
    let value = value.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    let end = value.get("pos").and_then(Value::as_int).and_then(|end| u64::try_from(end).ok());
    let end = end.filter(|end| (START..=LARGEST_POSITION).contains(end));
    let end = end.ok_or_else(|| wrong("it has no end"))?;
    let index = match value.get("index") {
        Some(Value::Dict(pairs)) => from_dict(pairs, end)?,
        Some(Value::Call(instance)) => {
            let rows = instance.state.as_ref().and_then(|state| state.get("_data")?.items());
            from_rows(rows.ok_or_else(|| wrong("its index has no rows"))?, end)?
        }
        _ => return Err(wrong("it has no index")),
    };
    Ok((index, end))
}

/// Pairs of prefix and rows.
fn from_rows(groups: &[Value], end: u64) -> io::Result<Index> {
    let mut index = Index::default();
    for pair in groups {
        let parts = pair.items().and_then(|pair| Some((pair.first()?.as_bytes()?, pair.get(1)?.as_bytes()?)));
        let (prefix, rows) = parts.ok_or_else(|| wrong("a group is none"))?;
        let prefix = prefix.try_into().map_err(|_| wrong("a prefix has a wrong length"))?;
        index.insert_group(to_number(prefix), group(rows, end)?);
    }
    Ok(index)
}

/// Pairs of id and position.
fn from_dict(pairs: &[(Value, Value)], end: u64) -> io::Result<Index> {
    let mut index = Index::default();
    for (oid, position) in pairs {
        let oid = oid.as_bytes().and_then(|oid| oid.try_into().ok()).map(Oid::from_bytes);
        let position = position.as_int().and_then(|position| u64::try_from(position).ok());
        let position = position.filter(|position| (START..end).contains(position));
        let (Some(oid), Some(position)) = (oid, position) else {
            return Err(wrong("an object has no id or an impossible position"));
        };
        index.insert(oid, position);
    }
    Ok(index)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
