//! Converted values.

use super::address::Address;

/// What a datatype makes of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number; infinities and not-a-number are possible.
    Float(f64),
    /// Text, names and paths (`~` expanded).
    Text(String),
    /// Words, such as a command line.
    Words(Vec<String>),
    /// A list of numbers.
    List(Vec<Value>),
    /// Where to listen or to connect.
    Address(Address),
}

impl Value {
    /// The truth of a [`Value::Bool`].
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number of a [`Value::Integer`].
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The text of a [`Value::Text`].
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The words of a [`Value::Words`].
    #[must_use]
    pub fn as_words(&self) -> Option<&[String]> {
        match self {
            Self::Words(words) => Some(words),
            _ => None,
        }
    }

    /// The items of a [`Value::List`].
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}
