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

/// Host and the rest of an http URL, taken apart as Python's `urlparse` does.
fn http_url(text: &str) -> Result<Value, ValueError> {
    let clean: String = strip(text).chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect();
    let (scheme, rest) = clean.split_once(':').unwrap_or(("", &clean));
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let brackets_match = host.contains('[') == host.contains(']');
    if !scheme.eq_ignore_ascii_case("http") || host.is_empty() || !path.starts_with('/') || !brackets_match {
        return Err(ValueError::text(text, "is not an http URL", "http://HOST/PATH is"));
    }
    Ok(Value::Url { host: host.to_owned(), path: without_empty_parts(path) })
}

/// A path without a `;`, `?` or `#` that nothing follows.
fn without_empty_parts(path: &str) -> String {
    let (path, fragment) = path.split_once('#').unwrap_or((path, ""));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let last = path.rfind('/').unwrap_or_default();
    let (path, parameters) = match path.get(last..).and_then(|name| name.find(';')) {
        Some(at) => {
            (path.get(..last + at).unwrap_or_default(), path.get(last + at + 1..).unwrap_or_default())
        }
        None => (path, ""),
    };
    let mut out = path.to_owned();
    for (mark, part) in [(';', parameters), ('?', query), ('#', fragment)] {
        if !part.is_empty() {
            out.push(mark);
            out.push_str(part);
        }
    }
    out
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
        let url = |host: &str, path: &str| Ok(Value::Url { host: host.into(), path: path.into() });
        assert_eq!(http_url("HTTP://h:80/p;a?q#f"), url("h:80", "/p;a?q#f"));
        assert_eq!(http_url("http://h/p;?#"), url("h", "/p"));
        for text in ["https://h/", "http:///x", "http://h?x", "http://[h/"] {
            let expected = format!("'{text}' is not an http URL; http://HOST/PATH is");
            assert_eq!(http_url(text).unwrap_err().to_string(), expected);
        }
    }
}
