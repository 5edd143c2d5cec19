//! One line: what kind it is, and its parts (ZCONFIG sections 2, 4, 5).

use super::text::{is_space, strip};

/// A line that is well formed in itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing or a comment.
    Blank,
    /// `<kind name>`, or `<kind name/>`, which ends at once. Both are lower case.
    Start { kind: String, name: Option<String>, closed: bool },
    /// `</kind>`, lower case.
    End { kind: String },
    /// `%name argument`.
    Directive { name: &'a str, argument: &'a str },
    /// `key value`.
    Key { key: &'a str, value: &'a str },
}

/// How a line is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    Start,
    Header,
    End,
    Directive,
    Key,
}

/// Takes a line apart.
pub(super) fn parse(line: &str) -> Result<Line<'_>, Malformed> {
    let line = strip(line);
    if line.is_empty() || line.starts_with('#') {
        return Ok(Line::Blank);
    }
    if let Some(rest) = line.strip_prefix("</") {
        let rest = rest.strip_suffix('>').ok_or(Malformed::End)?;
        return Ok(Line::End { kind: rest.trim_end_matches(is_space).to_lowercase() });
    }
    if let Some(rest) = line.strip_prefix('<') {
        return start(rest.strip_suffix('>').ok_or(Malformed::Start)?);
    }
    if let Some(rest) = line.strip_prefix('%') {
        let (name, argument) = key(rest).ok_or(Malformed::Directive)?;
        return Ok(Line::Directive { name, argument });
    }
    let (key, value) = key(line).ok_or(Malformed::Key)?;
    Ok(Line::Key { key, value })
}

fn start(header: &str) -> Result<Line<'_>, Malformed> {
    let (header, closed) = header.strip_suffix('/').map_or((header, false), |rest| (rest, true));
    let header = header.trim_end_matches(is_space);
    let (kind, name) = key(header).ok_or(Malformed::Header)?;
    // The type ends at white space, where `key` lets it end at a parenthesis too.
    let parted = name.is_empty() || header.get(kind.len()..).is_some_and(|rest| rest.starts_with(is_space));
    if !parted || name.contains(|c: char| !is_word(c)) {
        return Err(Malformed::Header);
    }
    let name = (!name.is_empty()).then(|| name.to_lowercase());
    Ok(Line::Start { kind: kind.to_lowercase(), name, closed })
}

/// A key and what follows it; `None` when there is no key.
fn key(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    (!key.is_empty()).then(|| (key, rest.trim_start_matches(is_space)))
}

fn is_word(c: char) -> bool {
    !is_space(c) && c != '(' && c != ')'
}

/// The section type that a malformed start or end most likely means, so that reading can go on.
pub(super) fn intended_kind(line: &str) -> Option<String> {
    let text = strip(line).trim_start_matches(['<', '/']);
    let text = text.split('>').next().unwrap_or(text).trim_end_matches('/');
    let (kind, _) = key(strip(text))?;
    Some(kind.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(kind: &str, name: Option<&str>, closed: bool) -> Line<'static> {
        Line::Start { kind: kind.into(), name: name.map(Into::into), closed }
    }

    #[test]
    fn headers_are_taken_apart_to_the_letter() {
        assert_eq!(parse("<eventlog/>"), Ok(opened("eventlog", None, true)));
        assert_eq!(parse("  <EventLog />\r"), Ok(opened("eventlog", None, true)));
        assert_eq!(parse("<eventlog //>"), Ok(opened("eventlog", Some("/"), true)));
        assert_eq!(parse("<eventlog / >"), Ok(opened("eventlog", Some("/"), false)));
        assert_eq!(parse("<eventlog/ >"), Ok(opened("eventlog/", None, false)));
        assert_eq!(parse("<a A>B>"), Ok(opened("a", Some("a>b"), false)));
        for line in ["<>", "</ >", "< a>", "<a b c>", "<a(b)>", "<a (b>", "<(a>"] {
            let expected =
                if line == "</ >" { Ok(Line::End { kind: String::new() }) } else { Err(Malformed::Header) };
            assert_eq!(parse(line), expected, "{line}");
        }
        assert_eq!(
            (parse("<"), parse("<a> #"), parse("</"), parse("</a> #")),
            (Err(Malformed::Start), Err(Malformed::Start), Err(Malformed::End), Err(Malformed::End))
        );
    }

    #[test]
    fn keys_end_at_white_space_or_a_parenthesis() {
        assert_eq!(parse("\u{a0}key  a  b "), Ok(Line::Key { key: "key", value: "a  b" }));
        assert_eq!(parse("program(a b)"), Ok(Line::Key { key: "program", value: "(a b)" }));
        assert_eq!(parse("(a)"), Err(Malformed::Key));
        assert_eq!(parse("%define x y"), Ok(Line::Directive { name: "define", argument: "x y" }));
        assert_eq!(parse("% define"), Err(Malformed::Directive));
        assert_eq!((parse(" # x"), parse("")), (Ok(Line::Blank), Ok(Line::Blank)));
    }

    #[test]
    fn a_malformed_line_still_shows_its_section() {
        for line in ["<runner> # x", "< runner>", "</runner> x", "<Runner a b>", "<runner"] {
            assert_eq!(intended_kind(line).as_deref(), Some("runner"), "{line}");
        }
        assert_eq!(intended_kind("<>"), None);
    }
}
