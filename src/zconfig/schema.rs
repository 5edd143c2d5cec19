//! What a file may hold, as data: components of section types, and what a program makes of them.

use super::environment::Environment;
use super::section_type::SectionType;
use super::tree::SectionRef;
use super::value_error::ValueError;

/// All that one program lets a file hold.
#[derive(Debug)]
pub struct Schema {
    /// The members of the file itself; its name is never shown.
    pub file: &'static SectionType,
    /// Where the section types come from.
    pub components: &'static [&'static Component],
    /// What `%import` may add.
    pub importable: &'static [&'static Component],
    /// Other programs have sections in the same file: types that are not known at the top, and imports of components that
    /// are not built in, are passed over, not refused.
    pub skips_unknown: bool,
    /// Known types whose sections at the top are of other programs too.
    pub skipped: &'static [&'static str],
    /// Types of sections that another program uses: files and directories that they name need not be there.
    pub unused: &'static [&'static str],
    /// What to do about words that people write and that the schema does not take.
    pub hints: &'static [Hint],
}

/// What to do about a word, as the closing clause of a fault.
#[derive(Debug)]
pub struct Hint {
    /// The type of the section that it stands in; blank outside of other sections.
    pub section: &'static str,
    /// A key, or the type of a section, lower case.
    pub word: &'static str,
    /// What to do.
    pub text: &'static str,
}

impl Schema {
    /// The clause about a word in a section, if there is one.
    pub(super) fn hint(&self, section: &str, word: &str) -> Option<String> {
        let hint = self.hints.iter().find(|hint| hint.section == section && hint.word == word);
        hint.map(|hint| format!("; {}", hint.text))
    }
}

/// A package of section types.
#[derive(Debug)]
pub struct Component {
    /// Its name in `%import`.
    pub package: &'static str,
    /// What it builds on.
    pub needs: &'static [&'static Component],
    /// Abstract types, lower case: names for what several section types implement.
    pub abstract_types: &'static [&'static str],
    /// Concrete types.
    pub types: &'static [&'static SectionType],
    /// Checks of whole sections, by their types.
    pub checks: &'static [(&'static str, Check)],
}

/// A check of a whole section, made when the section around it ends. Values that are at fault are absent.
pub type Check = fn(SectionRef<'_>, &Environment) -> Vec<SectionFault>;

/// A fault that several values of a section have together, or that only a check of the section can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionFault {
    /// The key that has to be changed; without one it is the section.
    pub key: Option<&'static str>,
    /// What is wrong.
    pub error: ValueError,
}

impl SectionFault {
    /// A fault of the section as a whole.
    #[must_use]
    pub fn whole(error: ValueError) -> Self {
        Self { key: None, error }
    }

    /// A fault of one key.
    #[must_use]
    pub fn of(key: &'static str, error: ValueError) -> Self {
        Self { key: Some(key), error }
    }
}
