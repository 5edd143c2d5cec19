//! The datatypes of logging.

use crate::eventlog::{Level, Syslog};
use crate::zconfig::{self, Datatype, Value, ValueError, strip};

/// A severity.
pub(super) static LOG_LEVEL: Datatype = Datatype { name: "log level", convert: |text, _| log_level(text) };

/// The placeholder language of a log format: `%(message)s` only.
pub(super) static LOG_STYLE: Datatype = Datatype { name: "log style", convert: |text, _| log_style(text) };

/// A log format, with its escapes.
pub(super) static LOG_FORMAT: Datatype =
    Datatype { name: "log format", convert: |text, _| Ok(Value::Text(unescape(text))) };

/// A syslog facility.
pub(super) static SYSLOG_FACILITY: Datatype =
    Datatype { name: "syslog facility", convert: |text, _| syslog_facility(text) };

/// An http URL.
pub(super) static HTTP_URL: Datatype = Datatype { name: "http URL", convert: |text, _| http_url(text) };

/// `GET` or `POST`.
pub(super) static HTTP_METHOD: Datatype =
    Datatype { name: "GET or POST", convert: |text, _| http_method(text) };

fn log_level(text: &str) -> Result<Value, ValueError> {
    let lower = text.to_lowercase();
    if let Some(level) = Level::from_name(&lower) {
        return Ok(Value::Integer(i64::from(level.0)));
    }
    if let Ok(level @ 0..=50) = zconfig::integer(&lower) {
        return Ok(Value::Integer(level));
    }
    let names = Level::NAMES.map(|(name, _)| name).join(", ");
    Err(ValueError::text(text, "is not a log level", format!("{names} and 0 to 50 are")))
}

/// ZConfig has three more, with placeholders such as `{message}` and `$message`; no published configuration uses them.
fn log_style(text: &str) -> Result<Value, ValueError> {
    if text.eq_ignore_ascii_case("classic") {
        return Ok(Value::Text("classic".to_owned()));
    }
    let hint = "leave style out and write placeholders as %(message)s";
    Err(ValueError::text(text, "is not a style here; only classic is", hint))
}

/// A backslash and one of `n t b f r` stand for a control character; each in turn, over the whole text.
fn unescape(text: &str) -> String {
    [("\\n", "\n"), ("\\t", "\t"), ("\\b", "\u{8}"), ("\\f", "\u{c}"), ("\\r", "\r")]
        .iter()
        .fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

fn syslog_facility(text: &str) -> Result<Value, ValueError> {
    let lower = text.to_lowercase();
    if Syslog::facilities().any(|facility| facility == lower) {
        return Ok(Value::Text(lower));
    }
    let facilities: Vec<&str> = Syslog::facilities().collect();
    Err(ValueError::text(text, "is not a syslog facility", format!("{} are", facilities.join(", "))))
}

fn http_method(text: &str) -> Result<Value, ValueError> {
    let upper = text.to_uppercase();
    if upper == "GET" || upper == "POST" {
        return Ok(Value::Text(upper));
    }
    Err(ValueError::text(text, "is not a method", "GET and POST are"))
}

/// An http URL with host and path, as written: handlers with one are refused later.
fn http_url(text: &str) -> Result<Value, ValueError> {
    let url = strip(text);
    let is_http = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let behind = url.get(7..).filter(|_| is_http).unwrap_or_default();
    let (host, path) = behind.split_at(behind.find(['/', '?', '#']).unwrap_or(behind.len()));
    if host.is_empty() || !path.starts_with('/') || host.contains('[') != host.contains(']') {
        return Err(ValueError::text(text, "is not an http URL", "http://HOST/PATH is"));
    }
    Ok(Value::Text(url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_names_and_numbers() {
        assert_eq!((log_level("Warn"), log_level("35")), (Ok(Value::Integer(30)), Ok(Value::Integer(35))));
        for text in ["51", "-1", "1.5", "loud"] {
            let error = log_level(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("'{text}' is not a log level; critical, ")), "{error}");
        }
    }

    #[test]
    fn escapes_become_characters() {
        assert_eq!(unescape(r"a\nb\\tc\q"), "a\nb\\\tc\\q");
    }

    #[test]
    fn urls_have_host_and_path() {
        assert_eq!(http_url("HTTP://h:80/p;a?q#f"), Ok(Value::Text("HTTP://h:80/p;a?q#f".into())));
        for text in ["https://h/", "http:///x", "http://h?x", "http://[h/", "h/x", "é"] {
            let expected = format!("'{text}' is not an http URL; http://HOST/PATH is");
            assert_eq!(http_url(text).unwrap_err().to_string(), expected);
        }
    }
}
