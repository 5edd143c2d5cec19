//! A text in quotes, with what cannot be seen escaped, as Python's `repr` shows it: the notation of the peers' messages, status
//! records and log lines.

use std::fmt::Write as _;

/// The text as Python's `repr` shows it: single quotes, unless the text holds one and no double quote; a backslash
/// before the quote in use and before a backslash; what cannot be printed as `\n`, `\xNN`, `\uNNNN`, `\UNNNNNNNN`.
#[must_use]
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        push_repr(&mut out, c, quote);
    }
    out.push(quote);
    out
}

/// A character as [`repr`] shows it between these quotes.
pub fn push_repr(out: &mut String, c: char, quote: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if c == quote => out.extend(['\\', c]),
        _ if is_printable(c) => out.push(c),
        _ => push_escape(out, c),
    }
}

/// A character as `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
pub fn push_escape(out: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a String cannot fail.
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// The text as Python's `ascii` shows it: [`repr`], with every character that is not ASCII escaped.
#[must_use]
pub fn ascii(text: &str) -> String {
    let mut out = String::new();
    for c in repr(text).chars() {
        if c.is_ascii() { out.push(c) } else { push_escape(&mut out, c) }
    }
    out
}

/// Not in the categories Cc, Cf, Cs, Co, Cn, Zl, Zp, Zs; the space is printable.
///
/// The standard library has that very table behind its `Debug` of strings, where only a first character is escaped
/// for another reason too (being a mark that would join the quote).
fn is_printable(c: char) -> bool {
    if c == '\'' || c == '"' || c.is_ascii_graphic() || c == ' ' {
        return true;
    }
    let mut text = String::from("a");
    text.push(c);
    text.escape_debug().count() == 2
}

/// A text for people: [`repr`], with a long one cut to its first characters and three dots.
#[must_use]
pub fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    if text.chars().nth(MAX_CHARS).is_none() {
        return repr(text);
    }
    let head: String = text.chars().take(MAX_CHARS).collect();
    format!("{}...", repr(&head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_invisible_characters_show_as_in_python() {
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("it's \"x\""), "'it\\'s \"x\"'");
        assert_eq!(
            repr("a\\\n\t\x00\u{7f}\u{a0}\u{feff}\u{e0001}"),
            r"'a\\\n\t\x00\x7f\xa0\ufeff\U000e0001'"
        );
        assert_eq!(repr("é😀e\u{301}"), "'é😀e\u{301}'");
        assert_eq!(ascii("é😀"), r"'\xe9\U0001f600'");
    }

    #[test]
    fn long_text_is_cut_for_people() {
        assert_eq!(shown(&"x".repeat(100)), format!("'{}'...", "x".repeat(60)));
    }
}
