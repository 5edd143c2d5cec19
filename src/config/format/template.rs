//! `$name` and `${name}`, as Python's `string.Template` reads them.

use super::{Fields, wrong};
use crate::zconfig::Wrong;

pub(super) fn check(format: &str, fields: Fields) -> Result<(), Wrong> {
    let mut rest = format;
    while let Some(at) = rest.find('$') {
        let (_, after) = rest.split_at(at + 1);
        if let Some(escaped) = after.strip_prefix('$') {
            rest = escaped;
            continue;
        }
        let braced = after.strip_prefix('{');
        let (name, tail) = leading_name(braced.unwrap_or(after));
        let tail = if braced.is_some() { tail.strip_prefix('}') } else { Some(tail) };
        match tail {
            Some(tail) if !name.is_empty() => {
                fields.find(name)?;
                rest = tail;
            }
            _ => return Err(invalid(format, format.len() - after.len() - 1)),
        }
    }
    Ok(())
}

fn leading_name(text: &str) -> (&str, &str) {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(if begins { end } else { 0 })
}

fn invalid(format: &str, at: usize) -> Wrong {
    let before = format.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    wrong(
        format!("Invalid placeholder in string: line {line}, col {column}"),
        &format!("'$' at line {line}, column {column} of the format begins no placeholder"),
        "in the file, '$$name' is a placeholder and '$$$$' a dollar sign",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_those_of_a_template() {
        let message =
            |format| check(format, Fields { arbitrary: false }).map_err(|wrong| wrong.message().to_owned());
        assert_eq!(message("$$ $name-${message}é"), Ok(()));
        assert_eq!(message("a$"), Err("Invalid placeholder in string: line 1, col 2".into()));
        assert_eq!(message("é\n $1"), Err("Invalid placeholder in string: line 2, col 2".into()));
        assert_eq!(message("${name"), Err("Invalid placeholder in string: line 1, col 1".into()));
        assert_eq!(message("$foo"), Err("'foo'".into()));
    }
}
