//! `{name}`, as Python's `str.format` reads it.

use super::{Fields, Holds, wrong};
use crate::zconfig::Wrong;

pub(super) fn check(format: &str, fields: Fields) -> Result<(), Wrong> {
    level(format, fields, 2)
}

/// Checks a format, or the specification inside of a placeholder, which may hold placeholders once more.
fn level(format: &str, fields: Fields, levels: u8) -> Result<(), Wrong> {
    if levels == 0 {
        return Err(wrong(
            "Max string recursion exceeded",
            "placeholders are nested too deeply",
            "one inside another is allowed",
        ));
    }
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        let (_, from) = rest.split_at(at);
        let after = from.get(1..).unwrap_or_default();
        if from.starts_with("{{") || from.starts_with("}}") {
            rest = from.get(2..).unwrap_or_default();
        } else if from.starts_with('}') {
            return Err(single('}'));
        } else if after.is_empty() {
            return Err(single('{'));
        } else {
            let end = closing(after)?;
            placeholder(after.get(..end).unwrap_or_default(), fields, levels)?;
            rest = after.get(end + 1..).unwrap_or_default();
        }
    }
    Ok(())
}

fn single(brace: char) -> Wrong {
    wrong(
        format!("Single '{brace}' encountered in format string"),
        &format!("a single '{brace}'"),
        &format!("'{brace}{brace}' shows one"),
    )
}

/// Where the brace is closed that was opened before this text.
fn closing(text: &str) -> Result<usize, Wrong> {
    let mut depth = 1_usize;
    for (index, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(index);
        }
    }
    Err(wrong("expected '}' before end of string", "a '{' is not closed", "'{{' shows one"))
}

/// Checks `name!conversion:specification`.
fn placeholder(inner: &str, fields: Fields, levels: u8) -> Result<(), Wrong> {
    let end = inner.find(['!', ':']).unwrap_or(inner.len());
    let (name, tail) = inner.split_at(end);
    let (converted, specification) = match tail.strip_prefix('!') {
        None => (false, tail.strip_prefix(':').unwrap_or_default()),
        Some(tail) => {
            let mut parts = tail.splitn(2, ':');
            if !matches!(parts.next(), Some("r" | "s" | "a")) {
                let message = "expected ':' after conversion specifier";
                return Err(wrong(message, "an unknown conversion after '!'", "!r, !s and !a are known"));
            }
            (true, parts.next().unwrap_or_default())
        }
    };
    if name.is_empty() || name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong(
            "%s formats cannot use positional placeholders",
            "a placeholder has no name",
            "{message} names what it shows",
        ));
    }
    if name.contains(['.', '[', ']', '{']) {
        return Err(wrong(
            format!("'{name}'"),
            "a placeholder looks inside a field",
            "{message} shows the whole field",
        ));
    }
    let holds = fields.find(name)?;
    if specification.contains(['{', '}']) {
        // What the inner placeholders show decides; the event log falls back to the plain field where it does not fit.
        return level(specification, fields, levels - 1);
    }
    fits(specification, if converted { Holds::Text } else { holds })
}

