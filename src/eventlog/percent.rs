//! The classic format: Python's `%` with a mapping.

use super::FormatError;
use super::layout::{Draft, Piece};
use super::record::{Field, Kind};
use super::spec::{Align, Conversion, Form, Radix, Sign, Spec, WIDEST};

/// What a conversion without a field name of its own takes.
#[derive(Clone, Copy)]
enum Argument {
    /// The whole record: only the first conversion, and only while no field was named.
    Record,
    /// The field that was named.
    Field(Field),
    /// Nothing is left.
    Used,
}

/// `[#0 +-]`.
#[derive(Clone, Copy)]
struct Flags {
    left: bool,
    zero: bool,
    sign: Sign,
    alternate: bool,
}

struct Parser<'a> {
    characters: std::iter::Peekable<std::iter::Enumerate<std::str::Chars<'a>>>,
    argument: Argument,
}

/// Compiles `format`; faults are found in the order in which Python finds them.
pub(super) fn compile(format: &str, draft: &mut Draft) -> Result<(), FormatError> {
    let mut parser = Parser { characters: format.chars().enumerate().peekable(), argument: Argument::Record };
    while let Some((_, character)) = parser.characters.next() {
        if character == '%' {
            parser.placeholder(draft)?;
        } else {
            draft.literal(character);
        }
    }
    Ok(())
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        self.characters.peek().map(|(_, character)| *character)
    }

    /// What follows a `%`.
    fn placeholder(&mut self, draft: &mut Draft) -> Result<(), FormatError> {
        if self.characters.next_if(|(_, character)| *character == '%').is_some() {
            draft.literal('%');
            return Ok(());
        }
        if self.peek() == Some('(') {
            let name = self.key()?;
            self.argument = Argument::Field(draft.field(&name)?);
        }
        let flags = self.flags();
        let width = self.number()?.unwrap_or(0);
        if width > WIDEST {
            return Err(FormatError::WidthTooBig);
        }
        let mut precision = None;
        if self.peek() == Some('.') {
            self.characters.next();
            precision = Some(self.number()?.unwrap_or(0));
        }
        if precision.is_some_and(|precision| precision > WIDEST) {
            return Err(FormatError::PrecisionTooBig);
        }
        // C's length modifiers mean nothing.
        if matches!(self.peek(), Some('h' | 'l' | 'L')) {
            self.characters.next();
        }
        let (index, conversion) = self.characters.next().ok_or(FormatError::Incomplete)?;
        let argument = std::mem::replace(&mut self.argument, Argument::Used);
        let (field, kind) = match argument {
            Argument::Used => return Err(FormatError::NotEnoughArguments),
            Argument::Field(field) => (field, field.kind()),
            // Python writes the whole record as a dictionary. The message is what a reader can use of it.
            Argument::Record => (Field::Message, Kind::Record),
        };
        let form = form(conversion, kind)
            .ok_or(FormatError::UnsupportedCharacter { character: conversion, index })??;
        let spec = flags.spec(form, width, precision);
        draft.push(Piece::Field { field, spec, convert: None, named: kind != Kind::Record });
        Ok(())
    }

    /// A field's name, in parentheses that may nest.
    fn key(&mut self) -> Result<String, FormatError> {
        self.characters.next();
        let mut depth = 1_usize;
        let mut name = String::new();
        for (_, character) in self.characters.by_ref() {
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(name);
            }
            name.push(character);
        }
        Err(FormatError::IncompleteKey)
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags { left: false, zero: false, sign: Sign::Nothing, alternate: false };
        while let Some(character) = self.peek() {
            match character {
                '-' => flags.left = true,
                '0' => flags.zero = true,
                '+' => flags.sign = Sign::Plus,
                ' ' if flags.sign == Sign::Plus => {}
                ' ' => flags.sign = Sign::Blank,
                '#' => flags.alternate = true,
                _ => break,
            }
            self.characters.next();
        }
        flags
    }

    /// Decimal digits, saturating. A `*` takes the named field, and nothing is left for the conversion.
    fn number(&mut self) -> Result<Option<usize>, FormatError> {
        if self.peek() == Some('*') {
            self.characters.next();
            return match std::mem::replace(&mut self.argument, Argument::Used) {
                Argument::Field(field) if field.kind() == Kind::Integer => Ok(None),
                Argument::Field(_) | Argument::Record => Err(FormatError::StarNeedsInteger),
                Argument::Used => Err(FormatError::NotEnoughArguments),
            };
        }
        let mut number = None;
        while let Some(digit) = self.peek().and_then(|character| character.to_digit(10)) {
            let before: usize = number.unwrap_or(0);
            number = Some(before.saturating_mul(10).saturating_add(digit as usize));
            self.characters.next();
        }
        Ok(number)
    }
}

/// What a conversion character makes of a field of a kind. `None`: no such character.
fn form(conversion: char, kind: Kind) -> Option<Result<Form, FormatError>> {
    let number = matches!(kind, Kind::Integer | Kind::Float);
    let found = kind.name();
    let form = match conversion {
        's' => Form::Text(Conversion::Str),
        'r' => Form::Text(kind.conversion(Conversion::Repr)),
        'a' => Form::Text(kind.conversion(Conversion::Ascii)),
        'c' if kind == Kind::Integer => Form::Character,
        'c' => return Some(Err(FormatError::CharacterNeeded)),
        'd' | 'i' | 'u' if number => Form::Integer(Radix::Decimal),
        'd' | 'i' | 'u' => {
            return Some(Err(FormatError::NumberNeeded { conversion, needed: "a real number", found }));
        }
        'o' if kind == Kind::Integer => Form::Integer(Radix::Octal),
        'x' if kind == Kind::Integer => Form::Integer(Radix::Hexadecimal { upper: false }),
        'X' if kind == Kind::Integer => Form::Integer(Radix::Hexadecimal { upper: true }),
        'o' | 'x' | 'X' => {
            return Some(Err(FormatError::NumberNeeded { conversion, needed: "an integer", found }));
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' if !number => return Some(Err(FormatError::RealNeeded(found))),
        'e' | 'E' => Form::Exponent(conversion),
        'f' | 'F' => Form::Fixed,
        'g' => Form::General('e', false),
        'G' => Form::General('E', false),
        _ => return None,
    };
    Some(Ok(form))
}

impl Flags {
    fn spec(self, form: Form, width: usize, precision: Option<usize>) -> Spec {
        let numeric = !matches!(form, Form::Text(_) | Form::Character);
        let zero = numeric && self.zero && !self.left;
        let align = match (self.left, zero) {
            (true, _) => Align::Left,
            (false, true) => Align::AfterSign,
            (false, false) => Align::Right,
        };
        let fill = if zero { '0' } else { ' ' };
        Spec {
            form,
            align,
            fill,
            width,
            precision,
            sign: self.sign,
            alternate: self.alternate,
            grouping: None,
        }
    }
}
