//! Numbers that ZConfig accepts and that cannot be used: refused with their places, never adjusted.

use super::Errors;
use super::option_values::{exit_codes_of, mask_of, seconds_of, size_of};
use crate::zconfig::{Datatype, ErrorKind, Member, MemberValue, Problem, SectionRef, Value, ValueError};

/// The faults of these sections' values.
pub(super) fn check<'a>(sections: impl Iterator<Item = SectionRef<'a>>) -> Errors {
    let mut faults = Errors::default();
    for section in sections {
        for (member, held) in section.members() {
            if let (Member::Key(key), MemberValue::One(entry)) = (member, held)
                && let Err(error) = fits(key.datatype, &entry.value)
            {
                let at = entry.at.as_ref().unwrap_or(section.at()).clone();
                faults.add(Problem::new(ErrorKind::Value { key: key.name.to_owned(), error }, at));
            }
        }
    }
    faults
}

fn fits(datatype: &Datatype, value: &Value) -> Result<(), ValueError> {
    match datatype.name {
        "integer" => seconds_of(value).map(drop),
        "octal" => mask_of(value).map(drop),
        "exit codes" => exit_codes_of(value).map(drop),
        "byte-size" => size_of(value).map(drop),
        _ => Ok(()),
    }
}