/// Checks `[[fill]align][sign][#][0][width][,][.precision][type]`.
fn fits(specification: &str, holds: Holds) -> Result<(), Wrong> {
    if specification.is_empty() {
        return Ok(());
    }
    if holds == Holds::Other {
        return Err(misfit("unsupported format string passed to NoneType.__format__"));
    }
    let parts = Parts::of(specification);
    let number = holds != Holds::Text;
    let name = match holds {
        Holds::Whole => "int",
        Holds::Number => "float",
        _ => "str",
    };
    let good = matches!(
        (parts.kind, holds),
        (None, _)
            | (Some('s'), Holds::Text)
            | (Some('b' | 'c' | 'd' | 'o' | 'x' | 'X'), Holds::Whole)
            | (Some('n' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%'), Holds::Whole | Holds::Number)
    );
    if parts.rest {
        return Err(misfit("Invalid format specifier"));
    }
    if !good {
        let kind = parts.kind.unwrap_or_default();
        return Err(misfit(&format!("Unknown format code '{kind}' for object of type '{name}'")));
    }
    if !number && parts.sign {
        return Err(misfit("Sign not allowed in string format specifier"));
    }
    if !number && (parts.alternate || parts.grouped || parts.inner) {
        return Err(misfit("Alternate form (#) not allowed in string format specifier"));
    }
    if holds == Holds::Whole
        && parts.precise
        && matches!(parts.kind, None | Some('b' | 'c' | 'd' | 'o' | 'x' | 'X'))
    {
        return Err(misfit("Precision not allowed in integer format specifier"));
    }
    if parts.wide {
        return Err(misfit("Too many decimal digits in format string"));
    }
    Ok(())
}

fn misfit(message: &str) -> Wrong {
    let what = format!("a placeholder does not fit its field ({message})");
    wrong(message, &what, "{message} without a colon shows any field")
}

/// What a specification has.
#[expect(clippy::struct_excessive_bools, reason = "each is one optional part of the notation")]
struct Parts {
    sign: bool,
    alternate: bool,
    /// `=`, which puts padding between sign and digits.
    inner: bool,
    grouped: bool,
    precise: bool,
    wide: bool,
    kind: Option<char>,
    /// Something follows the type.
    rest: bool,
}

impl Parts {
    fn of(specification: &str) -> Self {
        let text: Vec<char> = specification.chars().collect();
        let is = |at: usize, set: &str| text.get(at).is_some_and(|c| set.contains(*c));
        let digits = |at: usize| text.iter().skip(at).take_while(|c| c.is_ascii_digit()).count();
        let mut at = match (is(1, "<>=^"), is(0, "<>=^")) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        };
        let inner = at > 0 && is(at - 1, "=");
        let sign = is(at, "+- ");
        at += usize::from(sign);
        let alternate = is(at, "#");
        at += usize::from(alternate);
        let width = digits(at);
        at += width;
        let grouped = is(at, ",_");
        at += usize::from(grouped);
        let precision = if is(at, ".") { Some(digits(at + 1)) } else { None };
        at += precision.map_or(0, |digits| digits + 1);
        let kind = text.get(at).copied();
        Self {
            sign,
            alternate,
            inner,
            grouped,
            precise: precision.is_some(),
            wide: width > 4 || precision.is_some_and(|digits| digits > 4),
            kind,
            rest: text.len() > at + usize::from(kind.is_some()) || precision == Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(format: &str) -> Result<(), String> {
        check(format, Fields { arbitrary: false }).map_err(|wrong| wrong.message().to_owned())
    }

    #[test]
    fn formats_that_python_shows_pass() {
        for format in [
            "{message}",
            "{{}}",
            "{levelno:05d} {msecs:.3f}",
            "{name!r:>10}",
            "{levelname:*^8s}",
            "{thread:x}",
        ] {
            assert_eq!(message(format), Ok(()), "{format}");
        }
    }

    #[test]
    fn formats_that_python_refuses_are_refused_in_its_words() {
        for (format, expected) in [
            ("a}", "Single '}' encountered in format string"),
            ("a{", "Single '{' encountered in format string"),
            ("{name", "expected '}' before end of string"),
            ("{}", "%s formats cannot use positional placeholders"),
            ("{0}", "%s formats cannot use positional placeholders"),
            ("{name:d}", "Unknown format code 'd' for object of type 'str'"),
            ("{foo}", "'foo'"),
            ("{levelno:.2d}", "Precision not allowed in integer format specifier"),
        ] {
            assert_eq!(message(format), Err(expected.to_owned()), "{format}");
        }
        for format in ["{name!x}", "{args:5}", "{name.x}", "{name:99999}", "{name:+}"] {
            assert!(message(format).is_err(), "{format}");
        }
    }
}
