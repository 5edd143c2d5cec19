//! `%(name)s`, as Python's `%` reads it.

use super::{Fields, Holds, wrong};
use crate::zconfig::{Wrong, repr};

pub(super) fn check(format: &str, fields: Fields) -> Result<(), Wrong> {
    let text: Vec<char> = format.chars().collect();
    let mut at = 0;
    // A placeholder without a name shows the whole record, once.
    let mut spent = false;
    while let Some(c) = text.get(at) {
        at += 1;
        if *c == '%' {
            at = placeholder(&text, at, fields, &mut spent)?;
        }
    }
    Ok(())
}

/// Checks what follows a percent sign, and gives where it ends.
fn placeholder(text: &[char], start: usize, fields: Fields, spent: &mut bool) -> Result<usize, Wrong> {
    if text.get(start) == Some(&'%') {
        return Ok(start + 1);
    }
    let mut at = start;
    let mut named = None;
    if text.get(at) == Some(&'(') {
        let (name, after) = name(text, at + 1)?;
        named = Some(fields.find(&name)?);
        at = after;
    }
    at += text.iter().skip(at).take_while(|c| "-+ #0".contains(**c)).count();
    at += number(text, at)?;
    if text.get(at) == Some(&'.') {
        at += 1;
        at += number(text, at)?;
    }
    if text.get(at).is_some_and(|c| "hlL".contains(*c)) {
        at += 1;
    }
    let Some(conversion) = text.get(at) else {
        return Err(wrong(
            "incomplete format",
            "a placeholder at the end is not complete",
            "'%%' is a percent sign",
        ));
    };
    if named.is_none() && *spent {
        return Err(wrong(
            "not enough arguments for format string",
            "a placeholder has no name",
            "%(message)s names what it shows",
        ));
    }
    *spent = true;
    fits(*conversion, named.unwrap_or(Holds::Other), at)?;
    Ok(at + 1)
}

/// A name in parentheses, which may hold pairs of them, and where it ends.
fn name(text: &[char], start: usize) -> Result<(String, usize), Wrong> {
    let mut depth = 1_usize;
    for (index, c) in text.iter().enumerate().skip(start) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok((text.iter().take(index).skip(start).collect(), index + 1));
        }
    }
    Err(wrong("incomplete format key", "a parenthesis is not closed", "%(message)s is complete"))
}

/// How many digits stand here.
fn number(text: &[char], at: usize) -> Result<usize, Wrong> {
    /// A wider field than this is a slip, and would fill the disk.
    const DIGITS: usize = 4;
    if text.get(at) == Some(&'*') {
        return Err(wrong("* wants int", "a width of '*' has no number", "write the width in digits"));
    }
    let digits = text.iter().skip(at).take_while(|c| c.is_ascii_digit()).count();
    if digits > DIGITS {
        return Err(wrong("width too big", "a width has more than four digits", "write a smaller one"));
    }
    Ok(digits)
}

fn fits(conversion: char, holds: Holds, at: usize) -> Result<(), Wrong> {
    let number = matches!(holds, Holds::Whole | Holds::Number);
    let good = match conversion {
        's' | 'r' | 'a' => true,
        'd' | 'i' | 'u' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' => number,
        'o' | 'x' | 'X' | 'c' => holds == Holds::Whole,
        _ => {
            let code = u32::from(conversion);
            // CPython shows what is not ASCII, or controls, as a question mark.
            let shown = if (31..128).contains(&code) { conversion } else { '?' };
            let message = format!("unsupported format character '{shown}' (0x{code:x}) at index {at}");
            return Err(wrong(
                message,
                &format!("unknown placeholder type {}", repr(&conversion.to_string())),
                "'%%' is a percent sign",
            ));
        }
    };
    if good {
        return Ok(());
    }
    let message = format!("%{conversion} format: a real number is required");
    let what = format!("the placeholder type '{conversion}' needs a number, which its field does not hold");
    Err(wrong(message, &what, "'s' shows any field"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(format: &str) -> Result<(), String> {
        check(format, Fields { arbitrary: false }).map_err(|wrong| wrong.message().to_owned())
    }

    #[test]
    fn formats_that_python_shows_pass() {
        for format in
            ["%(message)s", "%%", "%s", "%(levelno)05.2d%%%(created)f", "x", "%(msecs)d", "%(args)s"]
        {
            assert_eq!(message(format), Ok(()), "{format}");
        }
        assert!(check("%(foo)d %(foo)s", Fields { arbitrary: true }).is_ok());
    }

    #[test]
    fn formats_that_python_refuses_are_refused_in_its_words() {
        for (format, expected) in [
            ("100%", "incomplete format"),
            ("%(name)", "incomplete format"),
            ("%(name", "incomplete format key"),
            ("a%(name)y", "unsupported format character 'y' (0x79) at index 8"),
            ("%(name)%", "unsupported format character '%' (0x25) at index 7"),
            ("%(foo)s", "'foo'"),
        ] {
            assert_eq!(message(format), Err(expected.to_owned()), "{format}");
        }
        for format in ["%(name)d", "%d", "%s %s", "%(msecs)x", "%*d", "%99999d"] {
            assert!(message(format).is_err(), "{format}");
        }
    }

    #[test]
    fn a_misspelt_field_is_told_with_its_neighbour() {
        let wrong = check("%(mesage)s", Fields { arbitrary: false }).unwrap_err();
        assert_eq!(wrong.to_string(), "format: unknown field 'mesage'; did you mean 'message'");
    }
}
