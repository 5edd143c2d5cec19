//! What can be wrong with a log's settings or destination.

use std::io;
use std::path::PathBuf;

use crate::sys::reason::reason;

/// Why a log could not be opened or opened anew.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A log file.
    #[error("cannot open log file '{}': {}", path.display(), reason(source))]
    Open {
        /// The file, absolute.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An encoding that is not written here.
    #[error("cannot write log file '{}' in encoding '{encoding}': only utf-8, ascii and latin-1 are known", path.display())]
    Encoding {
        /// The file, as configured.
        path: PathBuf,
        /// The name of the encoding.
        encoding: String,
    },
    /// A rhythm of rotation that does not exist.
    #[error("cannot rotate log file '{}' by '{when}': only S, M, H, D, midnight and W0 to W6 are known", path.display())]
    When {
        /// The file, as configured.
        path: PathBuf,
        /// The rhythm.
        when: String,
    },
    /// A facility that syslog has not.
    #[error("unknown syslog facility '{0}'")]
    Facility(String),
    /// A syslog daemon's address.
    #[error("cannot reach syslog at '{address}': {}", reason(source))]
    Syslog {
        /// The socket, or host and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A format that [`super::Layout::check`] refuses.
    #[error("invalid log format: {0}")]
    Format(#[from] FormatError),
    /// Several log files, none of which could be opened anew.
    #[error("{}", joined(.0))]
    Several(Vec<Error>),
    /// A format that would write the same line for each record.
    #[error("invalid log format '{format}': it holds no field")]
    NoField {
        /// The format, one line of it.
        format: String,
    },
}

fn joined(errors: &[Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What is wrong with a format. The texts are those of the peers wherever a configuration error of theirs has one
/// (`spec/ZCONFIG.md` section 15) and wherever Python's own exception has one that does not change between versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The end comes before a conversion character.
    #[error("incomplete format")]
    Incomplete,
    /// `%(` without its `)`.
    #[error("incomplete format key")]
    IncompleteKey,
    /// Not a conversion character of Python's.
    #[error("unsupported format character '{}' ({:#x}) at index {index}", shown(*.character), u32::from(*.character))]
    UnsupportedCharacter {
        /// The one found.
        character: char,
        /// Its place in the format, in characters from 0.
        index: usize,
    },
    /// A field that no record has.
    #[error("unknown field '{0}' in format")]
    UnknownField(String),
    /// A number's conversion on a field that is something else.
    #[error("%{conversion} format: {needed} is required, not {found}")]
    NumberNeeded {
        /// The conversion character.
        conversion: char,
        /// What it takes.
        needed: &'static str,
        /// What the field is.
        found: &'static str,
    },
    /// `%(field)e` and its like on a field that is not a number.
    #[error("must be real number, not {0}")]
    RealNeeded(&'static str),
    /// `%(field)c` on what is not an integer.
    #[error("%c requires int or char")]
    CharacterNeeded,
    /// `*` for a width or precision, with a field that is no integer.
    #[error("* wants int")]
    StarNeedsInteger,
    /// A placeholder without a field, after the first.
    #[error("not enough arguments for format string")]
    NotEnoughArguments,
    /// A width that would fill memory.
    #[error("width too big")]
    WidthTooBig,
    /// A precision that would fill memory.
    #[error("precision too big")]
    PrecisionTooBig,
    /// A `}` that ends nothing.
    #[error("Single '}}' encountered in format string")]
    SingleClosingBrace,
    /// A `{` at the end.
    #[error("Single '{{' encountered in format string")]
    SingleOpeningBrace,
    /// A `{` without its `}`.
    #[error("expected '}}' before end of string")]
    UnclosedField,
    /// A `{` in a field's name.
    #[error("unexpected '{{' in field name")]
    BraceInName,
    /// `{name!` at the end.
    #[error("end of string while looking for conversion specifier")]
    ConversionMissing,
    /// Something else than `}` or `:` after `{name!r`.
    #[error("expected ':' after conversion specifier")]
    ColonExpected,
    /// `{name:` without its `}`.
    #[error("unmatched '{{' in format spec")]
    UnmatchedBrace,
    /// A conversion other than `!r`, `!s` and `!a`.
    #[error("Unknown conversion specifier {0}")]
    UnknownConversion(char),
    /// `{}` or `{0}`. The `%s` is the peers' own, never filled in.
    #[error("%s formats cannot use positional placeholders")]
    Positional,
    /// `{name.attribute}`, `{name[0]}` or `{name:{other}}`: Python's objects, which a record here has not.
    #[error("a field in braces is a name only, not '{0}'")]
    Expression(String),
    /// A format specification that does not parse.
    #[error("Invalid format specifier")]
    InvalidSpecifier,
    /// A `.` without digits.
    #[error("Format specifier missing precision")]
    PrecisionMissing,
    /// Both separators of groups.
    #[error("Cannot specify both ',' and '_'.")]
    TwoSeparators,
    /// A separator of groups with a conversion that has no groups.
    #[error("Cannot specify '{separator}' with '{code}'.")]
    SeparatorNotAllowed {
        /// `,` or `_`.
        separator: char,
        /// The conversion.
        code: char,
    },
    /// A conversion that the field's type has not.
    #[error("Unknown format code '{}' for object of type '{found}'", shown_code(*.code))]
    UnknownCode {
        /// The conversion.
        code: char,
        /// The type, by Python's name.
        found: &'static str,
    },
    /// A part of the specification that the field's type has not.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// A specification for a field that takes none.
    #[error("unsupported format string passed to {0}.__format__")]
    NoSpecifier(&'static str),
    /// A `$` that begins nothing.
    #[error("Invalid placeholder in string: line {line}, col {column}")]
    InvalidPlaceholder {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// The date format holds a NUL character.
    #[error("embedded null character")]
    NulInDate,
}

/// As Python shows a format code: what is not printable ASCII is escaped.
fn shown_code(code: char) -> String {
    if ('!'..='\x7f').contains(&code) { code.to_string() } else { format!("\\x{:x}", u32::from(code)) }
}

/// As Python shows a conversion character: what is not printable ASCII is a question mark.
fn shown(character: char) -> char {
    if ('\x1f'..'\x7f').contains(&character) { character } else { '?' }
}
