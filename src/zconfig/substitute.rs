//! Substitution of `$name`, `${name}`, `$(NAME)` and `$$` (ZCONFIG section 6).

use std::borrow::Cow;
use std::collections::HashMap;

use super::environment::Environment;

/// Why a text cannot be substituted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// `$` ends the text.
    Lone,
    /// `$` and then neither `$` nor a name.
    NoName,
    /// `${` or `$(` and then no name.
    Open(char),
    /// `${name` or `$(NAME` and then no closing mark.
    NotClosed { start: String, mark: char },
    /// A name that is not defined.
    Undefined(String),
    /// An environment variable that is not set.
    Unset(String),
    /// An environment variable whose value is not text.
    NotText(String),
    /// The result would pass this many bytes.
    TooLong(usize),
}

/// The text with every reference replaced; replacements are not scanned again. The result has at most `max_bytes`
/// bytes.
pub(super) fn substitute<'a>(
    text: &'a str,
    defined: &HashMap<String, String>,
    environment: &Environment,
    max_bytes: usize,
) -> Result<Cow<'a, str>, Fault> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (replacement, after) = reference(after, defined, environment)?;
        if out.len() + replacement.len() > max_bytes {
            return Err(Fault::TooLong(max_bytes));
        }
        out.push_str(&replacement);
        rest = after;
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// What the text after a `$` stands for, and what follows.
fn reference<'a, 'd>(
    after: &'a str,
    defined: &'d HashMap<String, String>,
    environment: &Environment,
) -> Result<(Cow<'d, str>, &'a str), Fault> {
    match after.chars().next() {
        None => Err(Fault::Lone),
        Some('$') => Ok((Cow::Borrowed("$"), after.get(1..).unwrap_or_default())),
        Some('{') => {
            let (name, rest) = enclosed(after, '{', '}')?;
            Ok((Cow::Borrowed(definition(name, defined)?), rest))
        }
        Some('(') => {
            let (name, rest) = enclosed(after, '(', ')')?;
            let value = environment.variable(name).ok_or_else(|| Fault::Unset(name.to_owned()))?;
            let value = value.into_string().map_err(|_| Fault::NotText(name.to_owned()))?;
            Ok((Cow::Owned(value), rest))
        }
        Some(_) => {
            let (name, rest) = leading_name(after).ok_or(Fault::NoName)?;
            Ok((Cow::Borrowed(definition(name, defined)?), rest))
        }
    }
}

fn definition<'d>(name: &str, defined: &'d HashMap<String, String>) -> Result<&'d str, Fault> {
    let value = defined.get(&name.to_lowercase());
    value.map(String::as_str).ok_or_else(|| Fault::Undefined(name.to_owned()))
}

fn enclosed(after: &str, open: char, mark: char) -> Result<(&str, &str), Fault> {
    let inside = after.get(1..).unwrap_or_default();
    let (name, rest) = leading_name(inside).ok_or(Fault::Open(open))?;
    let rest =
        rest.strip_prefix(mark).ok_or_else(|| Fault::NotClosed { start: format!("${open}{name}"), mark })?;
    Ok((name, rest))
}

/// The longest name that a text begins with, and the rest.
fn leading_name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    name.starts_with(|c: char| !c.is_ascii_digit()).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<String, Fault> {
        let defined = HashMap::from([("x".into(), "val".into()), ("d".into(), "$x".into())]);
        let environment = Environment::fixed(
            "/".into(),
            HashMap::from([("E".into(), "$x".into()), ("N".into(), String::new())]),
        );
        substitute(text, &defined, &environment, 100).map(Cow::into_owned)
    }

    #[test]
    fn references_are_replaced_once() {
        assert_eq!(run("a $x ${X}b $$x $d $(E)$(N)."), Ok("a val valb $x $x $x.".into()));
        assert_eq!(run("none"), Ok("none".into()));
    }

    #[test]
    fn the_first_fault_from_the_left_is_reported() {
        assert_eq!(run("a$"), Err(Fault::Lone));
        assert_eq!(run("$1 $"), Err(Fault::NoName));
        assert_eq!(run("${}"), Err(Fault::Open('{')));
        assert_eq!(run("$("), Err(Fault::Open('(')));
        assert_eq!(run("${x:-y}"), Err(Fault::NotClosed { start: "${x".into(), mark: '}' }));
        assert_eq!(run("$(E:-y)"), Err(Fault::NotClosed { start: "$(E".into(), mark: ')' }));
        assert_eq!(run("$x1"), Err(Fault::Undefined("x1".into())));
        assert_eq!(run("$(e)"), Err(Fault::Unset("e".into())));
    }

    #[test]
    fn growth_is_bounded() {
        assert_eq!(run(&"$x".repeat(50)), Err(Fault::TooLong(100)));
    }
}
