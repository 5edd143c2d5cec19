//! Overrides: `section/key=value` from the command line (ZCONFIG section 11).

use super::error_kind::ErrorKind;
use super::problem::{Location, Problem};
use super::section_type::{Keys, SectionType};
use super::text::is_basic_key;

/// An override and the path to its key.
#[derive(Debug, Clone)]
struct Item {
    /// The remaining steps, the key last.
    path: Vec<String>,
    value: String,
    /// What was typed.
    typed: String,
}

/// The overrides for a section and for those inside of it.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// Values by key, the keys in the order of their first value.
    keys: Vec<(String, Vec<(String, Location)>)>,
    items: Vec<Item>,
}

impl Overrides {
    /// The overrides for a file, and the faults of malformed ones.
    pub(super) fn parse(typed: &[String], file: &SectionType) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut items = Vec::new();
        for typed in typed {
            match item(typed) {
                Ok(item) => items.push(item),
                Err(kind) => problems.push(Problem::new(kind, Location::Override(typed.clone()))),
            }
        }
        (Self::sort(items, file, &mut problems), problems)
    }

    fn sort(items: Vec<Item>, section: &SectionType, problems: &mut Vec<Problem>) -> Self {
        let mut overrides = Self::default();
        for mut item in items {
            let Some(first) = item.path.first() else { continue };
            let exact = section.keys == Keys::Exact;
            if !exact && !is_basic_key(first) {
                let kind = ErrorKind::OverrideName { name: first.clone() };
                problems.push(Problem::new(kind, Location::Override(item.typed)));
            } else if item.path.len() > 1 {
                overrides.items.push(item);
            } else {
                let key = item.path.pop().unwrap_or_default();
                overrides.add(if exact { key } else { key.to_ascii_lowercase() }, item.value, item.typed);
            }
        }
        overrides
    }

    fn add(&mut self, key: String, value: String, typed: String) {
        let value = (value, Location::Override(typed));
        match self.keys.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => self.keys.push((key, vec![value])),
        }
    }

    /// Whether a key (in its normal form) is overridden.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(known, _)| known == key)
    }

    /// Removes and returns those for a section that starts here.
    pub(super) fn take(&mut self, kind: &SectionType, name: Option<&str>) -> (Self, Vec<Problem>) {
        let (mut taken, kept) = self.matching(kind.name, name);
        self.items = kept;
        for item in &mut taken {
            item.path.remove(0);
        }
        let mut problems = Vec::new();
        (Self::sort(taken, kind, &mut problems), problems)
    }

    /// Drops those for a section that is skipped.
    pub(super) fn drop_for(&mut self, kind: &str, name: Option<&str>) {
        self.items = self.matching(kind, name).1;
    }

    fn matching(&mut self, kind: &str, name: Option<&str>) -> (Vec<Item>, Vec<Item>) {
        std::mem::take(&mut self.items).into_iter().partition(|item| {
            item.path.first().is_some_and(|first| {
                let first = first.to_lowercase();
                Some(first.as_str()) == name || first == kind
            })
        })
    }

    /// Removes and returns the values by key.
    pub(super) fn take_keys(&mut self) -> Vec<(String, Vec<(String, Location)>)> {
        std::mem::take(&mut self.keys)
    }

    /// The sections that those name for which there was none.
    pub(super) fn left_steps(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|item| item.path.first().map(String::as_str))
    }

    /// Those for which there was no section, as typed.
    pub(super) fn left(&self) -> Vec<String> {
        self.items.iter().map(|item| item.typed.clone()).collect()
    }
}

fn item(typed: &str) -> Result<Item, ErrorKind> {
    let (path, value) = typed.split_once('=').ok_or(ErrorKind::OverrideForm)?;
    let path: Vec<String> = path.split('/').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err(ErrorKind::OverridePath);
    }
    Ok(Item { path, value: value.to_owned(), typed: typed.to_owned() })
}
