//! Overrides: `section/key=value` from the command line (ZCONFIG.md section 11).

use super::kind::Kind;
use super::problem::{Location, Problem};
use super::section_type::{Keys, SectionType};
use super::text::is_basic_key;

/// One override on its way to its section.
#[derive(Debug, Clone)]
struct Item {
    /// The steps that are left, the key last.
    path: Vec<String>,
    value: String,
    /// What was typed.
    typed: String,
}

/// The overrides that wait in a section.
#[derive(Debug, Default)]
pub(super) struct Bag {
    /// Values by key, the keys in the order of their first value.
    keys: Vec<(String, Vec<(String, Location)>)>,
    items: Vec<Item>,
}

impl Bag {
    /// The overrides of a whole file, and those that are malformed.
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
        let mut bag = Self::default();
        for mut item in items {
            let Some(first) = item.path.first() else { continue };
            let exact = section.keys == Keys::Exact;
            if !exact && !is_basic_key(first) {
                let kind = Kind::OverrideName { name: first.clone() };
                problems.push(Problem::new(kind, Location::Override(item.typed)));
            } else if item.path.len() > 1 {
                bag.items.push(item);
            } else {
                let key = item.path.pop().unwrap_or_default();
                bag.add(if exact { key } else { key.to_ascii_lowercase() }, item.value, item.typed);
            }
        }
        bag
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

    /// Moves out what is for a section that begins here.
    pub(super) fn take(&mut self, kind: &SectionType, name: Option<&str>) -> (Self, Vec<Problem>) {
        let (mut taken, kept) = self.matching(kind.name, name);
        self.items = kept;
        for item in &mut taken {
            item.path.remove(0);
        }
        let mut problems = Vec::new();
        (Self::sort(taken, kind, &mut problems), problems)
    }

    /// Drops what is for a section that is passed over.
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

    /// Moves out the values by key.
    pub(super) fn take_keys(&mut self) -> Vec<(String, Vec<(String, Location)>)> {
        std::mem::take(&mut self.keys)
    }

    /// What found no section, as typed.
    pub(super) fn left(&self) -> Vec<String> {
        self.items.iter().map(|item| item.typed.clone()).collect()
    }
}

fn item(typed: &str) -> Result<Item, Kind> {
    let (path, value) = typed.split_once('=').ok_or(Kind::OverrideForm)?;
    let path: Vec<String> = path.split('/').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err(Kind::OverridePath);
    }
    Ok(Item { path, value: value.to_owned(), typed: typed.to_owned() })
}
