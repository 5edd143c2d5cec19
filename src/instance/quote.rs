//! Names in the languages of the generated files: each has its own special characters, and a name must come out of
//! each as it went in.

use std::borrow::Cow;
use std::ffi::OsStr;

use crate::repr::repr;
use crate::zconfig::is_space;

/// `text` as one word of a POSIX shell script (XCU 2.2.2).
#[must_use]
pub fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `text` as part of a value in a configuration file, where only `$` is special (ZCONFIG section 6).
#[must_use]
pub fn zconfig(text: &str) -> String {
    text.replace('$', "$$")
}

/// The path of a directory as a whole value in a configuration file. There is no quoting there, and white space at the
/// end of a value is dropped (ZCONFIG section 1): `/.` keeps it from being the end.
#[must_use]
pub fn zconfig_directory(path: &str) -> String {
    let end = if path.ends_with(is_space) { "/." } else { "" };
    zconfig(path) + end
}

/// `text` as one word of the `program` key: quoted as in a shell if it holds white space, a quote or a backslash, and
/// as it is otherwise, which older readers of that key understand too. The result still has to pass [`zconfig`].
#[must_use]
pub fn program_word(text: &str) -> Cow<'_, str> {
    let special = |c: char| is_space(c) || matches!(c, '\'' | '"' | '\\');
    if text.contains(special) { shell(text).into() } else { text.into() }
}

/// `text` as part of a file name in a logrotate configuration, where it is an argument (popt(3)) and then a pattern
/// (glob(7)). Braces and `#` cannot stand there at all; what matches them, and little else, can.
#[must_use]
pub fn logrotate(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '{' | '}' | '#' => out.push_str("[[:punct:]]"),
            '*' | '?' | '[' | ']' | '\\' => out.extend(['\\', '\\', '\\', c]),
            '\'' | '"' => out.extend(['\\', c]),
            _ if c.is_ascii_whitespace() || c == '\u{b}' => out.extend(['\\', c]),
            _ => out.push(c),
        }
        out
    })
}

/// A name in a message: quoted, on one line, with what cannot be seen escaped.
#[must_use]
pub fn shown(name: impl AsRef<OsStr>) -> String {
    repr(&name.as_ref().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;
    use crate::config::split_words;

    #[test]
    fn shell_word_is_in_single_quotes_and_so_are_its_own_quotes() {
        assert_eq!(shell("/a b"), "'/a b'");
        assert_eq!(shell("it's $x"), r"'it'\''s $x'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn dollar_is_doubled_in_a_configuration_value() {
        assert_eq!(zconfig("/a$b/$$"), "/a$$b/$$$$");
        assert_eq!(zconfig("/a 'b' #c %d"), "/a 'b' #c %d");
    }

    #[test]
    fn directory_that_ends_in_white_space_is_kept_from_ending_in_it() {
        assert_eq!(zconfig_directory("/a b"), "/a b");
        assert_eq!(zconfig_directory("/a "), "/a /.");
        assert_eq!(zconfig_directory("/$\u{3000}"), "/$$\u{3000}/.");
        assert_eq!(zconfig_directory("/a\u{1f}"), "/a\u{1f}/.");
    }

    #[test]
    fn program_word_is_quoted_only_if_it_must_be() {
        assert_eq!(program_word("/a/$b#%(é)"), "/a/$b#%(é)");
        assert_eq!(program_word("/a b"), "'/a b'");
        assert_eq!(program_word("/a\u{a0}b"), "'/a\u{a0}b'");
        assert_eq!(program_word("/a\u{1c}b"), "'/a\u{1c}b'");
        assert_eq!(program_word(r"/a\b"), r"'/a\b'");
        assert_eq!(program_word("/a'b"), r"'/a'\''b'");
        assert_eq!(program_word("/a\"b"), "'/a\"b'");
    }

    #[test]
    fn logrotate_name_is_escaped_for_the_argument_and_for_the_pattern() {
        assert_eq!(logrotate("/srv/a-b.c/\u{e9}~$"), "/srv/a-b.c/\u{e9}~$");
        assert_eq!(logrotate("/a b\t'c'"), "/a\\ b\\\t\\'c\\'");
        assert_eq!(logrotate(r"/*\"), r"/\\\*\\\\");
        assert_eq!(logrotate("/{#"), "/[[:punct:]][[:punct:]]");
    }

    #[test]
    fn shown_name_stays_on_one_line_whatever_it_holds() {
        assert_eq!(shown("/a b"), "'/a b'");
        assert_eq!(shown("it's"), "\"it's\"");
        assert_eq!(shown("it's \"it\""), r#"'it\'s "it"'"#);
        assert_eq!(shown("a\nb\tc\\é\u{1b}\u{2028}"), r"'a\nb\tc\\é\x1b\u2028'");
        assert_eq!(shown(OsStr::from_bytes(b"a\xffb")), "'a\u{fffd}b'");
    }

    /// What a shell makes of the text between its quotes, by the rules of XCU 2.2.
    fn read_back(quoted: &str) -> String {
        let mut out = String::new();
        let mut inside = false;
        let mut characters = quoted.chars();
        while let Some(c) = characters.next() {
            match c {
                '\'' => inside = !inside,
                '\\' if !inside => out.extend(characters.next()),
                c => out.push(c),
            }
        }
        assert!(!inside, "unclosed: {quoted}");
        out
    }

    proptest! {
        #[test]
        fn every_shell_word_reads_back_as_it_was(text in any::<String>()) {
            prop_assert_eq!(read_back(&shell(&text)), text);
        }

        #[test]
        fn every_program_word_is_one_word_that_reads_back(text in "[^\u{0}\n]+") {
            let word = program_word(&text);
            prop_assert!(word.starts_with('\'') || !word.contains(is_space));
            let words = split_words(OsStr::new(&format!("{word} -C {word}"))).unwrap();
            prop_assert_eq!(words, [&text, "-C", &text]);
        }
    }
}
