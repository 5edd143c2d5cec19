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
