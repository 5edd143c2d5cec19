//! From bytes to a value.

use super::Value;
use super::error::Error;
use super::machine::Machine;
use super::policy::Policy;
use super::tree::Tree;

/// The value of a pickle that takes up all the bytes.
///
/// # Errors
/// The bytes are no pickle of a protocol up to 3, or one that asks for more than `policy` allows.
pub fn decode(bytes: &[u8], policy: &Policy) -> Result<Value, Error> {
    let (value, used) = decode_first(bytes, policy)?;
    if used < bytes.len() { Err(Error::Trailing(bytes.len() - used)) } else { Ok(value) }
}

/// The value of the pickle that the bytes begin with, and its length.
///
/// # Errors
/// As [`decode`].
pub fn decode_first(bytes: &[u8], policy: &Policy) -> Result<(Value, usize), Error> {
    let mut machine = Machine::new(bytes, policy);
    let top = machine.run()?;
    let used = machine.at();
    let max_bytes = used.saturating_mul(2).max(1 << 20);
    let value = Tree::new(machine.nodes(), policy.limits, max_bytes).value(top)?;
    Ok((value, used))
}

/// The values of two pickles that take up all the bytes, and the length of the first. The second may refer to parts of the first:
/// one pickler of Python wrote both.
///
/// # Errors
/// As [`decode`].
pub fn decode_pair(bytes: &[u8], policy: &Policy) -> Result<(Value, Value, usize), Error> {
    let mut machine = Machine::new(bytes, policy);
    let first = machine.run()?;
    let length = machine.at();
    machine.restart();
    let second = machine.run()?;
    let used = machine.at();
    if used < bytes.len() {
        return Err(Error::Trailing(bytes.len() - used));
    }
    let max_bytes = used.saturating_mul(2).max(1 << 20);
    let mut tree = Tree::new(machine.nodes(), policy.limits, max_bytes);
    Ok((tree.value(first)?, tree.value(second)?, length))
}
