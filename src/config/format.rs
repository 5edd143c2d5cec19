//! A handler's log format: which one is in force, and whether records can be written in it. What makes a format sound is
//! the event log's to say; here it gets its place in the file, and a word on what would be right.

use crate::eventlog::{FormatError, Layout, Style};
use crate::zconfig::{SectionRef, World, Wrong, did_you_mean};

/// The form of a handler's records.
pub(super) fn layout(handler: SectionRef<'_>) -> Layout {
    let style = match handler.text("style") {
        Some("format") => Style::Format,
        Some("template") => Style::Template,
        Some("safe-template") => Style::SafeTemplate,
        _ => Style::Classic,
    };
    Layout {
        format: format(handler, style),
        dateformat: handler.text("dateformat").unwrap_or_default().to_owned(),
        style,
        arbitrary_fields: handler.boolean("arbitrary-fields") == Some(true),
    }
}

/// The format: blank means the bare message. The default is of the classic style; with another style it is translated,
/// where the peers would take it as it stands and not start.
fn format(handler: SectionRef<'_>, style: Style) -> String {
    let Some(entry) = handler.entry("format") else { return String::new() };
    let given = entry.value.as_text().unwrap_or_default();
    let (open, close) = match style {
        _ if entry.at.is_some() => return given.to_owned(),
        Style::Classic => return given.to_owned(),
        Style::Format => ("{", "}"),
        Style::Template | Style::SafeTemplate => ("${", "}"),
    };
    given.replace("%(", open).replace(")s", close)
}

/// Checks the formatter and the format of a handler (ZCONFIG.md section 15).
pub(super) fn check(handler: SectionRef<'_>, _world: &World) -> Result<(), Wrong> {
    if let Some(formatter) = handler.text("formatter")
        && formatter != "logging.Formatter"
    {
        let module = formatter.split('.').next().unwrap_or_default();
        let what = format!("the formatter '{formatter}' is a Python class that cannot be called");
        return Err(Wrong::new(format!("No module named '{module}'"), what, "leave formatter out"));
    }
    let layout = layout(handler);
    layout.check().map_err(|error| wrong(&error, layout.style))
}

fn wrong(error: &FormatError, style: Style) -> Wrong {
    let hint = match (error, style) {
        (FormatError::UnknownField(name), _) => {
            let alike = did_you_mean(name, Layout::fields());
            // What ZConfig shows is Python's KeyError.
            let hint = alike.strip_prefix("; ").unwrap_or("arbitrary-fields true would let it pass");
            return Wrong::new(format!("'{name}'"), format!("format: unknown field '{name}'"), hint);
        }
        (FormatError::NulInDate, _) => {
            return Wrong::new(error.to_string(), format!("dateformat: {error}"), "");
        }
        (FormatError::NumberNeeded { .. } | FormatError::RealNeeded(_) | FormatError::CharacterNeeded, _) => {
            "'s' shows any field"
        }
        (_, Style::Classic) => "%(message)s is a placeholder, '%%' a percent sign",
        (_, Style::Format) => "{message} is a placeholder, '{{' and '}}' are braces",
        (_, Style::Template | Style::SafeTemplate) => {
            "$message is a placeholder, '$$' a dollar sign; each '$' is written twice where '$' begins a reference"
        }
    };
    Wrong::new(error.to_string(), format!("format: {error}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(style: Style, format: &str) -> String {
        let layout =
            Layout { format: format.to_owned(), dateformat: String::new(), style, arbitrary_fields: false };
        layout.check().map_err(|error| wrong(&error, style)).expect_err(format).to_string()
    }

    #[test]
    fn a_fault_is_told_with_what_would_be_right() {
        for (style, format, expected) in [
            (
                Style::Classic,
                "100%",
                "format: incomplete format; %(message)s is a placeholder, '%%' a percent sign",
            ),
            (Style::Classic, "%(mesage)s", "format: unknown field 'mesage'; did you mean 'message'"),
            (
                Style::Classic,
                "%(xyz)s",
                "format: unknown field 'xyz'; arbitrary-fields true would let it pass",
            ),
            (
                Style::Classic,
                "%(name)d",
                "format: %d format: a real number is required, not str; 's' shows any field",
            ),
            (
                Style::Format,
                "a}",
                "format: Single '}' encountered in format string; {message} is a placeholder, '{{' and '}}' are braces",
            ),
        ] {
            assert_eq!(shown(style, format), expected);
        }
        assert!(
            shown(Style::Template, "$1").starts_with("format: Invalid placeholder in string: line 1, col 1")
        );
    }
}
