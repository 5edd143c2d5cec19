//! A handler's log format: which one is in force, and whether records can be written in it. What makes a format sound is
//! the event log's to say; here it gets its place in the file, and a word on what would be right.

use crate::eventlog::{FormatError, Layout};
use crate::zconfig::{Environment, SectionFault, SectionRef, ValueError, did_you_mean};

/// The form of a handler's records.
pub(super) fn layout(handler: SectionRef<'_>) -> Layout {
    let text = |key| handler.text(key).unwrap_or_default().to_owned();
    Layout {
        format: text("format"),
        dateformat: text("dateformat"),
        arbitrary_fields: handler.boolean("arbitrary-fields") == Some(true),
    }
}

/// Checks the formatter and the format of a handler (ZCONFIG section 15).
pub(super) fn check(handler: SectionRef<'_>, _environment: &Environment) -> Vec<SectionFault> {
    let mut faults = Vec::new();
    if let Some(formatter) = handler.text("formatter")
        && formatter != "logging.Formatter"
    {
        let what = format!("'{formatter}' is a Python class that cannot be called");
        faults.push(SectionFault::of("formatter", ValueError::new(what, "leave formatter out")));
    }
    faults.extend(layout(handler).check().err().map(|error| fault(&error)));
    faults
}

fn fault(error: &FormatError) -> SectionFault {
    let (key, hint) = match error {
        FormatError::UnknownField(name) => {
            let alike = did_you_mean(name, Layout::fields());
            let hint = alike.strip_prefix("; ").unwrap_or("arbitrary-fields true would let it pass");
            return SectionFault::of("format", ValueError::new(error.to_string(), hint));
        }
        FormatError::NulInDate => ("dateformat", ""),
        FormatError::NotANumber(_) => ("format", "'s' shows any field"),
        _ => ("format", "%(message)s is a placeholder, '%%' a percent sign"),
    };
    SectionFault::of(key, ValueError::new(error.to_string(), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_with_what_would_be_right() {
        for (format, expected) in [
            ("100%", "it ends within a placeholder; %(message)s is a placeholder, '%%' a percent sign"),
            ("%(mesage)s", "unknown field 'mesage'; did you mean 'message'"),
            ("%(xyz)s", "unknown field 'xyz'; arbitrary-fields true would let it pass"),
            (
                "%(name)d",
                "'%d' cannot format this field, which is not a suitable number; 's' shows any field",
            ),
        ] {
            let layout =
                Layout { format: format.to_owned(), dateformat: String::new(), arbitrary_fields: false };
            let fault = fault(&layout.check().expect_err(format));
            assert_eq!((fault.key, fault.error.to_string().as_str()), (Some("format"), expected));
        }
    }
}
