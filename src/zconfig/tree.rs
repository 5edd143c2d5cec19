//! The typed tree that a load gives.
//!
//! Sections are stored in one list and refer to each other by index, so that deep nesting needs no recursion, not even
//! for dropping.

use std::sync::Arc;

use super::problem::Location;
use super::section_type::{Member, SectionType};
use super::source::Source;
use super::value::Value;

/// A file, read and converted.
#[derive(Debug, Default)]
pub struct Tree {
    pub(super) sections: Vec<Section>,
    /// The files that were read, in order, the included ones too.
    pub(super) files: Vec<Arc<Source>>,
}

#[derive(Debug)]
pub(super) struct Section {
    pub(super) kind: &'static SectionType,
    pub(super) name: Option<String>,
    pub(super) at: Location,
    /// In the order of the members of the type.
    pub(super) values: Vec<MemberValue>,
    /// Its values were not all good.
    pub(super) failed: bool,
}

/// The value of a member of a section.
#[derive(Debug, PartialEq)]
pub enum MemberValue {
    /// A key that was not given and has no default.
    Absent,
    /// A key's value.
    One(Entry),
    /// The values of a key that may be repeated.
    Many(Vec<Entry>),
    /// Keys and values of a map, in file order.
    Map(Vec<(String, Entry)>),
    /// Sections, by index.
    Sections(Vec<usize>),
}

/// A value and where it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// Where; `None` for a default.
    pub at: Option<Location>,
}

impl Tree {
    /// The file itself: the section that holds all others.
    #[must_use]
    pub fn root(&self) -> Option<SectionRef<'_>> {
        let id = self.sections.len().checked_sub(1)?;
        self.section(id)
    }

    /// The files that were read, in order: the one asked for, then those that it includes.
    #[must_use]
    pub fn files(&self) -> &[Arc<Source>] {
        &self.files
    }

    pub(super) fn section(&self, id: usize) -> Option<SectionRef<'_>> {
        self.sections.get(id).map(|section| SectionRef { tree: self, section })
    }
}

/// A section of a tree.
#[derive(Debug, Clone, Copy)]
pub struct SectionRef<'a> {
    tree: &'a Tree,
    section: &'a Section,
}

impl<'a> SectionRef<'a> {
    /// Its type.
    #[must_use]
    pub fn kind(self) -> &'static SectionType {
        self.section.kind
    }

    /// Its name, lower case.
    #[must_use]
    pub fn name(self) -> Option<&'a str> {
        self.section.name.as_deref()
    }

    /// Where it begins.
    #[must_use]
    pub fn at(self) -> &'a Location {
        &self.section.at
    }

    /// Whether something in it was at fault, and is therefore absent.
    #[must_use]
    pub fn has_faults(self) -> bool {
        self.section.failed
    }

    /// Its members with their values, in the order of its type.
    pub fn members(self) -> impl Iterator<Item = (&'static Member, &'a MemberValue)> {
        self.section.kind.members.iter().zip(&self.section.values)
    }

    fn member(self, name: &str) -> Option<&'a MemberValue> {
        self.members().find(|(member, _)| member.name() == name).map(|(_, value)| value)
    }

    /// A key's value with its place.
    #[must_use]
    pub fn entry(self, key: &str) -> Option<&'a Entry> {
        match self.member(key)? {
            MemberValue::One(entry) => Some(entry),
            _ => None,
        }
    }

    /// A key's value.
    #[must_use]
    pub fn value(self, key: &str) -> Option<&'a Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A text; `None` when absent.
    #[must_use]
    pub fn text(self, key: &str) -> Option<&'a str> {
        self.value(key)?.as_text()
    }

    /// A number; `None` when absent.
    #[must_use]
    pub fn integer(self, key: &str) -> Option<i64> {
        self.value(key)?.as_integer()
    }

    /// A boolean; `None` when absent.
    #[must_use]
    pub fn boolean(self, key: &str) -> Option<bool> {
        self.value(key)?.as_bool()
    }

    /// The values of a key that may be repeated.
    #[must_use]
    pub fn values(self, key: &str) -> &'a [Entry] {
        match self.member(key) {
            Some(MemberValue::Many(entries)) => entries,
            _ => &[],
        }
    }

    /// The keys and values of a map.
    #[must_use]
    pub fn map(self, name: &str) -> &'a [(String, Entry)] {
        match self.member(name) {
            Some(MemberValue::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// The sections in a slot, in file order.
    pub fn sections(self, slot: &str) -> impl Iterator<Item = SectionRef<'a>> {
        let ids: &[usize] = match self.member(slot) {
            Some(MemberValue::Sections(ids)) => ids,
            _ => &[],
        };
        ids.iter().filter_map(move |id| self.tree.section(*id))
    }

    /// The section in a slot for one.
    #[must_use]
    pub fn section(self, slot: &str) -> Option<SectionRef<'a>> {
        self.sections(slot).next()
    }
}
