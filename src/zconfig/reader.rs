//! Reads files line by line: executes directives and turns the other lines into events for the [`Builder`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::builder::Builder;
use super::environment::Environment;
use super::error_kind::ErrorKind;
use super::limits::Limits;
use super::line::{self, Line, Malformed};
use super::open::RawValue;
use super::open_file::OpenFile;
use super::problem::{Location, Problem, Problems, did_you_mean};
use super::schema::Schema;
use super::source::{Files, Source};
use super::substitute::{Fault, substitute};
use super::text::{first_word, is_identifier};
use super::tree::Tree;
use crate::repr::repr;

/// Reads a file, and those that it includes, against a schema.
///
/// `name` is a path or a `file:` URL; `overrides` are `section/key=value`, as typed; keys and
/// sections in `exempt` need not be there even where the schema requires them.
pub fn load(
    schema: &'static Schema,
    name: &Path,
    overrides: &[String],
    exempt: &[&str],
    environment: &Environment,
    limits: Limits,
) -> Result<Tree, Problems> {
    let (tree, problems) = load_lossy(schema, name, overrides, exempt, environment, limits);
    if problems.is_none() { Ok(tree) } else { Err(problems) }
}

/// As [`load`], but returns a tree even where there are faults; values with faults are absent from it.
#[must_use]
pub fn load_lossy(
    schema: &'static Schema,
    name: &Path,
    overrides: &[String],
    exempt: &[&str],
    environment: &Environment,
    limits: Limits,
) -> (Tree, Problems) {
    read(schema, name, None, overrides, exempt, environment, limits)
}

/// As [`load_lossy`], for contents that the caller has read, with `files` to read included files, and no overrides.
#[must_use]
pub fn load_text_lossy(
    schema: &'static Schema,
    name: &Path,
    contents: Vec<u8>,
    files: &dyn Files,
    environment: &Environment,
    limits: Limits,
) -> (Tree, Problems) {
    read(schema, name, Some((contents, files)), &[], &[], environment, limits)
}

fn read(
    schema: &'static Schema,
    name: &Path,
    given: Option<(Vec<u8>, &dyn Files)>,
    overrides: &[String],
    exempt: &[&str],
    environment: &Environment,
    limits: Limits,
) -> (Tree, Problems) {
    let source = match Source::named(name, environment) {
        Ok(source) => Arc::new(source),
        Err(kind) => return (Tree::default(), Problem::new(kind, Location::CommandLine).into()),
    };
    let file = Location::File(Arc::clone(&source));
    let mut reader = Reader {
        builder: Builder::new(schema, environment, overrides, exempt, file.clone()),
        environment,
        files: given.as_ref().map(|(_, files)| *files),
        limits,
        left: limits,
        defined: HashMap::new(),
        open: Vec::new(),
        unmatched_end: None,
        stopped: false,
    };
    // As in ZConfig, faults of overrides are reported before the file is opened.
    if !reader.builder.has_problems() {
        match given {
            Some((contents, _)) => reader.begin(source, contents),
            None => reader.enter(source, &file),
        }
        reader.run();
    }
    reader.builder.finish(&file)
}

/// The state of a load.
#[derive(Debug)]
struct Reader<'w> {
    builder: Builder<'w>,
    environment: &'w Environment,
    /// How included files are read; absent: from the disk.
    files: Option<&'w dyn Files>,
    limits: Limits,
    /// The remaining limits.
    left: Limits,
    defined: HashMap<String, String>,
    open: Vec<OpenFile>,
    /// The depth of the last section end that matched no section: it may belong to one that seems unclosed.
    unmatched_end: Option<usize>,
    stopped: bool,
}

