//! Numbers that ZConfig reads and nothing here could use: refused, with their place, and never bent into others.

use super::Errors;
use super::shared::{exit_codes_of, mask_of, seconds_of, size_of};
use crate::zconfig::{Datatype, Held, Kind, Location, Member, Problem, SectionRef, Value, Wrong};

/// The faults of these sections' values.
pub(super) fn check<'a>(sections: impl Iterator<Item = SectionRef<'a>>) -> Errors {
    let mut faults = Errors::default();
    for section in sections {
        for (member, held) in section.held() {
            if let (Member::Key(key), Held::One(entry)) = (member, held)
                && let Err(wrong) = fits(key.datatype, &entry.value)
            {
                let at = entry.at.as_ref().unwrap_or(section.at());
                faults.add(fault(key.name, wrong, at));
            }
        }
    }
    faults
}

fn fits(datatype: &Datatype, value: &Value) -> Result<(), Wrong> {
    match datatype.name {
        "integer" => seconds_of(value).map(drop),
        "octal" => mask_of(value).map(drop),
        "exit codes" => exit_codes_of(value).map(drop),
        "byte-size" => size_of(value).map(drop),
        _ => Ok(()),
    }
}

fn fault(key: &str, wrong: Wrong, at: &Location) -> Problem {
    Problem::new(Kind::Value { key: key.to_owned(), wrong }, at.clone())
}
