//! A log format in Python's `%` style, compiled once and filled in for each record.

use std::iter::Peekable;
use std::str::Chars;

use super::conversion::{Conversion, MAX_WIDTH};
use super::error::{Error, FormatError};
use super::record::{Dates, Field, Record};
use super::settings::Layout;

/// One part of a compiled format.
#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Field(Field, Conversion),
}

/// A layout that is ready for records.
#[derive(Debug)]
pub(super) struct Format {
    pieces: Vec<Piece>,
    dates: Dates,
    /// Whether a placeholder names a field, as all but a bare `%s` do.
    names_a_field: bool,
}

impl Layout {
    /// The names of the fields that a format may hold.
    pub fn fields() -> impl Iterator<Item = &'static str> {
        Field::names()
    }

    /// Whether records can be written in this form: ZConfig's verdict on the format.
    ///
    /// # Errors
    /// The first fault of the format.
    pub fn check(&self) -> Result<(), FormatError> {
        Format::compile(self).map(drop)
    }

    /// Whether the format is sound and holds a field. Without one each record would be the same line, and the Python
    /// programs refuse it when they open the log.
    #[must_use]
    pub fn has_field(&self) -> bool {
        Format::compile(self).is_ok_and(|format| format.names_a_field)
    }
}

impl Format {
    /// Compiles a layout for use.
    ///
    /// # Errors
    /// Those of [`Layout::check`], and a format without a field.
    pub(super) fn new(layout: &Layout) -> Result<Self, Error> {
        let format = Self::compile(layout)?;
        if format.names_a_field {
            return Ok(format);
        }
        Err(Error::NoField { format: layout.format.escape_debug().to_string() })
    }

    /// `NAME: MESSAGE`, the form of messages on stderr.
    pub(super) fn name_and_message() -> Self {
        let field = |field| Piece::Field(field, Conversion::default());
        let pieces = vec![field(Field::Name), Piece::Literal(": ".into()), field(Field::Message)];
        Self { pieces, dates: Dates::default(), names_a_field: true }
    }

    fn compile(layout: &Layout) -> Result<Self, FormatError> {
        let dates = Dates::new(&layout.dateformat).ok_or(FormatError::NulInDate)?;
        // ZConfig writes the bare message where the format is blank.
        let text = if layout.format.is_empty() { "%(message)s" } else { &layout.format };
        let mut parser = Parser { characters: text.chars().peekable(), bare_allowed: true };
        let mut format = Self { pieces: Vec::new(), dates, names_a_field: false };
        while let Some(character) = parser.characters.next() {
            if character != '%' || parser.characters.next_if_eq(&'%').is_some() {
                format.push_literal(character);
                continue;
            }
            let (name, conversion) = parser.placeholder()?;
            let field = match name {
                // Python writes the whole record as a dictionary; the message is the part of it that matters.
                None => Field::Message,
                Some(name) => {
                    format.names_a_field = true;
                    match Field::from_name(&name) {
                        Some(field) => field,
                        None if layout.arbitrary_fields => Field::Arbitrary,
                        None => return Err(FormatError::UnknownField(name)),
                    }
                }
            };
            conversion.check(field.kind())?;
            format.pieces.push(Piece::Field(field, conversion));
        }
        Ok(format)
    }

    fn push_literal(&mut self, character: char) {
        if let Some(Piece::Literal(text)) = self.pieces.last_mut() {
            text.push(character);
        } else {
            self.pieces.push(Piece::Literal(character.into()));
        }
    }

    /// Appends a record's text, without a newline at the end.
    pub(super) fn push(&self, record: &Record<'_>, out: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Field(field, conversion) => conversion.push(&record.value(*field, &self.dates), out),
            }
        }
    }
}

/// The characters of a format that are left.
struct Parser<'a> {
    characters: Peekable<Chars<'a>>,
    /// A placeholder without a field's name takes the record itself, which only the first one can.
    bare_allowed: bool,
}

