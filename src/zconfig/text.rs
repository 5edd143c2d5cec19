//! White space as the language sees it (ZCONFIG section 1).

/// White space: Unicode's, and the four ASCII separators U+001C to U+001F.
#[must_use]
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The text without white space at both ends.
#[must_use]
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The words of a text, split at white space.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// The first word and, stripped on the left, what follows it.
pub(super) fn first_word(text: &str) -> (&str, &str) {
    let end = text.find(is_space).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_start_matches(is_space))
}

/// `[a-zA-Z][-._a-zA-Z0-9]*`: what may name a key.
pub(super) fn is_basic_key(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`: what may name a definition.
pub(super) fn is_identifier(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_that_python_counts_are_white_space_and_a_mark_is_not() {
        assert_eq!(strip("\u{1c}\u{a0} a\u{85}\u{2028}"), "a");
        assert_eq!(strip("\u{feff}a"), "\u{feff}a");
        assert_eq!(split(" a\tb\u{3000}c ").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(first_word("a \t b c"), ("a", "b c"));
    }

    #[test]
    fn names_follow_their_patterns() {
        assert!(is_basic_key("a-b._1") && !is_basic_key("1a") && !is_basic_key("") && !is_basic_key("é"));
        assert!(is_identifier("_a1") && !is_identifier("1a") && !is_identifier("") && !is_identifier("a-b"));
    }
}
