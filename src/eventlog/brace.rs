//! The format with braces: that of Python's `str.format`, with plain field names.

use super::FormatError;
use super::layout::{Draft, Piece};
use super::record::Kind;
use super::spec::{Align, Conversion, Form, Radix, Sign, Spec, WIDEST};

/// Compiles `format`; faults are found in the order in which Python finds them.
pub(super) fn compile(format: &str, draft: &mut Draft) -> Result<(), FormatError> {
    let mut rest = format;
    while let Some(index) = rest.find(['{', '}']) {
        rest[..index].chars().for_each(|character| draft.literal(character));
        let (brace, after) = rest[index..].split_at(1);
        rest = match (brace, after.strip_prefix(brace)) {
            (_, Some(beyond)) => {
                brace.chars().for_each(|character| draft.literal(character));
                beyond
            }
            ("}", None) => return Err(FormatError::SingleClosingBrace),
            _ if after.is_empty() => return Err(FormatError::SingleOpeningBrace),
            _ => {
                let (placeholder, beyond) = Placeholder::parse(after)?;
                draft.push(placeholder.piece(draft)?);
                beyond
            }
        };
    }
    rest.chars().for_each(|character| draft.literal(character));
    Ok(())
}

/// The three parts of `{name!r:>8}`.
struct Placeholder<'a> {
    name: &'a str,
    conversion: Option<char>,
    specifier: &'a str,
}

impl<'a> Placeholder<'a> {
    /// Parses what follows a `{`; also what follows its `}`.
    fn parse(text: &'a str) -> Result<(Self, &'a str), FormatError> {
        let end = Self::name_end(text)?;
        let (name, after) = text.split_at(end);
        let mut conversion = None;
        let mut rest = after;
        if let Some(after) = rest.strip_prefix('!') {
            let mut characters = after.chars();
            conversion = Some(characters.next().ok_or(FormatError::ConversionMissing)?);
            rest = characters.as_str();
            if !rest.is_empty() && !rest.starts_with(['}', ':']) {
                return Err(FormatError::ColonExpected);
            }
            if rest.is_empty() {
                return Err(FormatError::UnmatchedBrace);
            }
        }
        if let Some(beyond) = rest.strip_prefix('}') {
            return Ok((Self { name, conversion, specifier: "" }, beyond));
        }
        let rest = &rest[1..];
        let mut depth = 1_usize;
        for (index, character) in rest.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok((Self { name, conversion, specifier: &rest[..index] }, &rest[index + 1..]));
            }
        }
        Err(FormatError::UnmatchedBrace)
    }

    /// Where the name ends: at `}`, `:` or `!` outside of brackets.
    fn name_end(text: &str) -> Result<usize, FormatError> {
        let mut bracketed = false;
        for (index, character) in text.char_indices() {
            match character {
                ']' => bracketed = false,
                _ if bracketed => {}
                '[' => bracketed = true,
                '{' => return Err(FormatError::BraceInName),
                '}' | ':' | '!' => return Ok(index),
                _ => {}
            }
        }
        Err(FormatError::UnclosedField)
    }

    fn piece(&self, draft: &Draft) -> Result<Piece, FormatError> {
        let first = self.name.split(['.', '[']).next().unwrap_or_default();
        if first.chars().all(|character| character.is_ascii_digit()) {
            return Err(FormatError::Positional);
        }
        let field = draft.field(first)?;
        if first.len() < self.name.len() {
            return Err(FormatError::Expression(self.name.to_owned()));
        }
        let kind = field.kind();
        let convert = match self.conversion {
            None => None,
            Some('s') => Some(Conversion::Str),
            Some('r') => Some(kind.conversion(Conversion::Repr)),
            Some('a') => Some(kind.conversion(Conversion::Ascii)),
            Some(other) => return Err(FormatError::UnknownConversion(other)),
        };
        if self.specifier.contains('{') {
            return Err(FormatError::Expression(format!("{}:{}", self.name, self.specifier)));
        }
        if self.specifier.is_empty() && convert.is_none() {
            return Ok(Piece::Plain(field));
        }
        let kind = if convert.is_some() { Kind::Text } else { kind };
        let spec = specifier(self.specifier, kind)?;
        Ok(Piece::Field { field, convert, spec, named: true })
    }
}

/// `[[fill]align][sign][#][0][width][grouping][.precision][code]` for a field of a kind.
fn specifier(text: &str, kind: Kind) -> Result<Spec, FormatError> {
    if matches!(kind, Kind::Tuple | Kind::None | Kind::Record) && !text.is_empty() {
        return Err(FormatError::NoSpecifier(kind.name()));
    }
    let number = matches!(kind, Kind::Integer | Kind::Float);
    let mut reader = Reader { rest: text };
    let (fill, align) = reader.alignment();
    let sign = reader.one_of(&['+', '-', ' ']);
    let alternate = reader.one_of(&['#']).is_some();
    let zero = fill.is_none() && reader.one_of(&['0']).is_some();
    let width = reader.number().unwrap_or(0);
    let comma = reader.one_of(&[',']);
    let underscore = reader.one_of(&['_']);
    if comma.is_some() && underscore.is_some() || underscore.is_some() && reader.rest.starts_with(',') {
        return Err(FormatError::TwoSeparators);
    }
    let separator = comma.or(underscore);
    let mut precision = None;
    if reader.one_of(&['.']).is_some() {
        precision = Some(reader.number().ok_or(FormatError::PrecisionMissing)?);
    }
    let mut code = reader.rest.chars();
    let (code, None) = (code.next(), code.next()) else {
        return Err(FormatError::InvalidSpecifier);
    };
    if width > WIDEST {
        return Err(FormatError::WidthTooBig);
    }
    if precision.is_some_and(|precision| precision > WIDEST) {
        return Err(FormatError::PrecisionTooBig);
    }
    let grouping = separator.map(|separator| grouping(separator, code, kind)).transpose()?;
    let form = form(kind, code, precision)?;
    let equals = align == Some(Align::AfterSign);
    if let Some(refused) = refused(kind, form, sign, alternate, equals, precision.is_some()) {
        return Err(FormatError::NotAllowed(refused));
    }
    let default = match (number, zero && align.is_none()) {
        (false, _) => Align::Left,
        (true, false) => Align::Right,
        (true, true) => Align::AfterSign,
    };
    Ok(Spec {
        form,
        align: align.unwrap_or(default),
        fill: fill.unwrap_or(if zero { '0' } else { ' ' }),
        width,
        precision,
        sign: match sign {
            Some('+') => Sign::Plus,
            Some(' ') => Sign::Blank,
            _ => Sign::Nothing,
        },
        alternate,
        grouping,
    })
}

