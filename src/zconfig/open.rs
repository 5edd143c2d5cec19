//! A section that has not ended yet.

use std::collections::HashSet;

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::error_kind::ErrorKind;
use super::overrides::Overrides;
use super::problem::{Location, nearest};
use super::schema::Schema;
use super::section_type::{Member, SectionType};

/// A value before its conversion.
#[derive(Debug, Clone)]
pub enum RawValue {
    /// Text, to be read by the key's datatype.
    Text(String),
    /// Words that another language has separated already; only for keys of words.
    Words(Vec<String>),
}

/// A section of the schema, not yet ended.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) kind: &'static SectionType,
    pub(super) name: Option<String>,
    pub(super) at: Location,
    /// The member of the section around that it goes to.
    pub(super) slot: usize,
    /// Beside the members of the type.
    pub(super) given: Vec<Given>,
    pub(super) names: HashSet<String>,
    pub(super) overrides: Overrides,
    /// Something in it could not be placed, and may be what seems to be missing.
    pub(super) incomplete: bool,
    /// The members of the type, by index, that what could not be placed may be.
    pub(super) lost: HashSet<usize>,
    /// Keys that were given with unreadable values, or most likely meant.
    pub(super) unreadable: Vec<String>,
}

/// What a member was given so far.
#[derive(Debug)]
pub(super) enum Given {
    Values(Vec<(RawValue, Location)>),
    Map(IndexMap<String, (RawValue, Location)>),
    Sections(Vec<usize>),
}

impl Open {
    pub(super) fn new(kind: &'static SectionType, name: Option<&str>, at: Location, slot: usize) -> Self {
        let given = kind
            .members
            .iter()
            .map(|member| match member {
                Member::Key(_) => Given::Values(Vec::new()),
                Member::Map(_) => Given::Map(IndexMap::new()),
                Member::Slot(_) => Given::Sections(Vec::new()),
            })
            .collect();
        Self {
            kind,
            name: name.map(str::to_owned),
            at,
            slot,
            given,
            names: HashSet::new(),
            overrides: Overrides::default(),
            incomplete: false,
            lost: HashSet::new(),
            unreadable: Vec::new(),
        }
    }

    /// What could not be placed may be any member.
    pub(super) fn lose_all(&mut self) {
        self.incomplete = true;
        self.lost.extend(0..self.kind.members.len());
    }

    /// Adds a value to its member.
    pub(super) fn add(
        &mut self,
        key: &str,
        normal: String,
        value: RawValue,
        at: &Location,
        outside: bool,
        schema: &Schema,
    ) -> Result<(), ErrorKind> {
        let mut members = self.kind.members.iter().zip(&mut self.given);
        let Some((member, given)) = members.find(|(member, _)| takes(member, &normal)) else {
            return Err(self.unknown(key, &normal, outside, schema));
        };
        let many = matches!(member, Member::Key(known) if known.many);
        match given {
            Given::Values(values) => match values.first() {
                Some((_, first)) if !many => {
                    let first = first.line().map_or(String::new(), |line| format!(" (first on line {line})"));
                    return Err(ErrorKind::KeyTwice { key: key.to_owned(), first });
                }
                // A list in another language is what the lines of this one are together.
                _ => match value {
                    RawValue::Words(words) if many => {
                        values.extend(words.into_iter().map(|word| (RawValue::Text(word), at.clone())));
                    }
                    value => values.push((value, at.clone())),
                },
            },
            Given::Map(entries) => match entries.entry(normal) {
                Entry::Occupied(_) => {
                    return Err(ErrorKind::KeyTwice { key: key.to_owned(), first: String::new() });
                }
                Entry::Vacant(place) => {
                    place.insert((value, at.clone()));
                }
            },
            Given::Sections(_) => {}
        }
        Ok(())
    }

    /// The fault of a key that no member takes.
    pub(super) fn unknown(&mut self, key: &str, normal: &str, outside: bool, schema: &Schema) -> ErrorKind {
        if outside {
            let hint =
                schema.hint("", normal).unwrap_or_else(|| "; keys stand inside of sections".to_owned());
            return ErrorKind::UnknownKey { key: key.to_owned(), place: String::new(), hint };
        }
        let known = self.kind.members.iter().filter(|member| matches!(member, Member::Key(_)));
        let meant = nearest(normal, known.map(Member::name));
        self.unreadable.extend(meant.map(str::to_owned));
        let hint = schema.hint(self.kind.name, normal);
        let hint =
            hint.or_else(|| meant.map(|meant| format!("; did you mean '{meant}'"))).unwrap_or_default();
        let place = format!(" in '<{}>'", self.kind.name);
        ErrorKind::UnknownKey { key: key.to_owned(), place, hint }
    }

    /// Whether a member takes a key of this name.
    pub(super) fn takes(&self, key: &str) -> bool {
        self.kind.members.iter().any(|member| takes(member, key))
    }
}

/// Whether a member takes a key of this name.
fn takes(member: &Member, key: &str) -> bool {
    match member {
        Member::Key(known) => known.name == key,
        Member::Map(_) => true,
        Member::Slot(_) => false,
    }
}
