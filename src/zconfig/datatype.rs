//! The language's own datatypes (ZCONFIG section 9).

use super::address::{connection, inet, listen};
use super::environment::Environment;
use super::number::{byte_size, float, integer, time_interval};
use super::path::{existing_dirpath, existing_path, path_value};
use super::text::{is_basic_key, is_identifier};
use super::value::Value;
use super::value_error::ValueError;

/// A conversion of texts to values.
pub struct Datatype {
    /// The name by which the reference page calls it.
    pub name: &'static str,
    /// Converts a text.
    pub convert: fn(&str, &Environment) -> Result<Value, ValueError>,
}

impl std::fmt::Debug for Datatype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Any text, as it stands.
pub static STRING: Datatype =
    Datatype { name: "string", convert: |text, _| Ok(Value::Text(text.to_owned())) };

/// `yes`, `true`, `on`, or `no`, `false`, `off`, in any case.
pub static BOOLEAN: Datatype =
    Datatype { name: "boolean", convert: |text, _| boolean(text).map(Value::Bool) };

/// A whole number of 64 bits.
pub static INTEGER: Datatype =
    Datatype { name: "integer", convert: |text, _| integer(text).map(Value::Integer) };

/// A number.
pub static FLOAT: Datatype = Datatype { name: "float", convert: |text, _| float(text).map(Value::Float) };

/// Bytes; `kb`, `mb`, `gb` multiply.
pub static BYTE_SIZE: Datatype =
    Datatype { name: "byte-size", convert: |text, _| byte_size(text).map(Value::Integer) };

/// Seconds; `s`, `m`, `h`, `d` multiply.
pub static TIME_INTERVAL: Datatype =
    Datatype { name: "time-interval", convert: |text, _| time_interval(text).map(Value::Integer) };

/// Identifiers joined by dots.
pub static DOTTED_NAME: Datatype = Datatype { name: "dotted-name", convert: |text, _| dotted_name(text) };

/// A path where something is.
pub static EXISTING_PATH: Datatype = Datatype { name: "existing-path", convert: existing_path };

/// A path whose directory is there.
pub static EXISTING_DIRPATH: Datatype = Datatype {
    name: "existing-dirpath",
    convert: |text, environment| {
        existing_dirpath(text.as_ref(), environment).map(|path| path_value(path, text))
    },
};

/// Host and port.
pub static INET_ADDRESS: Datatype =
    Datatype { name: "inet-address", convert: |text, _| inet(text).map(Value::Address) };

/// Host and port, or the path of a local socket; no host is any.
pub static SOCKET_ADDRESS: Datatype =
    Datatype { name: "socket-address", convert: |text, _| listen(text).map(Value::Address) };

/// Where to listen: port, host and port, or the path of a local socket.
pub static SOCKET_BINDING_ADDRESS: Datatype =
    Datatype { name: "socket-binding-address", convert: |text, _| listen(text).map(Value::Address) };

/// Where to connect: the same, where the host is this one when not given.
pub static SOCKET_CONNECTION_ADDRESS: Datatype =
    Datatype { name: "socket-connection-address", convert: |text, _| connection(text).map(Value::Address) };

/// Reads a boolean.
fn boolean(text: &str) -> Result<bool, ValueError> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" => Ok(true),
        "no" | "false" | "off" => Ok(false),
        _ => Err(ValueError::text(text, "is not a boolean", "yes, true, on, no, false and off are")),
    }
}

/// Reads the name of a key: checked and lower-cased.
pub(super) fn basic_key_name(text: &str) -> Result<String, ValueError> {
    if is_basic_key(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(ValueError::text(text, "cannot be a key", basic_key_hint(text)))
}

fn basic_key_hint(text: &str) -> String {
    if text.starts_with('\u{feff}') {
        return String::from("save the file without a byte order mark");
    }
    match text.split_once('=') {
        Some((key, value)) if is_basic_key(key) => format!("write '{key} {value}', without the equals sign"),
        _ => String::from("a key is a letter followed by letters, digits, '-', '.' or '_'"),
    }
}

fn dotted_name(text: &str) -> Result<Value, ValueError> {
    if text.split('.').all(is_identifier) {
        return Ok(Value::Text(text.to_owned()));
    }
    Err(ValueError::text(text, "is not a dotted name", "identifiers joined by dots are, such as zeo.server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(datatype: &Datatype, text: &str) -> Result<Value, String> {
        (datatype.convert)(text, &Environment::process()).map_err(|error| error.to_string())
    }

    #[test]
    fn booleans_are_six_words_in_any_case() {
        assert_eq!(read(&BOOLEAN, "On"), Ok(Value::Bool(true)));
        assert_eq!(read(&BOOLEAN, "FALSE"), Ok(Value::Bool(false)));
        for text in ["1", "0", "y", "", " on"] {
            let expected = format!("'{text}' is not a boolean; yes, true, on, no, false and off are");
            assert_eq!(read(&BOOLEAN, text), Err(expected));
        }
    }

    #[test]
    fn a_wrong_text_is_shown_with_what_would_be_right() {
        let wrong = basic_key_name("umask=7").unwrap_err();
        assert_eq!(wrong.to_string(), "'umask=7' cannot be a key; write 'umask 7', without the equals sign");
    }

    #[test]
    fn dotted_names_have_identifiers_only() {
        assert_eq!(read(&DOTTED_NAME, "a.b_1"), Ok(Value::Text("a.b_1".into())));
        for text in ["", "a..b", "a-b", "1a", "a."] {
            assert!(read(&DOTTED_NAME, text).is_err(), "{text}");
        }
    }
}
