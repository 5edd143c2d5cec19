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
    /// Unknown sections at the top are of other programs: they are passed over, not refused.
    pub skips_unknown: bool,
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

/// A check of a whole section whose values are good, made when the section around it ends.
pub type Check = fn(SectionRef<'_>, &Environment) -> Result<(), ValueError>;
