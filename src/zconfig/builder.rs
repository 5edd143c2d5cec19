//! Events, held against the schema: what a file says becomes sections.

use std::sync::Arc;

use super::datatype::basic_key_name;
use super::environment::Environment;
use super::error_kind::ErrorKind;
use super::open::{Open, RawValue};
use super::overrides::Overrides;
use super::problem::{Location, Problem, Problems, nearest};
use super::schema::{Component, Schema};
use super::section_type::{Keys, Member, SectionType, Slot};
use super::source::Source;
use super::tree::Tree;
use crate::repr::repr;

/// Builds a tree from events in file order: sections that start and end, keys, imports.
///
/// A reader of this language, or of another form of the same settings, drives it. Faults are collected; one fault is
/// kept from causing others.
#[derive(Debug)]
pub struct Builder<'w> {
    pub(super) schema: &'static Schema,
    pub(super) environment: &'w Environment,
    pub(super) components: Vec<&'static Component>,
    pub(super) frames: Vec<Frame>,
    pub(super) tree: Tree,
    pub(super) problems: Problems,
    /// Members that need not be there although the schema requires them.
    pub(super) exempt: Vec<String>,
    /// A file could not be read: it may have held anything.
    pub(super) partial: bool,
    /// Types of the sections of other programs that were skipped at the top level, for hints.
    pub(super) skipped: Vec<String>,
    /// Components that are not built in and may have the types that are not known.
    failed_imports: Vec<(String, Location)>,
}

/// A section that has started.
#[derive(Debug)]
pub(super) enum Frame {
    /// It has a place in the schema.
    Known(Box<Open>),
    /// It has none, or belongs to another program: its contents are ignored.
    Skipped { kind: String, at: Location },
}

/// Where a section goes.
enum Placing {
    At(&'static SectionType, usize),
    /// Nowhere; with the members of the section around, by index, that it may have been meant for.
    Refused(ErrorKind, Vec<usize>),
    PassedOver,
}

impl<'w> Builder<'w> {
    /// Begins a file. Overrides are `section/key=value`, as typed; exempt members need not be there.
    #[must_use]
    pub fn new(
        schema: &'static Schema,
        environment: &'w Environment,
        overrides: &[String],
        exempt: &[&str],
        file: Location,
    ) -> Self {
        let (overrides, faults) = Overrides::parse(overrides, schema.file);
        let mut problems = Problems::default();
        for fault in faults {
            problems.add(fault);
        }
        let mut root = Open::new(schema.file, None, file, 0);
        if !problems.is_none() {
            root.lose_all();
        }
        root.overrides = overrides;
        Self {
            schema,
            environment,
            components: Vec::new(),
            frames: vec![Frame::Known(Box::new(root))],
            tree: Tree::default(),
            problems,
            exempt: exempt.iter().map(|key| (*key).to_owned()).collect(),
            partial: false,
            skipped: Vec::new(),
            failed_imports: Vec::new(),
        }
    }

    /// How many sections are open.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.frames.len() - 1
    }

    /// Type and place of the open section `up` levels out; 0 is the innermost.
    #[must_use]
    pub fn open_section(&self, up: usize) -> Option<(&str, &Location)> {
        let index = self.frames.len().checked_sub(up + 1).filter(|index| *index > 0)?;
        self.frames.get(index).map(|frame| match frame {
            Frame::Known(open) => (open.kind.name, &open.at),
            Frame::Skipped { kind, at } => (kind.as_str(), at),
        })
    }

