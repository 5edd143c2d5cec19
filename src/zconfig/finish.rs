//! The end of a section: overrides, what is missing, conversion (ZCONFIG section 13).

use indexmap::IndexMap;

use super::builder::{Builder, Frame};
use super::error_kind::ErrorKind;
use super::open::{Given, Open, RawValue};
use super::problem::{Location, Problem, Problems, did_you_mean};
use super::schema::SectionFault;
use super::section_type::{Key, Member, SectionType};
use super::text::strip;
use super::tree::{Entry, MemberValue, Section, Tree};
use super::value::Value;
use super::value_error::ValueError;

impl Builder<'_> {
    /// The innermost section ends.
    pub fn close(&mut self, at: &Location) {
        if self.depth() == 0 {
            return;
        }
        let Some(Frame::Known(open)) = self.frames.pop() else { return };
        let slot = open.slot;
        let kind = open.kind;
        let name = open.name.clone();
        let id = self.convert(*open, at);
        let Some(Frame::Known(parent)) = self.frames.last_mut() else { return };
        if let Some(name) = name
            && !parent.names.insert(name.clone())
        {
            parent.incomplete = true;
            parent.lost.insert(slot);
            return self.report(ErrorKind::NameReused { name }, at);
        }
        let (Some(Given::Sections(ids)), Some(Member::Slot(place))) =
            (parent.given.get_mut(slot), parent.kind.members.get(slot))
        else {
            return;
        };
        if !place.many && !ids.is_empty() {
            return self.report(ErrorKind::TooMany { kind: kind.name.to_owned() }, at);
        }
        ids.push(id);
    }

    /// Ends the file, and sections that are still open. Values with faults are absent from the tree.
    #[must_use]
    pub fn finish(mut self, at: &Location) -> (Tree, Problems) {
        while self.depth() > 0 {
            self.close(at);
        }
        if let Some(Frame::Known(root)) = self.frames.pop() {
            self.convert(*root, at);
        }
        (self.tree, self.problems)
    }

    /// Checks and converts a section, and adds it to the tree; returns its index.
    fn convert(&mut self, mut open: Open, end: &Location) -> usize {
        let before = self.problems.len();
        self.apply_overrides(&mut open, end);
        self.find_missing(&open, end);
        let mut values = Vec::with_capacity(open.given.len());
        for (member, given) in open.kind.members.iter().zip(std::mem::take(&mut open.given)) {
            values.push(match (member, given) {
                (Member::Key(key), Given::Values(values)) => self.values(open.kind, key, values, end),
                (Member::Map(key), Given::Map(entries)) => self.map(open.kind, key, entries),
                (_, Given::Sections(ids)) => {
                    self.check_sections(&ids);
                    MemberValue::Sections(ids)
                }
                _ => MemberValue::Absent,
            });
        }
        let failed =
            open.incomplete || self.partial || !open.unreadable.is_empty() || self.problems.len() > before;
        let section = Section { kind: open.kind, name: open.name, at: open.at, values, failed };
        self.tree.sections.push(section);
        self.tree.sections.len() - 1
    }

    fn apply_overrides(&mut self, open: &mut Open, end: &Location) {
        let outside = open.kind.name == self.schema.file.name;
        for (key, values) in open.overrides.take_keys() {
            for (value, at) in values {
                if let Err(fault) =
                    open.add(&key, key.clone(), RawValue::Text(value), &at, outside, self.schema)
                {
                    self.problems.add(Problem::new(fault, at));
                }
            }
        }
        let left = open.overrides.left();
        if !left.is_empty() && !open.incomplete {
            let known: Vec<&str> =
                self.all_components().flat_map(|part| part.types).map(|kind| kind.name).collect();
            let unknown = open.overrides.left_steps().find(|step| !known.contains(step));
            let hint = unknown.map(|step| did_you_mean(step, known.iter().copied())).unwrap_or_default();
            self.report(ErrorKind::OverridesLeft { typed: left, hint }, end);
        }
    }

    fn find_missing(&mut self, open: &Open, end: &Location) {
        for (index, (member, given)) in open.kind.members.iter().zip(&open.given).enumerate() {
            let fault = match (member, given) {
                (Member::Key(key), Given::Values(values))
                    if key.required && values.is_empty() && !self.excused(key, open) =>
                {
                    ErrorKind::MissingKey { key: key.name.to_owned(), section: open.kind.name.to_owned() }
                }
                (Member::Slot(slot), Given::Sections(ids))
                    if slot.required
                        && ids.is_empty()
                        && !(self.partial || open.lost.contains(&index))
                        && !self.is_exempt(slot.name) =>
                {
                    ErrorKind::MissingSection {
                        kind: self.example(slot.takes),
                        hint: self.skipped_like(slot.takes),
                    }
                }
                _ => continue,
            };
            self.report(fault, end);
        }
    }

    fn excused(&self, key: &Key, open: &Open) -> bool {
        self.partial || self.is_exempt(key.name) || open.unreadable.iter().any(|name| name == key.name)
    }

    fn is_exempt(&self, member: &str) -> bool {
        self.exempt.iter().any(|name| name == member)
    }

    /// A concrete type to name for a slot.
    fn example(&self, takes: &str) -> String {
        let concrete = self
            .schema
            .components
            .iter()
            .flat_map(|component| component.types)
            .find(|kind| kind.implements == Some(takes));
        concrete.map_or(takes, |kind| kind.name).to_owned()
    }

    /// A hint if a skipped section has a name similar to the missing one.
    fn skipped_like(&self, takes: &str) -> String {
        let like = self.skipped.iter().find(|skipped| !did_you_mean(skipped, [takes].into_iter()).is_empty());
        like.map(|skipped| format!("; was '<{skipped}>' meant to be it")).unwrap_or_default()
    }

    fn values(
        &mut self,
        section: &SectionType,
        key: &Key,
        values: Vec<(RawValue, Location)>,
        end: &Location,
    ) -> MemberValue {
        if values.is_empty() && !key.many {
            return match key.default.map(|text| (key.datatype.convert)(text, self.environment)) {
                Some(Ok(value)) => MemberValue::One(Entry { value, at: None }),
                Some(Err(error)) => {
                    // A default of a directory, say, may not fit where the program runs.
                    self.report(ErrorKind::Value { key: key.name.to_owned(), error }, end);
                    MemberValue::Absent
                }
                None => MemberValue::Absent,
            };
        }
        let mut entries: Vec<Entry> =
            values.into_iter().filter_map(|(raw, at)| self.value(section, key.name, key, raw, at)).collect();
        if key.many {
            return MemberValue::Many(entries);
        }
        entries.pop().map_or(MemberValue::Absent, MemberValue::One)
    }

    fn map(
        &mut self,
        section: &SectionType,
        key: &Key,
        entries: IndexMap<String, (RawValue, Location)>,
    ) -> MemberValue {
        let entries = entries.into_iter().filter_map(|(name, (raw, at))| {
            let entry = self.value(section, &name, key, raw, at)?;
            Some((name, entry))
        });
        MemberValue::Map(entries.collect())
    }

    fn value(
        &mut self,
        section: &SectionType,
        name: &str,
        key: &Key,
        raw: RawValue,
        at: Location,
    ) -> Option<Entry> {
        let converted = match raw {
            RawValue::Text(text) => self.converted(section, key, &text),
            RawValue::Words(words) => self.words(key, words),
        };
        match converted {
            Ok(value) => Some(Entry { value, at: Some(at) }),
            Err(error) => {
                self.report(ErrorKind::Value { key: name.to_owned(), error }, &at);
                None
            }
        }
    }

    fn converted(&self, section: &SectionType, key: &Key, text: &str) -> Result<Value, ValueError> {
        let converted = if self.schema.unused.contains(&section.name) {
            (key.datatype.convert)(text, &self.environment.clone().trusting())
        } else {
            (key.datatype.convert)(text, self.environment)
        };
        converted.map_err(|error| match (text.strip_prefix('='), self.schema.hint(section.name, key.name)) {
            (Some(value), _) => {
                error.with_hint(format!("write '{} {}', without the equals sign", key.name, strip(value)))
            }
            (None, Some(hint)) => error.with_hint(hint.trim_start_matches("; ")),
            (None, None) => error,
        })
    }

    /// Words as the value of a key. Its datatype must be one of words: one that makes words of an empty text.
    fn words(&self, key: &Key, words: Vec<String>) -> Result<Value, ValueError> {
        match (key.datatype.convert)("", self.environment) {
            Ok(Value::Words(_)) => Ok(Value::Words(words)),
            _ => Err(ValueError::new("a list is not allowed here", "give one value")),
        }
    }

    fn check_sections(&mut self, ids: &[usize]) {
        for id in ids {
            let Some(section) = self.tree.section(*id) else { continue };
            let kind = section.kind().name;
            let check =
                self.all_components().flat_map(|component| component.checks).find(|(name, _)| *name == kind);
            let Some((_, check)) = check else { continue };
            for SectionFault { key, error } in check(section, self.environment) {
                let at = key.and_then(|key| section.entry(key)?.at.as_ref()).unwrap_or(section.at()).clone();
                let fault = ErrorKind::Section { kind: kind.to_owned(), key, error };
                self.problems.add(Problem::new(fault, at));
            }
        }
    }
}
