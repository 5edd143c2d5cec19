//! What a transaction says of itself beyond user and description.

use super::super::exception::Exception;
use crate::pickle::{self, Limits, Policy, Value, any_global};
use crate::storage::Meta;

/// What a transaction's extension may be: whatever a client once stored.
const EXTENSION: Policy = Policy { globals: any_global, limits: Limits::MESSAGE, python2: true };

/// What a transaction's extension is: a dict, as a rule.
pub(super) fn extension(meta: &Meta) -> Result<Value, Exception> {
    if meta.extension.is_empty() {
        return Ok(Value::Dict(Vec::new()));
    }
    pickle::decode(&meta.extension, &EXTENSION).map_err(|error| {
        let what = format!("the extension of a transaction cannot be read: {error}");
        Exception::new("builtins.ValueError", what)
    })
}
