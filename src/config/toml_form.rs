//! The same settings in TOML: a table is a section, an array of tables several sections, a key a key.
//!
//! The tables drive the same [`Builder`] as the lines of the other form: one schema, the same checks, the same words.
//! There is no substitution and no include; text stands as it is. A list of words is a list of strings, exit statuses
//! may be a list of numbers, and an octal number is a string or has `0o` in front. A key that may be repeated has a list of
//! its values, and a section's name is the value of `section-name`.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::Errors;
use crate::zconfig::{
    Builder, Environment, ErrorKind, Location, Problem, RawValue, Schema, Source, Tree, ValueError,
};

/// A file is read up to this many bytes; the settings of a program are far shorter.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The key for a section's name, which is the second word of `<filestorage main>`.
const NAME: &str = "section-name";

/// Whether a file is of this form: its name ends in `.toml`.
pub(super) fn is_toml(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// Reads a file against a schema; what is at fault is absent from the tree.
pub(super) fn load_lossy(
    schema: &'static Schema,
    file: &Path,
    overrides: &[String],
    exempt: &[&str],
    environment: &Environment,
) -> (Tree, Errors) {
    let source = match Source::named(file, environment) {
        Ok(source) => Arc::new(source),
        Err(kind) => return (Tree::default(), Problem::new(kind, Location::CommandLine).into()),
    };
    let whole = Location::File(Arc::clone(&source));
    let text = match text(&source, &whole) {
        Ok(text) => text,
        Err(errors) => return (Tree::default(), errors),
    };
    let mut builder = Builder::new(schema, environment, overrides, exempt, whole.clone());
    if !builder.has_problems() {
        builder.read(Arc::clone(&source));
        let mut form = Form { builder, source, lines: Lines::of(text.as_bytes()) };
        form.file(&text);
        builder = form.builder;
    }
    builder.finish(&whole)
}

fn text(source: &Arc<Source>, whole: &Location) -> Result<String, Errors> {
    let fault = |kind| Errors::from(Problem::new(kind, whole.clone()));
    let bytes = source.read(MAX_FILE_BYTES).map_err(fault)?;
    let bytes =
        bytes.ok_or_else(|| fault(ErrorKind::Limit("too long; a TOML file has at most 1 MiB".to_owned())))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = Lines::of(error.as_bytes()).location(source, error.utf8_error().valid_up_to());
        Errors::from(Problem::new(ErrorKind::Encoding, at))
    })
}

/// Where the lines of a text begin.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &[u8]) -> Self {
        let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        Self { starts: breaks.map(|(at, _)| at + 1).collect() }
    }

    fn location(&self, source: &Arc<Source>, at: usize) -> Location {
        let line = self.starts.partition_point(|start| *start <= at) + 1;
        Location::Line(Arc::clone(source), u32::try_from(line).unwrap_or(u32::MAX))
    }
}

struct Form<'w> {
    builder: Builder<'w>,
    source: Arc<Source>,
    lines: Lines,
}

impl Form<'_> {
    fn at(&self, offset: usize) -> Location {
        self.lines.location(&self.source, offset)
    }

    fn file(&mut self, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = self.at(error.span().map_or(0, |span| span.start));
            // The reader's message may have several lines: a fault has one.
            let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            self.builder.report(ErrorKind::Other(format!("not TOML: {message}")), &at);
        }
        if errors.is_empty() {
            self.table(table.get_ref());
        } else {
            self.builder.mark_file_missing();
        }
    }

    /// The members of a table, in file order. Tables nest no deeper than the TOML reader allows, which is 80 levels.
    fn table(&mut self, table: &DeTable<'_>) {
        let mut members: Vec<_> = table.iter().collect();
        members.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in members {
            let (name, at) = (key.get_ref().as_ref(), self.at(key.span().start));
            if name == NAME {
                continue;
            }
            match value.get_ref() {
                DeValue::Table(inner) => self.section(name, inner, &at),
                DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                    self.sections(name, items, &at);
                }
                value => self.key(name, value, &at),
            }
        }
    }

    fn section(&mut self, kind: &str, table: &DeTable<'_>, at: &Location) {
        let named = table.get(NAME).map(Spanned::get_ref);
        let name = match named {
            None => None,
            Some(DeValue::String(name)) => Some(name.to_lowercase()),
            Some(_) => {
                self.builder.report(ErrorKind::Other(format!("{kind}: {NAME} is a text in quotes")), at);
                None
            }
        };
        self.builder.open(&kind.to_lowercase(), name.as_deref(), at);
        if !self.builder.is_skipping() {
            self.table(table);
        }
        self.builder.close(at);
    }

    fn sections(&mut self, kind: &str, items: &DeArray<'_>, at: &Location) {
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) => {
                    let at = self.at(item.span().start);
                    self.section(kind, table, &at);
                }
                _ => self
                    .builder
                    .report(ErrorKind::Other(format!("{kind}: tables and values in one list")), at),
            }
        }
    }

    fn key(&mut self, key: &str, value: &DeValue<'_>, at: &Location) {
        match raw(key, value) {
            Ok(raw) => self.builder.key(key, raw, at),
            Err(error) => {
                self.builder.report(ErrorKind::Value { key: key.to_owned(), error }, at);
                self.builder.unreadable_key(key, at);
            }
        }
    }
}

fn raw(key: &str, value: &DeValue<'_>) -> Result<RawValue, ValueError> {
    let wrong = |what: &str, hint: &str| Err(ValueError::new(what, hint));
    match value {
        DeValue::String(text) => Ok(RawValue::Text(text.to_string())),
        DeValue::Boolean(truth) => Ok(RawValue::Text(truth.to_string())),
        DeValue::Integer(number) if key.eq_ignore_ascii_case("umask") && number.radix() == 10 => {
            let hint = format!("write 0o{number} or \"{number}\"", number = number.as_str());
            wrong("a decimal number where an octal one belongs", &hint)
        }
        DeValue::Integer(number) => Ok(RawValue::Text(integer(key, number))),
        DeValue::Float(number) => Ok(RawValue::Text(number.as_str().to_owned())),
        DeValue::Datetime(_) => wrong("a date is not allowed here", "put text in quotes"),
        DeValue::Array(items) => list(items),
        DeValue::Table(_) => wrong("a table is not allowed here", ""),
    }
}

/// A number as the schema's datatypes read it; for them other notations than the decimal one are not numbers.
fn integer(key: &str, number: &DeInteger<'_>) -> String {
    if key.eq_ignore_ascii_case("umask") {
        return number.to_string();
    }
    match i128::from_str_radix(number.as_str(), number.radix()) {
        Ok(value) => value.to_string(),
        Err(_) => number.to_string(),
    }
}

fn list(items: &DeArray<'_>) -> Result<RawValue, ValueError> {
    let item = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::String(text) => Some((true, text.to_string())),
        DeValue::Integer(number) => Some((false, integer("", number))),
        _ => None,
    };
    let items: Option<Vec<(bool, String)>> = items.iter().map(item).collect();
    let items = items.unwrap_or_else(|| vec![(true, String::new()), (false, String::new())]);
    let words = items.iter().filter(|(is_text, _)| *is_text).count();
    let texts: Vec<String> = items.into_iter().map(|(_, text)| text).collect();
    match (words, texts.len()) {
        (0, 1..) => Ok(RawValue::Text(texts.join(","))),
        (words, all) if words == all => Ok(RawValue::Words(texts)),
        _ => {
            let hint = "a list has strings only or whole numbers only";
            Err(ValueError::new("a list of different things", hint))
        }
    }
}
