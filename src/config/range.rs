//! Values that ZConfig accepts and that cannot be used: refused with their places, never adjusted. They are numbers, and paths
//! and commands with the equals sign of another language in front.

use super::Errors;
use super::option_values::{exit_codes_of, mask_of, seconds_of, size_of};
use crate::zconfig::{ErrorKind, Key, Member, MemberValue, Problem, SectionRef, Value, ValueError, strip};

/// The faults of these sections' values.
pub(super) fn check<'a>(sections: impl Iterator<Item = SectionRef<'a>>) -> Errors {
    let mut faults = Errors::default();
    for section in sections {
        for (member, held) in section.members() {
            if let (Member::Key(key), MemberValue::One(entry)) = (member, held)
                && let Err(error) = fits(key, &entry.value)
            {
                let at = entry.at.as_ref().unwrap_or(section.at()).clone();
                faults.add(Problem::new(ErrorKind::Value { key: key.name.to_owned(), error }, at));
            }
        }
    }
    faults
}

fn fits(key: &Key, value: &Value) -> Result<(), ValueError> {
    match key.datatype.name {
        "existing-dirpath" | "existing-path" | "socket-name" | "directory" => {
            no_equals_sign(key.name, value.as_text().unwrap_or_default())
        }
        "string" if key.name == "path" => no_equals_sign(key.name, value.as_text().unwrap_or_default()),
        "command line" => no_equals_sign(key.name, &value.as_words().unwrap_or_default().join(" ")),
        "integer" => seconds_of(value).map(drop),
        "octal" => mask_of(value).map(drop),
        "exit codes" => exit_codes_of(value).map(drop),
        "byte-size" => size_of(value).map(drop),
        _ => Ok(()),
    }
}

/// `path = Data.fs`, as an ini file has it, would be a file called `= Data.fs`.
fn no_equals_sign(key: &str, text: &str) -> Result<(), ValueError> {
    match text.strip_prefix("= ") {
        None => Ok(()),
        Some(value) => {
            let hint = format!("write '{key} {}', without the equals sign", strip(value));
            Err(ValueError::text(text, "begins with an equals sign", hint))
        }
    }
}
