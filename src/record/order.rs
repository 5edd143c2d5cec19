//! How the package `BTrees` compares keys and values: by the types of C of a family, and else as Python compares what needs no code of a
//! class.

use std::cmp::Ordering;

use crate::pickle::Value;

/// What a family's letter says of its keys or values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any value.
    Object,
    /// Integers with a sign, of so many bits.
    Signed(u32),
    /// Integers without one, of so many bits.
    Unsigned(u32),
    /// Numbers of C's type `float`.
    Float,
    /// Bytes, so many.
    Fixed(usize),
}

impl Kind {
    /// That of a letter.
    pub(super) fn of(letter: u8) -> Option<Self> {
        Some(match letter {
            b'O' => Self::Object,
            b'I' => Self::Signed(32),
            b'L' => Self::Signed(64),
            b'U' => Self::Unsigned(32),
            b'Q' => Self::Unsigned(64),
            b'F' => Self::Float,
            _ => return None,
        })
    }

    /// Whether it has such a value.
    pub(super) fn has(self, value: &Value) -> bool {
        match self {
            Self::Object => true,
            Self::Signed(bits) => {
                integer(value).is_some_and(|n| (-(1 << (bits - 1))..1 << (bits - 1)).contains(&n))
            }
            Self::Unsigned(bits) => integer(value).is_some_and(|n| (0..1 << bits).contains(&n)),
            Self::Float => matches!(value, Value::Float(_)),
            Self::Fixed(length) => matches!(value, Value::Bytes(bytes) if bytes.len() == length),
        }
    }
}

/// The order of two values; `None`: Python cannot say it, or only by code of a class.
pub(super) fn compare(kind: Kind, one: &Value, two: &Value) -> Option<Ordering> {
    match (kind, one, two) {
        // C finds not-a-number equal to all.
        (Kind::Float, Value::Float(one), Value::Float(two)) => {
            Some(one.partial_cmp(two).unwrap_or(Ordering::Equal))
        }
        (Kind::Float, ..) => None,
        (_, Value::None, Value::None) => Some(Ordering::Equal),
        (_, Value::None, _) => Some(Ordering::Less),
        (_, _, Value::None) => Some(Ordering::Greater),
        _ if is_less(one, two)? => Some(Ordering::Less),
        _ if is_equal(one, two)? => Some(Ordering::Equal),
        _ => Some(Ordering::Greater),
    }
}

/// An integer; not a truth value.
fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Long(bytes) if bytes.len() <= 16 => {
            let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
            let mut all = [fill; 16];
            all[..bytes.len()].copy_from_slice(bytes);
            Some(i128::from_le_bytes(all))
        }
        _ => None,
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Long(_) | Value::Float(_))
}

/// An integer and a float whose order is not looked for.
struct TooLarge;

/// The order of two numbers; `None`: they have none.
fn numbers(one: &Value, two: &Value) -> Result<Option<Ordering>, TooLarge> {
    let whole = |value: &Value| match value {
        Value::Bool(truth) => Some(i128::from(*truth)),
        value => integer(value),
    };
    if let (Some(one), Some(two)) = (whole(one), whole(two)) {
        return Ok(Some(one.cmp(&two)));
    }
    // Integers that a float has exactly.
    let float = |value: &Value| match value {
        Value::Float(float) => Some(*float),
        value => {
            let small = whole(value).and_then(|number| i32::try_from(number).ok());
            small.map(f64::from)
        }
    };
    let (one, two) = float(one).zip(float(two)).ok_or(TooLarge)?;
    Ok(one.partial_cmp(&two))
}

fn is_less(one: &Value, two: &Value) -> Option<bool> {
    match (one, two) {
        (one, two) if is_number(one) && is_number(two) => {
            Some(numbers(one, two).ok()? == Some(Ordering::Less))
        }
        (Value::Text(one), Value::Text(two)) => Some(one < two),
        (Value::Bytes(one), Value::Bytes(two)) => Some(one < two),
        (Value::Tuple(one), Value::Tuple(two)) | (Value::List(one), Value::List(two)) => {
            for (one, two) in one.iter().zip(two) {
                if !is_equal(one, two)? {
                    return is_less(one, two);
                }
            }
            Some(one.len() < two.len())
        }
        // Of others no order is known.
        (Value::Persistent(one), Value::Persistent(two)) if is_same_object(one, two) => Some(false),
        _ => None,
    }
}

fn is_equal(one: &Value, two: &Value) -> Option<bool> {
    match (one, two) {
        (Value::Persistent(one), Value::Persistent(two)) => is_same_object(one, two).then_some(true),
        (Value::Persistent(_) | Value::Call(_), _) | (_, Value::Persistent(_) | Value::Call(_)) => None,
        (one, two) if is_number(one) && is_number(two) => {
            Some(numbers(one, two).ok()? == Some(Ordering::Equal))
        }
        (Value::Tuple(one), Value::Tuple(two)) | (Value::List(one), Value::List(two)) => {
            if one.len() != two.len() {
                return Some(false);
            }
            for (one, two) in one.iter().zip(two) {
                if !is_equal(one, two)? {
                    return Some(false);
                }
            }
            Some(true)
        }
        // Those that differ would have to be put in an order next, which dicts have not.
        (Value::Dict(_), Value::Dict(_)) => (one == two && is_plain(one)).then_some(true),
        (one, two) => Some(one == two),
    }
}

/// Whether its equality is that of its pickle.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Tuple(items) | Value::List(items) => items.iter().all(is_plain),
        Value::Dict(pairs) => pairs.iter().all(|(key, value)| is_plain(key) && is_plain(value)),
        Value::Call(_) | Value::Persistent(_) => false,
        _ => true,
    }
}

/// Whether two persistent ids are of the same object (`ZODB.ConflictResolution.PersistentReference`).
fn is_same_object(one: &Value, two: &Value) -> bool {
    if one == two {
        return true;
    }
    match (place(one), place(two)) {
        (Some(one), Some(two)) => one == two,
        _ => false,
    }
}

/// The database, if it is another one, and the object; `None` of a weak reference.
fn place(id: &Value) -> Option<(Option<&[u8]>, &[u8])> {
    let of_other = |parts: &'_ Value| -> Option<usize> { parts.items().map(<[Value]>::len) };
    match id {
        Value::Tuple(parts) => Some((None, parts.first()?.as_bytes()?)),
        Value::List(parts) => match &parts[..] {
            [Value::Text(kind), parts] if matches!(kind.as_str(), "m" | "n") && of_other(parts)? >= 2 => {
                let parts = parts.items()?;
                Some((Some(parts[0].as_bytes()?), parts[1].as_bytes()?))
            }
            _ => None,
        },
        id => Some((None, id.as_bytes()?)),
    }
}
