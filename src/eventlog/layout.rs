//! A format, compiled once and filled in for each record.

use super::record::{Dates, Field, Record, Value};
use super::spec::{Conversion, Spec};
use super::{Error, FormatError, Layout, Style, brace, percent, template};

/// One part of a compiled format.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Literal(String),
    /// `str` of a field.
    Plain(Field),
    Field {
        field: Field,
        /// Made a text in this way first.
        convert: Option<Conversion>,
        spec: Spec,
        /// Whether the format names it, as all but a bare `%s` do.
        named: bool,
    },
}

/// A format while it is compiled.
#[derive(Debug)]
pub(super) struct Draft {
    pieces: Vec<Piece>,
    arbitrary_fields: bool,
}

impl Draft {
    /// Appends a character that stands for itself.
    pub(super) fn literal(&mut self, character: char) {
        if let Some(Piece::Literal(text)) = self.pieces.last_mut() {
            text.push(character);
        } else {
            self.pieces.push(Piece::Literal(character.into()));
        }
    }

    /// Appends a placeholder.
    pub(super) fn push(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    /// The field of a name.
    pub(super) fn field(&self, name: &str) -> Result<Field, FormatError> {
        match Field::from_name(name) {
            Some(field) => Ok(field),
            None if self.arbitrary_fields => Ok(Field::Arbitrary),
            None => Err(FormatError::UnknownField(name.to_owned())),
        }
    }
}

impl Layout {
    /// The names of the fields that a format may hold.
    pub fn fields() -> impl Iterator<Item = &'static str> {
        Field::names()
    }

    /// Whether records can be written in this form.
    ///
    /// # Errors
    /// The first fault of the format, in the peers' words.
    pub fn check(&self) -> Result<(), FormatError> {
        compile(self).map(|_| ())
    }

    /// Whether the format is sound and holds a field. Without one each record would be the same line, and the peers'
    /// programs refuse it when they open the log (but for `safe-template`, which they let through).
    #[must_use]
    pub fn has_field(&self) -> bool {
        compile(self).is_ok_and(|compiled| compiled.has_field())
    }
}

/// A layout that is ready for records.
#[derive(Debug)]
pub(super) struct Compiled {
    pieces: Vec<Piece>,
    dates: Dates,
}

fn compile(layout: &Layout) -> Result<Compiled, FormatError> {
    let dates = Dates::new(&layout.dateformat).ok_or(FormatError::NulInDate)?;
    let mut draft = Draft { pieces: Vec::new(), arbitrary_fields: layout.arbitrary_fields };
    if layout.format.is_empty() {
        draft.push(Piece::Plain(Field::Message));
    } else {
        match layout.style {
            Style::Classic => percent::compile(&layout.format, &mut draft)?,
            Style::Format => brace::compile(&layout.format, &mut draft)?,
            Style::Template => template::compile(&layout.format, false, &mut draft)?,
            Style::SafeTemplate => template::compile(&layout.format, true, &mut draft)?,
        }
    }
    Ok(Compiled { pieces: draft.pieces, dates })
}

impl Compiled {
    /// Compiles a layout for use.
    ///
    /// # Errors
    /// What [`Layout::check`] finds, and a format without a field where the peers refuse it.
    pub(super) fn new(layout: &Layout) -> Result<Self, Error> {
        let compiled = compile(layout)?;
        if compiled.has_field() || layout.style == Style::SafeTemplate {
            return Ok(compiled);
        }
        Err(Error::NoField { format: layout.format.escape_debug().to_string() })
    }

    /// `NAME: MESSAGE`, as programs speak on stderr.
    pub(super) fn spoken() -> Self {
        let pieces =
            vec![Piece::Plain(Field::Name), Piece::Literal(": ".into()), Piece::Plain(Field::Message)];
        Self { pieces, dates: Dates::default() }
    }

