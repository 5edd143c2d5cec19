//! What a section may hold, as data.

use super::datatype::Datatype;

/// A kind of section.
pub struct SectionType {
    /// Its name, lower case.
    pub name: &'static str,
    /// The abstract type that it stands for.
    pub implements: Option<&'static str>,
    /// How keys are named.
    pub keys: Keys,
    /// Keys and slots; this order is the order of checks.
    pub members: &'static [Member],
    /// One sentence for the reference page.
    pub meaning: &'static str,
}

impl std::fmt::Debug for SectionType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// How the keys of a section are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// A letter, then letters, digits, `-`, `.`, `_`; case does not matter.
    Basic,
    /// Anything, to the letter.
    Exact,
}

/// What a section may hold.
#[derive(Debug, Clone, Copy)]
pub enum Member {
    /// A key of this name.
    Key(Key),
    /// Any key; the name is that of the whole map.
    Map(Key),
    /// Sections.
    Slot(Slot),
}

impl Member {
    /// The member's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Key(key) | Self::Map(key) => key.name,
            Self::Slot(slot) => slot.name,
        }
    }
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name, lower case.
    pub name: &'static str,
    /// How its value is read.
    pub datatype: &'static Datatype,
    /// The text that stands in for a missing key.
    pub default: Option<&'static str>,
    /// A section without it is refused.
    pub required: bool,
    /// It may be given several times.
    pub many: bool,
    /// One sentence for the reference page.
    pub meaning: &'static str,
}

/// A place for sections of a type.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// Its name.
    pub name: &'static str,
    /// The type, or the abstract type, that fits.
    pub takes: &'static str,
    /// Which section names are allowed.
    pub names: SlotName,
    /// The section around is refused without one.
    pub required: bool,
    /// More than one fit in.
    pub many: bool,
}

/// Which section names a slot allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotName {
    /// Any or none.
    Any,
    /// Some name is needed.
    Needed,
}

impl Slot {
    /// Whether a section of this type fits.
    #[must_use]
    pub fn fits(&self, kind: &SectionType) -> bool {
        self.takes == kind.name || Some(self.takes) == kind.implements
    }

    /// Whether a section may have this name (lower case).
    #[must_use]
    pub fn allows(&self, name: Option<&str>) -> bool {
        match name {
            None => self.names == SlotName::Any,
            Some(name) => name != "*" && name != "+",
        }
    }
}

impl Key {
    /// A key that need not be given and has no default.
    #[must_use]
    pub const fn new(name: &'static str, datatype: &'static Datatype, meaning: &'static str) -> Self {
        Self { name, datatype, default: None, required: false, many: false, meaning }
    }

    /// With the text that stands in for it.
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// It must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It may be given several times.
    #[must_use]
    pub const fn many(mut self) -> Self {
        self.many = true;
        self
    }
}

impl Slot {
    /// A place for one section, with any name or none, that need not be there.
    #[must_use]
    pub const fn new(name: &'static str, takes: &'static str) -> Self {
        Self { name, takes, names: SlotName::Any, required: false, many: false }
    }

    /// It must be filled.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Several sections fit in.
    #[must_use]
    pub const fn many(mut self) -> Self {
        self.many = true;
        self
    }

    /// Each section needs a name.
    #[must_use]
    pub const fn named(mut self) -> Self {
        self.names = SlotName::Needed;
        self
    }
}
