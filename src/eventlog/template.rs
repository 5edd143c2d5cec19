//! The formats with `$`: those of Python's `string.Template`.

use super::FormatError;
use super::layout::{Draft, Piece};
use super::record::Field;

/// Compiles `format`. With `safe`, nothing is refused: what is no known placeholder stands for itself.
pub(super) fn compile(format: &str, safe: bool, draft: &mut Draft) -> Result<(), FormatError> {
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('$') {
        before.chars().for_each(|character| draft.literal(character));
        let taken = match placeholder(after) {
            Placeholder::Dollar => {
                draft.literal('$');
                1
            }
            Placeholder::Name { name, length } => {
                match if safe { Field::from_name(name) } else { Some(draft.field(name)?) } {
                    Some(field) => draft.push(Piece::Plain(field)),
                    None => "$".chars().chain(after[..length].chars()).for_each(|c| draft.literal(c)),
                }
                length
            }
            Placeholder::Invalid if safe => {
                draft.literal('$');
                0
            }
            Placeholder::Invalid => {
                let (line, column) = place(&format[..format.len() - after.len()]);
                return Err(FormatError::InvalidPlaceholder { line, column });
            }
        };
        rest = &after[taken..];
    }
    rest.chars().for_each(|character| draft.literal(character));
    Ok(())
}

/// What stands after a `$`.
enum Placeholder<'a> {
    Dollar,
    /// The name, and how many bytes it takes with its braces.
    Name {
        name: &'a str,
        length: usize,
    },
    Invalid,
}

fn placeholder(after: &str) -> Placeholder<'_> {
    if after.starts_with('$') {
        return Placeholder::Dollar;
    }
    let braced = after.strip_prefix('{');
    let text = braced.unwrap_or(after);
    let length = text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (name, beyond) = text.split_at(length);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Placeholder::Invalid;
    }
    match braced {
        None => Placeholder::Name { name, length },
        Some(_) if beyond.starts_with('}') => Placeholder::Name { name, length: length + 2 },
        Some(_) => Placeholder::Invalid,
    }
}

/// Line and column, in characters from 1, of the `$` that ends `text`; lines end where Python's `splitlines` ends them.
fn place(text: &str) -> (usize, usize) {
    let (mut line, mut column) = (1, 0);
    let mut before = None;
    for character in text.chars() {
        if before.is_some_and(|before| ends_line(before) && (before, character) != ('\r', '\n')) {
            line += 1;
            column = 0;
        }
        column += 1;
        before = Some(character);
    }
    (line, column)
}

fn ends_line(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