    fn has_field(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Literal(_) => false,
            Piece::Plain(_) => true,
            Piece::Field { named, .. } => *named,
        })
    }

    /// Appends a record's text, without a newline at the end.
    pub(super) fn push(&self, record: &Record<'_>, out: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Plain(Field::Asctime) => self.dates.push(record.created, out),
                Piece::Plain(field) => {
                    out.push_str(&Conversion::Str.text(&record.value(*field, &self.dates)));
                }
                Piece::Field { field, convert: None, spec, .. } => {
                    spec.push(&record.value(*field, &self.dates), out);
                }
                Piece::Field { field, convert: Some(conversion), spec, .. } => {
                    let value = record.value(*field, &self.dates);
                    spec.push(&Value::Text(conversion.text(&value)), out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use proptest::prelude::*;

    use super::super::Level;
    use super::super::clock::Moment;
    use super::*;

    fn layout(style: Style, format: &str) -> Layout {
        Layout { format: format.into(), dateformat: String::new(), style, arbitrary_fields: false }
    }

    fn verdict(style: Style, format: &str) -> String {
        layout(style, format).check().map_or_else(|error| error.to_string(), |()| "ok".to_owned())
    }

    /// The texts of `spec/ZCONFIG.md` section 15.
    #[test]
    fn faults_have_the_words_of_the_peers() {
        use Style::{Classic, Format, SafeTemplate, Template};
        let cases = [
            (Classic, "100%", "incomplete format"),
            (Classic, "%(name)", "incomplete format"),
            (Classic, "%(name", "incomplete format key"),
            (Classic, "%(name)y", "unsupported format character 'y' (0x79) at index 7"),
            (Classic, "%(name)d", "%d format: a real number is required, not str"),
            (Classic, "%(foo)s", "unknown field 'foo' in format"),
            (Classic, "%s and 100%%", "ok"),
            (Classic, "%(lineno)5d %(created)f %(msecs)03d %(thread)x %(process)d", "ok"),
            (Format, "a}", "Single '}' encountered in format string"),
            (Format, "{name", "expected '}' before end of string"),
            (Format, "{name:d}", "Unknown format code 'd' for object of type 'str'"),
            (Format, "{} x", "%s formats cannot use positional placeholders"),
            (Format, "{0}", "%s formats cannot use positional placeholders"),
            (Format, "{name.x}", "a field in braces is a name only, not 'name.x'"),
            (Format, "------\n%(asctime)s %(levelname)s %(name)s %(message)s", "ok"),
            (Template, " $", "Invalid placeholder in string: line 1, col 2"),
            (Template, "a\r\nb\x0c $1", "Invalid placeholder in string: line 3, col 2"),
            (Template, "$foo", "unknown field 'foo' in format"),
            (SafeTemplate, "$foo ${", "ok"),
            (Classic, "%(name)10000s", "width too big"),
            (Format, "{msecs:.10000f}", "precision too big"),
        ];
        for (style, format, expected) in cases {
            assert_eq!(verdict(style, format), expected, "{format:?}");
        }
        let dated = Layout { dateformat: "a\0b".into(), ..layout(Style::Classic, "") };
        assert_eq!(dated.check(), Err(FormatError::NulInDate));
    }

    #[test]
    fn format_without_a_field_is_told() {
        for (style, format, holds) in [
            (Style::Classic, "hello 100%% %s", false),
            (Style::Classic, "%(message)s", true),
            (Style::Classic, "", true),
            (Style::Format, "%(message)s", false),
            (Style::Format, "{message}", true),
            (Style::Template, "$$message", false),
            (Style::SafeTemplate, "${message}", true),
            (Style::Classic, "%(message", false),
        ] {
            assert_eq!(layout(style, format).has_field(), holds, "{format:?}");
        }
        assert!(Compiled::new(&layout(Style::Classic, "hello")).is_err());
        assert!(Compiled::new(&layout(Style::SafeTemplate, "hello")).is_ok());
    }

    fn text(layout: &Layout) -> Option<String> {
        let compiled = compile(layout).ok()?;
        let created = Moment { seconds: 1_767_787_200, nanoseconds: 98_765_432 };
        let started = Moment { seconds: 1_767_787_199, ..created };
        let (logger, message, place) = ("root", "hello", Location::caller());
        let record = Record { level: Level::WARNING, logger, message, created, started, place };
        let mut out = String::new();
        compiled.push(&record, &mut out);
        Some(out)
    }

    #[test]
    fn fields_are_filled_in() {
        let classic =
            "%(levelno)-4d|%(levelname)10s|%(name).2s|%(message)r|%(msecs)03d|%(msecs)s|%(relativeCreated)d";
        let expected = "30  |   WARNING|ro|'hello'|098|98.0|1000";
        assert_eq!(text(&layout(Style::Classic, classic)).unwrap(), expected);
        let braces = "{levelno:#06x}|{levelname:^9}|{message!r:*>9}|{created:,.3f}|{{}}";
        let expected = "0x001e| WARNING |**'hello'|1,767,787,200.099|{}";
        assert_eq!(text(&layout(Style::Format, braces)).unwrap(), expected);
        assert_eq!(text(&layout(Style::Template, "$name: ${message}s $$")).unwrap(), "root: hellos $");
        assert_eq!(
            text(&layout(Style::SafeTemplate, "$foo ${message $name")).unwrap(),
            "$foo ${message root"
        );
        let date = text(&layout(Style::Classic, "%(asctime)s")).unwrap();
        assert_eq!(date.len(), "2026-01-07 12:00:00,098".len(), "{date}");
        assert!(date.ends_with(":00,098"), "{date}");
    }

    #[test]
    fn arbitrary_field_is_blank() {
        let arbitrary = |style, format| Layout { arbitrary_fields: true, ..layout(style, format) };
        assert_eq!(text(&arbitrary(Style::Classic, "<%(foo)s|%(bar)3d>")).unwrap(), "<|   >");
        assert_eq!(text(&arbitrary(Style::Format, "<{foo}|{bar:3}>")).unwrap(), "<|   >");
        assert_eq!(text(&arbitrary(Style::Template, "<$foo>")).unwrap(), "<>");
        assert_eq!(text(&arbitrary(Style::SafeTemplate, "<$foo>")).unwrap(), "<$foo>");
    }

    proptest! {
        /// Any text compiles or is refused, and what compiles can be written.
        #[test]
        fn no_format_panics(
            format in prop_oneof![
                any::<String>(),
                "[%({$]{1,2}(name|created|levelno|message|foo)?[-)}#+ 0-9.,_!:hlLrsdxefgGcn%*<>=^é]{0,9}[)}sdfgxcr]?",
            ],
            dateformat in prop_oneof![any::<String>(), "[%a-zA-Z0-9_EO^#-]{0,12}"],
            style in prop::sample::select(vec![Style::Classic, Style::Format, Style::Template, Style::SafeTemplate]),
            arbitrary_fields in any::<bool>(),
        ) {
            let layout = Layout { format, dateformat, style, arbitrary_fields };
            prop_assert_eq!(text(&layout).is_some(), layout.check().is_ok());
        }
    }
}