impl Reader<'_> {
    fn run(&mut self) {
        while !self.stopped
            && let Some(file) = self.open.last_mut()
        {
            let Some((start, end)) = file.next_line() else {
                self.leave();
                continue;
            };
            let at = file.here();
            let text = Arc::clone(&file.text);
            self.line(text.get(start..end).unwrap_or_default(), &at);
            if self.builder.faults() >= self.limits.faults {
                self.stop("too many faults; the rest was not read", &at);
            }
        }
    }

    /// Begins to read a file.
    fn enter(&mut self, source: Arc<Source>, from: &Location) {
        let Some(files) = self.left.files.checked_sub(1) else {
            let limit = format!("too many files are included; {} are read at most", self.limits.files);
            return self.stop(&limit, from);
        };
        self.left.files = files;
        if self.open.iter().any(|open| open.source.url() == source.url()) {
            return self.report_missing_file(ErrorKind::Cycle { path: source.path().to_owned() }, from);
        }
        let most = u64::try_from(self.left.bytes).unwrap_or(u64::MAX);
        let read = match (self.files, from) {
            (Some(files), Location::Line(includer, _)) => source.read_by(files, includer.path(), most),
            _ => source.read(most),
        };
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let limit =
                    format!("too long; {} bytes are read at most, included files counted", self.limits.bytes);
                return self.stop(&limit, from);
            }
            Err(ErrorKind::Unreadable { path, reason }) if from.line().is_some() => {
                let reason = format!("{reason}; make the file, or leave the %include out");
                return self.report_missing_file(ErrorKind::Unreadable { path, reason }, from);
            }
            Err(kind) => return self.report_missing_file(kind, from),
        };
        self.left.bytes -= bytes.len();
        self.begin(source, bytes);
    }

    fn begin(&mut self, source: Arc<Source>, bytes: Vec<u8>) {
        let text = self.decode(bytes, &source);
        self.builder.read(Arc::clone(&source));
        let base = self.builder.depth();
        self.open.push(OpenFile { source, text: Arc::new(text), next: 0, line: 0, base });
    }

    fn decode(&mut self, bytes: Vec<u8>, source: &Arc<Source>) -> String {
        String::from_utf8(bytes).unwrap_or_else(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = good.split(|byte| *byte == b'\n').count();
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            self.builder.report(ErrorKind::Encoding, &Location::Line(Arc::clone(source), line));
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })
    }

    /// Ends the innermost file, and the sections that it left open.
    fn leave(&mut self) {
        let Some(file) = self.open.pop() else { return };
        let at = file.here();
        if self.builder.depth() > file.base
            && self.unmatched_end != Some(self.builder.depth())
            && let Some((open, place)) = self.builder.open_section(0)
        {
            let fault = ErrorKind::Unclosed { open: open.to_owned(), line: place.line().unwrap_or_default() };
            self.builder.report(fault, &at);
        }
        while self.builder.depth() > file.base {
            self.builder.close(&at);
        }
    }

    fn stop(&mut self, limit: &str, at: &Location) {
        self.report_missing_file(ErrorKind::Limit(limit.to_owned()), at);
        self.stopped = true;
    }

    fn line(&mut self, text: &str, at: &Location) {
        match line::parse(text) {
            Ok(Line::Blank) => {}
            Ok(Line::Start { kind, name, closed }) => self.start(&kind, name.as_deref(), closed, at),
            Ok(Line::End { kind }) => self.end(&kind, at),
            Ok(Line::Directive { name, argument }) => self.directive(name, argument, at),
            Ok(Line::Key { key, value }) => self.key(key, value, at),
            Err(malformed) => self.malformed(malformed, text, at),
        }
    }

    fn start(&mut self, kind: &str, name: Option<&str>, closed: bool, at: &Location) {
        if self.builder.depth() >= self.limits.depth {
            let limit =
                format!("sections are nested too deeply; {} levels are read at most", self.limits.depth);
            return self.stop(&limit, at);
        }
        if !self.builder.is_skipping() && !self.has_room(10, at) {
            return;
        }
        self.builder.open(kind, name, at);
        // `<eventlog/ >` was meant to end at once, though it does not say so.
        if closed || kind.ends_with('/') && !self.builder.knows(kind) {
            self.builder.close(at);
        }
    }

    fn end(&mut self, kind: &str, at: &Location) {
        let base = self.open.last().map_or(0, |file| file.base);
        let levels = self.builder.depth().saturating_sub(base);
        let Some((open, place)) = self.builder.open_section(0).filter(|_| levels > 0) else {
            let inside = self.builder.open_section(0).is_some();
            let hint = if inside { "; a file ends only sections that it starts itself" } else { "" };
            return self
                .builder
                .report(ErrorKind::UnexpectedEnd { found: kind.to_owned(), hint: hint.to_owned() }, at);
        };
        if open == kind {
            return self.builder.close(at);
        }
        let typo = !did_you_mean(kind, [open].into_iter()).is_empty();
        let line = place.line().unwrap_or_default();
        let fault = ErrorKind::UnbalancedEnd { found: kind.to_owned(), open: open.to_owned(), line };
        self.builder.report(fault, at);
        // Recover by the most likely intention: missing ends before this one, a misspelt type, or one end too many.
        let meant =
            (0..levels).find(|up| self.builder.open_section(*up).is_some_and(|(open, _)| open == kind));
        let levels = meant.map_or(usize::from(typo), |up| up + 1);
        if levels == 0 {
            self.unmatched_end = Some(self.builder.depth());
        }
        for _ in 0..levels {
            self.builder.close(at);
        }
    }

    fn key(&mut self, key: &str, value: &str, at: &Location) {
        if self.builder.is_skipping() || !self.has_room(1, at) {
            return;
        }
        if let Some(value) = self.substituted(value, at) {
            self.builder.key(key, RawValue::Text(value), at);
        } else {
            self.builder.unreadable_key(key, at);
        }
    }

    /// Whether the limit allows so many more items; otherwise stops reading.
    fn has_room(&mut self, items: usize, at: &Location) -> bool {
        let left = self.left.items.checked_sub(items);
        self.left.items = left.unwrap_or_default();
        if left.is_none() {
            let limit =
                format!("too much; {} keys are read at most, a section counted as ten", self.limits.items);
            self.stop(&limit, at);
        }
        left.is_some()
    }

    fn malformed(&mut self, malformed: Malformed, text: &str, at: &Location) {
        if self.builder.is_foreign() && malformed == Malformed::Key {
            return;
        }
        let kind = match malformed {
            Malformed::Start => ErrorKind::SectionStart,
            Malformed::Header => ErrorKind::SectionHeader,
            Malformed::End => ErrorKind::SectionEnd,
            Malformed::Directive => ErrorKind::NoDirective,
            Malformed::Key => ErrorKind::KeyLine,
        };
        self.builder.report(kind, at);
        let Some(intended) = line::intended_kind(text).filter(|kind| self.builder.knows(kind)) else {
            return self.builder.mark_section_missing();
        };
        match malformed {
            Malformed::Start | Malformed::Header => self.start(&intended, None, false, at),
            Malformed::End if self.builder.open_section(0).is_some_and(|(open, _)| open == intended) => {
                self.end(&intended, at);
            }
            _ => {}
        }
    }

    fn directive(&mut self, name: &str, argument: &str, at: &Location) {
        if !["define", "include", "import"].contains(&name) {
            return self.builder.report(ErrorKind::UnknownDirective { name: name.to_owned() }, at);
        }
        if argument.is_empty() {
            return self.builder.report(ErrorKind::NoArgument { name: name.to_owned() }, at);
        }
        if name == "define" {
            return self.define(argument, at);
        }
        // What stands in a section of another program is that program's to judge; a definition is for the whole file.
        let is_foreign = self.builder.is_foreign();
        if name == "import" && is_foreign {
            return;
        }
        let Some(argument) = self.substituted(argument, at) else { return };
        if name == "import" {
            return self.builder.import(&argument, at);
        }
        let Location::Line(source, _) = at else { return };
        match source.included(&argument) {
            Ok(source) => self.enter(Arc::new(source), at),
            Err(kind) => self.report_missing_file(kind, at),
        }
    }

    /// Reports that a file cannot be read, or not to its end. What a section of another program includes is not missed.
    fn report_missing_file(&mut self, kind: ErrorKind, at: &Location) {
        if self.builder.is_foreign() && !matches!(kind, ErrorKind::Limit(_)) {
            return;
        }
        self.builder.report(kind, at);
        self.builder.mark_file_missing();
    }

    fn define(&mut self, argument: &str, at: &Location) {
        let (name, value) = first_word(argument);
        let name = name.to_lowercase();
        if self.defined.get(&name).is_some_and(|known| known != value) {
            return self.builder.report(ErrorKind::Redefined { name }, at);
        }
        if !is_identifier(&name) {
            return self.builder.report(ErrorKind::DefinitionName { name }, at);
        }
        if !self.has_room(1, at) {
            return;
        }
        if let Some(value) = self.substituted(value, at) {
            self.defined.insert(name, value);
        }
    }

    fn substituted(&mut self, text: &str, at: &Location) -> Option<String> {
        match substitute(text, &self.defined, self.environment, self.left.substituted) {
            Ok(text) => {
                if let std::borrow::Cow::Owned(text) = &text {
                    self.left.substituted = self.left.substituted.saturating_sub(text.len());
                }
                Some(text.into_owned())
            }
            Err(Fault::TooLong(_)) => {
                let limit = format!(
                    "substitution makes too much text; {} bytes are made at most",
                    self.limits.substituted
                );
                self.stop(&limit, at);
                None
            }
            Err(fault) => {
                let kind = self.reference(fault, text);
                self.builder.report(kind, at);
                None
            }
        }
    }

    fn reference(&self, fault: Fault, text: &str) -> ErrorKind {
        let message = match fault {
            Fault::Lone => "illegal lone '$' at end of source".to_owned(),
            Fault::NoName => "'$' not followed by '$' or name".to_owned(),
            Fault::Open(mark) => format!("'${mark}' not followed by name"),
            Fault::NotClosed { start, mark } => {
                let has_colon = text.contains(&format!("{start}:")) && !text.contains(&format!("{start}:-"));
                let template =
                    if has_colon { " (is this a template, of which buildout makes the file?)" } else { "" };
                format!("{} not followed by '{mark}'{template}", repr(&start))
            }
            Fault::Undefined(name) => {
                let hint = match self.environment.variable(&name) {
                    Some(_) => format!("; the variable of the environment is $({name})"),
                    None => did_you_mean(&name, self.defined.keys().map(String::as_str)),
                };
                return ErrorKind::Undefined { name, hint };
            }
            Fault::Unset(name) => {
                let hint = "; set it where the program is started, or write the text itself".to_owned();
                return ErrorKind::Unset { name, hint };
            }
            Fault::NotText(name) => format!("the environment variable '{name}' is not UTF-8 text"),
            Fault::TooLong(most) => format!("more than {most} bytes"),
        };
        ErrorKind::Reference { message }
    }
}
