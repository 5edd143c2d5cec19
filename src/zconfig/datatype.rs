//! The language's own datatypes (ZCONFIG.md section 9).

use super::address::{connection, inet, listen};
use super::number::{byte_size, float, integer, time_interval};
use super::path::{existing_dirpath, existing_path, path_value};
use super::repr::{repr, shown};
use super::text::{is_basic_key, is_identifier};
use super::value::Value;
use super::world::World;

/// A way to read a text.
pub struct Datatype {
    /// The name by which the reference page calls it.
    pub name: &'static str,
    /// The reading itself.
    pub convert: fn(&str, &World) -> Result<Value, Wrong>,
}

impl std::fmt::Debug for Datatype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Why a text is not of its datatype, or a section not in itself consistent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What ZConfig says.
    message: String,
    /// What is wrong, for people.
    what: String,
    /// What would be right.
    hint: String,
}

impl Wrong {
    /// A fault of a text: `what` continues a sentence that begins with the text, as in `is not a whole number`.
    #[must_use]
    pub fn text(text: &str, message: impl Into<String>, what: &str, hint: impl Into<String>) -> Self {
        Self { message: message.into(), what: format!("{} {what}", shown(text)), hint: hint.into() }
    }

    /// A fault with its own whole sentence.
    #[must_use]
    pub fn new(message: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), what: what.into(), hint: hint.into() }
    }

    /// The same fault with another word on what would be right.
    #[must_use]
    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        hint.clone_into(&mut self.hint);
        self
    }

    /// The words of ZConfig for this fault.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Wrong {}

/// Any text, as it stands.
pub static STRING: Datatype =
    Datatype { name: "string", convert: |text, _| Ok(Value::Text(text.to_owned())) };

/// `yes`, `true`, `on`, or `no`, `false`, `off`, in any case.
pub static BOOLEAN: Datatype =
    Datatype { name: "boolean", convert: |text, _| boolean(text).map(Value::Bool) };

/// A whole number of any size.
pub static INTEGER: Datatype = Datatype { name: "integer", convert: |text, _| integer(text) };

/// A number.
pub static FLOAT: Datatype = Datatype { name: "float", convert: |text, _| float(text) };

/// Bytes; `kb`, `mb`, `gb` multiply.
pub static BYTE_SIZE: Datatype = Datatype { name: "byte-size", convert: |text, _| byte_size(text) };

/// Seconds; `s`, `m`, `h`, `d` multiply.
pub static TIME_INTERVAL: Datatype =
    Datatype { name: "time-interval", convert: |text, _| time_interval(text) };

/// Identifiers joined by dots.
pub static DOTTED_NAME: Datatype = Datatype { name: "dotted-name", convert: |text, _| dotted_name(text) };

/// A path where something is.
pub static EXISTING_PATH: Datatype = Datatype { name: "existing-path", convert: existing_path };

/// A path whose directory is there.
pub static EXISTING_DIRPATH: Datatype = Datatype {
    name: "existing-dirpath",
    convert: |text, world| existing_dirpath(text.as_ref(), world).map(|path| path_value(path, text)),
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
fn boolean(text: &str) -> Result<bool, Wrong> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" => Ok(true),
        "no" | "false" | "off" => Ok(false),
        _ => Err(Wrong::text(
            text,
            format!("not a valid boolean value: {}", repr(text)),
            "is not a boolean",
            "yes, true, on, no, false and off are",
        )),
    }
}

/// Reads the name of a key: checked and lower-cased.
pub(super) fn basic_key_name(text: &str) -> Result<String, Wrong> {
    if is_basic_key(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Wrong::text(
        text,
        format!("value did not match regular expression: {}", repr(text)),
        "cannot be a key",
        basic_key_hint(text),
    ))
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

fn dotted_name(text: &str) -> Result<Value, Wrong> {
    if text.split('.').all(is_identifier) {
        return Ok(Value::Text(text.to_owned()));
    }
    Err(Wrong::text(
        text,
        format!("not a valid dotted name: {}", repr(text)),
        "is not a dotted name",
        "identifiers joined by dots are, such as zeo.server",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(datatype: &Datatype, text: &str) -> Result<Value, String> {
        (datatype.convert)(text, &World::process()).map_err(|wrong| wrong.message().to_owned())
    }

    #[test]
    fn booleans_are_six_words_in_any_case() {
        assert_eq!(read(&BOOLEAN, "On"), Ok(Value::Bool(true)));
        assert_eq!(read(&BOOLEAN, "FALSE"), Ok(Value::Bool(false)));
        for text in ["1", "0", "y", "", " on"] {
            assert_eq!(read(&BOOLEAN, text), Err(format!("not a valid boolean value: '{text}'")));
        }
    }

    #[test]
    fn a_wrong_text_is_shown_with_what_would_be_right() {
        let wrong = boolean("maybe").unwrap_err();
        assert_eq!(wrong.to_string(), "'maybe' is not a boolean; yes, true, on, no, false and off are");
        let wrong = basic_key_name("umask=7").unwrap_err();
        assert_eq!(wrong.to_string(), "'umask=7' cannot be a key; write 'umask 7', without the equals sign");
    }

    #[test]
    fn dotted_names_have_identifiers_only() {
        assert_eq!(read(&DOTTED_NAME, "a.b_1"), Ok(Value::Text("a.b_1".into())));
        for text in ["", "a..b", "a-b", "1a", "a."] {
            assert_eq!(read(&DOTTED_NAME, text), Err(format!("not a valid dotted name: '{text}'")));
        }
    }
}
