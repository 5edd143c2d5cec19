//! What can be undone, for clients to choose from (`undoLog`, `undoInfo`; FILESTORAGE section 10).

use std::ops::ControlFlow;

use super::super::stats::number;
use super::super::undo_id;
use super::extension::extension;
use crate::pickle::Value;
use crate::storage::{Error, MAX_HISTORY_BYTES, Undo, Undoable, Wait};

/// Which of the transactions that can be undone, newest first, a client wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// So many are left out.
    pub first: i64,
    /// The number behind the last one; below 0, how many there may be.
    pub last: i64,
    /// Items that an entry must have. It is looked at before transactions are counted.
    pub filter: &'a [(Value, Value)],
}

/// The entries.
pub(super) fn entries(undo: &dyn Undo, wanted: Wanted<'_>, wait: Wait) -> Result<Vec<Value>, Error> {
    let Wanted { first, last, filter } = wanted;
    let last = if last < 0 { first.saturating_sub(last) } else { last };
    let (mut entries, mut bytes, mut count, mut too_long) = (Vec::new(), 0, 0, false);
    if last <= 0 {
        return Ok(entries);
    }
    undo.undoable(wait, &mut |found| {
        let size = size_of::<Undoable>()
            + found.meta.user.len()
            + found.meta.description.len()
            + found.meta.extension.len();
        let entry = entry(found);
        if filter.iter().all(|(key, value)| has(&entry, key, value)) {
            if count >= first {
                bytes += size;
                too_long = bytes > MAX_HISTORY_BYTES;
                entries.push(Value::Dict(entry));
            }
            count += 1;
        }
        if count >= last || too_long { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if too_long {
        let count = entries.len() - 1;
        let what = format!("the list is too long for one reply; ask for {count} transactions");
        return Err(Error::Transaction(what));
    }
    Ok(entries)
}

/// The extension's items win over the entry's own. One that cannot be read has none.
fn entry(found: Undoable) -> Vec<(Value, Value)> {
    let extension = match extension(&found.meta) {
        Ok(Value::Dict(pairs)) => pairs,
        _ => Vec::new(),
    };
    let own = [
        ("id", Value::Bytes(undo_id::encode(found.tid))),
        ("time", Value::Float(found.tid.seconds())),
        ("user_name", Value::Bytes(found.meta.user)),
        ("size", number(found.size)),
        ("description", Value::Bytes(found.meta.description)),
    ];
    let own = own.map(|(name, value)| (Value::Text(name.to_owned()), value)).into_iter();
    let kept = own.filter(|(name, _)| extension.iter().all(|(key, _)| key != name));
    kept.collect::<Vec<_>>().into_iter().chain(extension).collect()
}

/// Whether an entry has an item; what it lacks is None.
fn has(entry: &[(Value, Value)], key: &Value, wanted: &Value) -> bool {
    let found = entry.iter().rev().find(|(name, _)| name == key).map_or(&Value::None, |(_, value)| value);
    match (found, wanted) {
        // Clients write text where FileStorage has bytes.
        (Value::Bytes(_), Value::Text(_)) | (Value::Text(_), Value::Bytes(_)) => {
            found.as_bytes() == wanted.as_bytes()
        }
        (found, Value::Call(_)) if let Some(prefix) = prefix(wanted) => {
            found.as_bytes().is_some_and(|found| found.starts_with(prefix))
        }
        (Value::Int(_) | Value::Bool(_), Value::Int(_) | Value::Bool(_)) => found.as_int() == wanted.as_int(),
        (found, wanted) => found == wanted,
    }
}

/// What a `ZopeUndo.Prefix.Prefix` is the prefix of: its state has `value`, the length and the text.
fn prefix(wanted: &Value) -> Option<&[u8]> {
    let Value::Call(call) = wanted else { return None };
    let Value::Global { module, name } = &call.callable else { return None };
    let value =
        call.state.as_ref().filter(|_| module == "ZopeUndo.Prefix" && name == "Prefix")?.get("value")?;
    value.items()?.get(1)?.as_bytes()
}
