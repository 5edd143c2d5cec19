//! `{name}`, as Python's `str.format` reads it.

use super::{Fields, Holds, wrong};
use crate::zconfig::Wrong;

pub(super) fn check(format: &str, fields: Fields) -> Result<(), Wrong> {
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
            let (placeholder, following) = parse(after)?;
            placeholder.check(fields)?;
            rest = following;
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

/// `name!conversion:specification`.
struct Placeholder<'a> {
    name: &'a str,
    conversion: Option<char>,
    specification: &'a str,
}

/// What follows an opening brace: a placeholder, and what is behind its closing brace.
fn parse(text: &str) -> Result<(Placeholder<'_>, &str), Wrong> {
    let open = |message| wrong(message, "a '{' is not closed", "'{{' shows one");
    let unclosed = || open("expected '}' before end of string");
    let (name, after) = name(text)?;
    let mut after = after;
    let mut conversion = None;
    if let Some(tail) = after.strip_prefix('!') {
        let mut tail = tail.chars();
        let letter =
            tail.next().ok_or_else(|| open("end of string while looking for conversion specifier"))?;
        conversion = Some(letter);
        after = tail.as_str();
        if after.is_empty() {
            return Err(open("unmatched '{' in format spec"));
        }
        if !after.starts_with([':', '}']) {
            let message = "expected ':' after conversion specifier";
            return Err(wrong(message, "a conversion after '!' has one letter", "!r, !s and !a are known"));
        }
    }
    if let Some(rest) = after.strip_prefix('}') {
        return Ok((Placeholder { name, conversion, specification: "" }, rest));
    }
    let specification = after.strip_prefix(':').ok_or_else(unclosed)?;
    let mut depth = 1_usize;
    for (index, c) in specification.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (specification, rest) = specification.split_at(index);
            let rest = rest.get(1..).unwrap_or_default();
            return Ok((Placeholder { name, conversion, specification }, rest));
        }
    }
    Err(open("unmatched '{' in format spec"))
}

/// The name up to what ends it, which in square brackets does not.
fn name(text: &str) -> Result<(&str, &str), Wrong> {
    let mut bracketed = false;
    for (index, c) in text.char_indices() {
        match c {
            '{' => {
                return Err(wrong(
                    "unexpected '{' in field name",
                    "a '{' stands in a name",
                    "'{{' shows one",
                ));
            }
            '[' => bracketed = true,
            ']' => bracketed = false,
            '}' | ':' | '!' if !bracketed => return Ok(text.split_at(index)),
            _ => {}
        }
    }
    Err(wrong("expected '}' before end of string", "a '{' is not closed", "'{{' shows one"))
}

impl Placeholder<'_> {
    fn check(&self, fields: Fields) -> Result<(), Wrong> {
        let first = self.name.split(['.', '[']).next().unwrap_or_default();
        if self.name.is_empty() || !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong(
                "%s formats cannot use positional placeholders",
                "a placeholder has no name",
                "{message} names what it shows",
            ));
        }
        if first != self.name {
            let what = "a placeholder looks inside a field";
            return Err(wrong(format!("'{}'", self.name), what, "{message} shows the whole field"));
        }
        let holds = fields.find(self.name)?;
        if let Some(letter) = self.conversion.filter(|letter| !"rsa".contains(*letter)) {
            let message = format!("Unknown conversion specifier {letter}");
            return Err(wrong(message, "an unknown conversion after '!'", "!r, !s and !a are known"));
        }
        if self.specification.contains(['{', '}']) {
            let what = "a placeholder stands inside another";
            return Err(wrong(what, what, "write the width in digits"));
        }
        fits(self.specification, if self.conversion.is_some() { Holds::Text } else { holds })
    }
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
    let whole =
        holds == Holds::Whole && matches!(parts.kind, None | Some('b' | 'c' | 'd' | 'n' | 'o' | 'x' | 'X'));
    let text = holds == Holds::Text;
    let refused = [
        (text && parts.grouped, "Cannot specify ',' with 's'."),
        (text && parts.sign, "Sign not allowed in string format specifier"),
        (text && parts.alternate, "Alternate form (#) not allowed in string format specifier"),
        (text && parts.inner, "'=' alignment not allowed in string format specifier"),
        (whole && parts.precise, "Precision not allowed in integer format specifier"),
        (parts.wide, "Too many decimal digits in format string"),
    ];
    match refused.iter().find(|(found, _)| *found) {
        Some((_, message)) => Err(misfit(message)),
        None => Ok(()),
    }
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
            ("{{{", "Single '{' encountered in format string"),
            ("{a{b}}", "unexpected '{' in field name"),
            ("{name!", "end of string while looking for conversion specifier"),
            ("{name:d}", "Unknown format code 'd' for object of type 'str'"),
            ("{foo}", "'foo'"),
            ("{levelno:.2d}", "Precision not allowed in integer format specifier"),
        ] {
            assert_eq!(message(format), Err(expected.to_owned()), "{format}");
        }
        for format in ["{name!x}", "{args:5}", "{name.x}", "{name:99999}", "{name:+}", "{name:{levelno}}"] {
            assert!(message(format).is_err(), "{format}");
        }
    }
}