/// What is left of a specification.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn one_of(&mut self, wanted: &[char]) -> Option<char> {
        let first = self.rest.chars().next().filter(|first| wanted.contains(first))?;
        self.rest = &self.rest[first.len_utf8()..];
        Some(first)
    }

    /// `[[fill]align]`.
    fn alignment(&mut self) -> (Option<char>, Option<Align>) {
        let align = |character: char| match character {
            '<' => Some(Align::Left),
            '>' => Some(Align::Right),
            '^' => Some(Align::Centre),
            '=' => Some(Align::AfterSign),
            _ => None,
        };
        let mut characters = self.rest.chars();
        let (first, second) = (characters.next(), characters.next());
        let after_second = characters.as_str();
        if let Some(found) = second.and_then(align) {
            self.rest = after_second;
            return (first, Some(found));
        }
        match first.and_then(align) {
            Some(found) => {
                self.rest = &self.rest[1..];
                (None, Some(found))
            }
            None => (None, None),
        }
    }

    /// Decimal digits, saturating.
    fn number(&mut self) -> Option<usize> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX))
    }
}

/// The separator and the size of its groups.
fn grouping(separator: char, code: Option<char>, kind: Kind) -> Result<(char, usize), FormatError> {
    let default = if kind == Kind::Text { 's' } else { 'd' };
    match code.unwrap_or(default) {
        'd' | 'e' | 'f' | 'g' | 'E' | 'G' | '%' | 'F' => Ok((separator, 3)),
        'b' | 'o' | 'x' | 'X' if separator == '_' => Ok((separator, 4)),
        code => Err(FormatError::SeparatorNotAllowed { separator, code }),
    }
}

/// What a field has no meaning for, in Python's words.
fn refused(
    kind: Kind,
    form: Form,
    sign: Option<char>,
    alternate: bool,
    equals: bool,
    precision: bool,
) -> Option<&'static str> {
    let digits = matches!(form, Form::Integer(_) | Form::Character);
    let character = form == Form::Character;
    match kind {
        Kind::Text if sign == Some(' ') => Some("Space not allowed in string format specifier"),
        Kind::Text if sign.is_some() => Some("Sign not allowed in string format specifier"),
        Kind::Text if alternate => Some("Alternate form (#) not allowed in string format specifier"),
        Kind::Text if equals => Some("'=' alignment not allowed in string format specifier"),
        _ if digits && precision => Some("Precision not allowed in integer format specifier"),
        _ if character && sign.is_some() => Some("Sign not allowed with integer format specifier 'c'"),
        _ if character && alternate => {
            Some("Alternate form (#) not allowed with integer format specifier 'c'")
        }
        _ => None,
    }
}

/// What a code makes of a field of a kind. `n` is as in the C locale.
fn form(kind: Kind, code: Option<char>, precision: Option<usize>) -> Result<Form, FormatError> {
    let form = match (kind, code) {
        (Kind::Integer, None | Some('d' | 'n')) => Form::Integer(Radix::Decimal),
        (Kind::Integer, Some('b')) => Form::Integer(Radix::Binary),
        (Kind::Integer, Some('o')) => Form::Integer(Radix::Octal),
        (Kind::Integer, Some('x')) => Form::Integer(Radix::Hexadecimal { upper: false }),
        (Kind::Integer, Some('X')) => Form::Integer(Radix::Hexadecimal { upper: true }),
        (Kind::Integer, Some('c')) => Form::Character,
        (Kind::Float, None) if precision.is_none() => Form::Shortest,
        (Kind::Float, None) => Form::General('e', true),
        (Kind::Float, Some('n')) | (Kind::Integer | Kind::Float, Some('g')) => Form::General('e', false),
        (Kind::Integer | Kind::Float, Some('G')) => Form::General('E', false),
        (Kind::Integer | Kind::Float, Some(letter @ ('e' | 'E'))) => Form::Exponent(letter),
        (Kind::Integer | Kind::Float, Some('f' | 'F')) => Form::Fixed,
        (Kind::Integer | Kind::Float, Some('%')) => Form::Percentage,
        (Kind::Integer | Kind::Float, Some(code)) => {
            return Err(FormatError::UnknownCode { code, found: kind.name() });
        }
        (_, None | Some('s')) => Form::Text(Conversion::Str),
        (_, Some(code)) => return Err(FormatError::UnknownCode { code, found: kind.name() }),
    };
    Ok(form)
}