impl Parser<'_> {
    /// What follows a `%`: a field's name in parentheses, flags, width, precision, and the letter of the conversion.
    fn placeholder(&mut self) -> Result<(Option<String>, Conversion), FormatError> {
        let name = self.name()?;
        if name.is_none() && !self.bare_allowed {
            return Err(FormatError::FieldMissing);
        }
        self.bare_allowed = false;
        let mut conversion = Conversion::default();
        while let Some(flag) = self.characters.next_if(|character| "-+ #0".contains(*character)) {
            conversion.set_flag(flag);
        }
        conversion.width = self.number()?;
        if self.characters.next_if_eq(&'.').is_some() {
            conversion.precision = Some(self.number()?);
        }
        // C's length modifiers mean nothing.
        self.characters.next_if(|character| "hlL".contains(*character));
        conversion.letter = self.characters.next().ok_or(FormatError::Incomplete)?;
        Ok((name, conversion))
    }

    /// A field's name in parentheses, which may nest; `None` where there is none.
    fn name(&mut self) -> Result<Option<String>, FormatError> {
        if self.characters.next_if_eq(&'(').is_none() {
            return Ok(None);
        }
        let mut depth = 1_usize;
        let mut name = String::new();
        for character in self.characters.by_ref() {
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(Some(name));
            }
            name.push(character);
        }
        Err(FormatError::UnclosedName)
    }

    /// A width or a precision; 0 without digits.
    fn number(&mut self) -> Result<usize, FormatError> {
        let mut number = 0_usize;
        while let Some(digit) = self.characters.peek().and_then(|character| character.to_digit(10)) {
            number = number * 10 + digit as usize;
            if number > MAX_WIDTH {
                return Err(FormatError::TooWide);
            }
            self.characters.next();
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use proptest::prelude::*;

    use super::super::clock::Moment;
    use super::super::level::Level;
    use super::*;

    fn layout(format: &str) -> Layout {
        Layout { format: format.into(), dateformat: String::new(), arbitrary_fields: false }
    }

    #[test]
    fn faults_are_found() {
        for (format, expected) in [
            ("100%", Err(FormatError::Incomplete)),
            ("%(name)", Err(FormatError::Incomplete)),
            ("%(name", Err(FormatError::UnclosedName)),
            ("%(name)y", Err(FormatError::UnknownConversion('y'))),
            ("%(levelno)*d", Err(FormatError::UnknownConversion('*'))),
            ("%(name)d", Err(FormatError::NotANumber('d'))),
            ("%(created)x", Err(FormatError::NotANumber('x'))),
            ("%d", Err(FormatError::NotANumber('d'))),
            ("%(foo)s", Err(FormatError::UnknownField("foo".into()))),
            ("%(name)s %s", Err(FormatError::FieldMissing)),
            ("%(name)10000s", Err(FormatError::TooWide)),
            ("%(msecs).10000f", Err(FormatError::TooWide)),
            ("%s and 100%%", Ok(())),
            ("%(lineno)5d %(created)f %(msecs)03d %(thread)x %(process)d %(levelno)c", Ok(())),
        ] {
            assert_eq!(layout(format).check(), expected, "{format:?}");
        }
        let dated = Layout { dateformat: "a\0b".into(), ..layout("") };
        assert_eq!(dated.check(), Err(FormatError::NulInDate));
    }

    #[test]
    fn format_without_a_field_is_not_used() {
        for (format, holds) in
            [("hello 100%% %s", false), ("%(message)s", true), ("", true), ("%(message", false)]
        {
            assert_eq!(layout(format).has_field(), holds, "{format:?}");
        }
        assert!(Format::new(&layout("hello")).is_err());
    }

    fn text(layout: &Layout) -> Option<String> {
        let format = Format::compile(layout).ok()?;
        let created = Moment { seconds: 1_767_787_200, nanoseconds: 98_765_432 };
        let started = Moment { seconds: 1_767_787_199, ..created };
        let (logger, message, place) = ("root", "hello", Location::caller());
        let record = Record { level: Level::WARNING, logger, message, created, started, place };
        let mut out = String::new();
        format.push(&record, &mut out);
        Some(out)
    }

    #[test]
    fn fields_are_filled_in() {
        let format =
            "%(levelno)-4d|%(levelname)10s|%(name).2s|%(message)r|%(msecs)03d|%(msecs)s|%(relativeCreated)d";
        assert_eq!(text(&layout(format)).unwrap(), "30  |   WARNING|ro|'hello'|098|98.0|1000");
        assert_eq!(text(&layout("%(levelno)#06x|%(args)5r|%s")), None);
        assert_eq!(text(&layout("%s|%(levelno)#06x|%(args)5r|%%")).unwrap(), "hello|0x001e|   ()|%");
        let date = text(&layout("%(asctime)s")).unwrap();
        assert_eq!(date.len(), "2026-01-07 12:00:00,098".len(), "{date}");
        assert!(date.ends_with(":00,098"), "{date}");
    }

    #[test]
    fn arbitrary_field_is_blank() {
        let arbitrary = Layout { arbitrary_fields: true, ..layout("<%(foo)s|%(bar)3d>") };
        assert_eq!(text(&arbitrary).unwrap(), "<|   >");
    }

    proptest! {
        /// Any text compiles or is refused, and what compiles can be written.
        #[test]
        fn no_format_panics(
            format in prop_oneof![
                any::<String>(),
                "[%(]{1,2}(name|created|levelno|message|foo)?[-)+ #0-9.,hlLrsdxefgGcn%*é]{0,9}[)sdfgxcr]?",
            ],
            dateformat in prop_oneof![any::<String>(), "[%a-zA-Z0-9_EO^#-]{0,12}"],
            arbitrary_fields in any::<bool>(),
        ) {
            let layout = Layout { format, dateformat, arbitrary_fields };
            prop_assert_eq!(text(&layout).is_some(), layout.check().is_ok());
        }
    }
}
