//! Names in the unit files of systemd (systemd.syntax(7), systemd.service(5), systemd.unit(5)).
//!
//! A line ends at a carriage return too, and a character cannot be written in another way in all places and versions: such
//! a name is refused.

/// `text` as one word of a list of paths, or of a command line after `:`, which leaves `$` alone.
///
/// # Errors
/// Says what cannot be written.
pub fn word(text: &str) -> Result<String, String> {
    let escaped = specifiers(text)?.replace('\\', r"\\").replace('"', "\\\"");
    Ok(format!("\"{escaped}\""))
}

/// The path of a program as the first word of a command line after `:`.
///
/// # Errors
/// Those of [`word`]; and systemd takes no quotes, backslashes and control characters here, however written.
pub fn program(path: &str) -> Result<String, String> {
    if path.contains(|c: char| matches!(c, '\'' | '"' | '\\') || c.is_ascii_control()) {
        return Err(format!("systemd cannot start a program with the name {path:?}"));
    }
    word(path)
}

/// The path of a directory as a whole value. There is no quoting there, white space at the end is dropped, and a backslash
/// at the end goes on with the next line: `/.` keeps them from being the end.
///
/// # Errors
/// Those of [`word`].
pub fn directory(path: &str) -> Result<String, String> {
    let end = if path.ends_with(|c: char| c.is_ascii_whitespace() || c == '\\') { "/." } else { "" };
    Ok(specifiers(path)? + end)
}

/// With what would be a specifier kept from being one.
fn specifiers(text: &str) -> Result<String, String> {
    if text.contains(['\r', '\n', '\0']) {
        return Err(format!("a unit file cannot hold the name {text:?}"));
    }
    Ok(text.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_quoted_and_specifiers_are_doubled() {
        assert_eq!(word("/srv/zeo").as_deref(), Ok("\"/srv/zeo\""));
        assert_eq!(word("/a b\\\"'$x%n").as_deref(), Ok(r#""/a b\\\"'$x%%n""#));
        assert!(word("a\rb").is_err() && directory("a\rb").is_err());
    }

    #[test]
    fn program_has_a_name_that_systemd_can_start() {
        assert_eq!(program("/a b/100%/$x").as_deref(), Ok("\"/a b/100%%/$x\""));
        for path in ["/it's", "/\"", "/\\", "/\t", "/\u{7f}"] {
            assert!(program(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn directory_does_not_end_in_what_would_be_lost() {
        assert_eq!(directory("/a b/\\x%").as_deref(), Ok("/a b/\\x%%"));
        assert_eq!(directory("/a ").as_deref(), Ok("/a /."));
        assert_eq!(directory("/a\\").as_deref(), Ok("/a\\/."));
    }
}