    /// Whether the current section is ignored.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Skipped { .. }))
    }

    /// Whether the current section belongs to another program.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.schema.skips_unknown && matches!(self.frames.get(1), Some(Frame::Skipped { .. }))
    }

    /// Whether there was a fault.
    #[must_use]
    pub fn has_problems(&self) -> bool {
        !self.problems.is_none()
    }

    /// How many faults there were.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.problems.len()
    }

    /// A file is read from here on.
    pub fn read(&mut self, source: Arc<Source>) {
        self.tree.files.push(source);
    }

    /// A key was given with a value that cannot be read: it is not missing, but it may be one that is not known.
    pub fn unreadable_key(&mut self, key: &str, at: &Location) {
        let Some(Frame::Known(open)) = self.frames.last_mut() else { return };
        let normal = key.to_ascii_lowercase();
        let outside = open.kind.name == self.schema.file.name;
        let fault = (!open.takes(&normal)).then(|| open.unknown(key, &normal, outside, self.schema));
        open.unreadable.push(normal);
        if let Some(fault) = fault {
            self.report(fault, at);
        }
    }

    /// A file that belongs here could not be read: from here on nothing is reported as missing.
    pub fn mark_file_missing(&mut self) {
        self.partial = true;
    }

    /// A section that belongs here could not be read: no section of this one is reported as missing.
    pub fn mark_section_missing(&mut self) {
        if let Some(Frame::Known(open)) = self.frames.last_mut() {
            open.lose_all();
        }
    }

    /// Adds a fault.
    pub fn report(&mut self, kind: ErrorKind, at: &Location) {
        self.problems.add(Problem::new(kind, at.clone()));
    }

    /// Whether the program knows a section type of this name.
    #[must_use]
    pub fn knows(&self, kind: &str) -> bool {
        self.section_type(kind).is_some()
    }

    /// A section starts; type and name are lower case.
    pub fn open(&mut self, kind: &str, name: Option<&str>, at: &Location) {
        if self.is_skipping() {
            self.frames.push(Frame::Skipped { kind: kind.to_owned(), at: at.clone() });
            return;
        }
        let placing = self.place(kind, name);
        let Some(Frame::Known(parent)) = self.frames.last_mut() else { return };
        let frame = match placing {
            Placing::At(found, slot) => {
                let (overrides, faults) = parent.overrides.take(found, name);
                let mut open = Open::new(found, name, at.clone(), slot);
                if !faults.is_empty() {
                    open.lose_all();
                }
                open.overrides = overrides;
                for fault in faults {
                    self.problems.add(fault);
                }
                Frame::Known(Box::new(open))
            }
            Placing::Refused(fault, meant) => {
                parent.incomplete = true;
                parent.lost.extend(meant);
                parent.overrides.drop_for(kind, name);
                self.problems.add(Problem::new(fault, at.clone()));
                Frame::Skipped { kind: kind.to_owned(), at: at.clone() }
            }
            Placing::PassedOver => {
                parent.overrides.drop_for(kind, name);
                self.skipped.push(kind.to_owned());
                Frame::Skipped { kind: kind.to_owned(), at: at.clone() }
            }
        };
        self.frames.push(frame);
    }

    fn place(&self, kind: &str, name: Option<&str>) -> Placing {
        let Some(Frame::Known(parent)) = self.frames.last() else { return Placing::PassedOver };
        let Some(found) = self.section_type(kind) else {
            return if self.is_abstract(kind) {
                let meant = slots(parent.kind, |slot| slot.takes == kind);
                let fault = ErrorKind::AbstractType { name: kind.to_owned(), hint: self.family(kind) };
                Placing::Refused(fault, meant)
            } else if self.schema.skips_unknown && self.depth() == 0 {
                Placing::PassedOver
            } else {
                self.unknown_type(parent.kind, kind)
            };
        };
        let of_another = !self.owns(found) || self.schema.skipped.contains(&kind);
        if self.schema.skips_unknown && self.depth() == 0 && of_another {
            return Placing::PassedOver;
        }
        for (index, member) in parent.kind.members.iter().enumerate() {
            match member {
                Member::Key(key) if Some(key.name) == name => {
                    let meant = slots(parent.kind, |slot| slot.fits(found));
                    return Placing::Refused(ErrorKind::NameOfKey { name: key.name.to_owned() }, meant);
                }
                Member::Slot(slot) if slot.fits(found) => return Self::name_in(slot, index, found, name),
                _ => {}
            }
        }
        // It is known, and none of those that belong here.
        Placing::Refused(self.misplaced(parent.kind, found), Vec::new())
    }

    /// Whether a file may hold a section of this type somewhere.
    fn can_stand(&self, kind: &SectionType) -> bool {
        takes(self.schema.file, kind) || self.types().any(|outer| takes(outer, kind))
    }

    /// A type that is not known, with what it may be: of a component that is not built in, or misspelt.
    fn unknown_type(&self, parent: &SectionType, kind: &str) -> Placing {
        let fitting = self.types().filter(|inner| takes(parent, inner));
        let meant = if self.failed_imports.is_empty() {
            nearest(kind, fitting.map(|inner| inner.name)).and_then(|name| self.section_type(name))
        } else {
            None
        };
        let hint = self.schema.hint(parent.name, kind);
        let hint = hint.or_else(|| self.of_failed_import());
        let hint = hint.or_else(|| meant.map(|meant| format!("; did you mean '{}'", meant.name)));
        let fault = ErrorKind::UnknownType { name: kind.to_owned(), hint: hint.unwrap_or_default() };
        Placing::Refused(
            fault,
            match meant {
                Some(meant) => slots(parent, |slot| slot.fits(meant)),
                // A slot for one type would have been meant by a name that is like it.
                None => slots(parent, |slot| self.is_abstract(slot.takes)),
            },
        )
    }

    /// The closing clause that names the components that could not be imported.
    fn of_failed_import(&self) -> Option<String> {
        let named = |(package, at): &(String, Location)| match at.line() {
            Some(line) => format!("{} (line {line})", repr(package)),
            None => repr(package),
        };
        let named: Vec<String> = self.failed_imports.iter().map(named).collect();
        let is = if named.len() == 1 { "which is" } else { "which are" };
        (!named.is_empty())
            .then(|| format!("; it may be of the component {}, {is} not built in", named.join(" or ")))
    }

    fn name_in(slot: &Slot, index: usize, found: &'static SectionType, name: Option<&str>) -> Placing {
        if slot.allows(name) {
            return Placing::At(found, index);
        }
        let fault = ErrorKind::SectionName { name: name.map(str::to_owned), kind: found.name.to_owned() };
        Placing::Refused(fault, vec![index])
    }

    fn misplaced(&self, parent: &SectionType, found: &SectionType) -> ErrorKind {
        let outside = parent.name == self.schema.file.name;
        let homes: Vec<String> = self
            .types()
            .filter(|home| takes(home, found) && self.can_stand(home))
            .map(|home| format!("'<{}>'", home.name))
            .collect();
        let at_top = takes(self.schema.file, found);
        let hint = self.schema.hint(parent.name, found.name);
        ErrorKind::Misplaced {
            kind: found.name.to_owned(),
            inside: if outside {
                "outside of other sections".into()
            } else {
                format!("in '<{}>'", parent.name)
            },
            hint: hint.unwrap_or_else(|| match (at_top, homes.is_empty()) {
                (true, _) => "; it stands outside of other sections".into(),
                (false, true) => String::new(),
                (false, false) => format!("; it stands in {}", homes.join(" or ")),
            }),
        }
    }

    /// A key with its value.
    pub fn key(&mut self, key: &str, value: RawValue, at: &Location) {
        if self.is_skipping() {
            return;
        }
        let Some(Frame::Known(open)) = self.frames.last_mut() else { return };
        let normal = match open.kind.keys {
            Keys::Exact => key.to_owned(),
            Keys::Basic => match basic_key_name(key) {
                Ok(normal) => normal,
                Err(error) => {
                    open.unreadable.extend(key.split_once('=').map(|(key, _)| key.to_ascii_lowercase()));
                    return self.report(ErrorKind::KeyName(error), at);
                }
            },
        };
        if open.overrides.has(&normal) {
            return;
        }
        let outside = open.kind.name == self.schema.file.name;
        if let Err(fault) = open.add(key, normal, value, at, outside, self.schema) {
            self.report(fault, at);
        }
    }

    /// `%import`: the section types of a component are known from here on.
    pub fn import(&mut self, package: &str, at: &Location) {
        if package.split('.').any(str::is_empty) {
            return self.report(ErrorKind::ComponentName { name: package.to_owned() }, at);
        }
        let Some(found) = self.schema.importable.iter().find(|known| known.package == package) else {
            self.failed_imports.push((package.to_owned(), at.clone()));
            if self.schema.skips_unknown {
                return;
            }
            let hint = self.schema.hint("", "%import").unwrap_or_else(|| {
                let known: Vec<&str> = self.schema.importable.iter().map(|known| known.package).collect();
                format!("; {} are", known.join(", "))
            });
            return self.report(ErrorKind::UnknownComponent { name: package.to_owned(), hint }, at);
        };
        for component in found.needs.iter().chain([found]) {
            if self.present(component) {
                continue;
            }
            let twice = component.types.iter().find(|kind| self.section_type(kind.name).is_some());
            if let Some(kind) = twice {
                let fault =
                    ErrorKind::TypeRedefined { name: kind.name.to_owned(), component: package.to_owned() };
                return self.report(fault, at);
            }
            self.components.push(component);
        }
    }

    fn present(&self, component: &Component) -> bool {
        self.all_components().any(|known| known.package == component.package)
    }

    pub(super) fn all_components(&self) -> impl Iterator<Item = &'static Component> + '_ {
        self.schema.components.iter().chain(&self.components).copied()
    }

    fn types(&self) -> impl Iterator<Item = &'static SectionType> + '_ {
        self.all_components().flat_map(|component| component.types.iter().copied())
    }

    fn section_type(&self, name: &str) -> Option<&'static SectionType> {
        self.types().find(|kind| kind.name == name)
    }

    /// Whether a type is of the schema itself, and not imported by the file.
    fn owns(&self, kind: &SectionType) -> bool {
        self.schema.components.iter().flat_map(|component| component.types).any(|own| own.name == kind.name)
    }

    fn is_abstract(&self, name: &str) -> bool {
        self.all_components().any(|component| component.abstract_types.contains(&name))
    }

    /// The closing clause that names the members of a family of types.
    fn family(&self, name: &str) -> String {
        let members: Vec<&str> =
            self.types().filter(|kind| kind.implements == Some(name)).map(|kind| kind.name).collect();
        if members.is_empty() { String::new() } else { format!("; {} are", members.join(", ")) }
    }
}

/// The slots of a type, by their index among its members.
fn slots(kind: &SectionType, is_wanted: impl Fn(&Slot) -> bool) -> Vec<usize> {
    let slots = kind.members.iter().enumerate();
    let slots = slots.filter(|(_, member)| matches!(member, Member::Slot(slot) if is_wanted(slot)));
    slots.map(|(index, _)| index).collect()
}

/// Whether sections of a type may stand directly in those of another.
fn takes(home: &SectionType, inner: &SectionType) -> bool {
    home.members.iter().any(|member| matches!(member, Member::Slot(slot) if slot.fits(inner)))
}
