//! The check of a log format: its placeholders are well formed, known, and fit what they show (ZCONFIG.md section 15).
//!
//! What passes here is what Python would format without an exception; the event log does the formatting.

mod brace;
mod percent;
mod template;

use crate::zconfig::{SectionRef, World, Wrong, did_you_mean};

/// What a field of a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Whole,
    Number,
    /// Nothing that a number format or a width could show.
    Other,
}

/// The fields of a record, each with what it holds.
const FIELDS: &[&str] = &[
    "name",
    "levelno",
    "levelname",
    "pathname",
    "filename",
    "module",
    "lineno",
    "funcName",
    "created",
    "asctime",
    "msecs",
    "relativeCreated",
    "thread",
    "threadName",
    "processName",
    "process",
    "message",
    "msg",
    "args",
    "exc_info",
    "exc_text",
    "stack_info",
];

/// The fields that a format may name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    arbitrary: bool,
}

impl Fields {
    /// What a field holds; an unknown one passes as a number where arbitrary ones may be.
    fn find(self, name: &str) -> Result<Holds, Wrong> {
        match name {
            "levelno" | "lineno" | "thread" | "process" => Ok(Holds::Whole),
            "created" | "msecs" | "relativeCreated" => Ok(Holds::Number),
            "args" | "exc_info" | "exc_text" | "stack_info" => Ok(Holds::Other),
            name if FIELDS.contains(&name) => Ok(Holds::Text),
            _ if self.arbitrary => Ok(Holds::Whole),
            name => {
                let alike = did_you_mean(name, FIELDS.iter().copied());
                let hint =
                    alike.strip_prefix("; ").unwrap_or("arbitrary-fields true would let it pass").to_owned();
                Err(wrong(format!("'{name}'"), &format!("unknown field '{name}'"), &hint))
            }
        }
    }
}

/// Checks the formatter and the format of a handler.
pub(super) fn check(section: SectionRef<'_>, _world: &World) -> Result<(), Wrong> {
    if let Some(formatter) = section.text("formatter")
        && formatter != "logging.Formatter"
    {
        let module = formatter.split('.').next().unwrap_or_default();
        let what = format!("the formatter '{formatter}' is a Python class that cannot be called");
        return Err(Wrong::new(format!("No module named '{module}'"), what, "leave formatter out"));
    }
    let fields = Fields { arbitrary: section.boolean("arbitrary-fields") == Some(true) };
    let format = section.text("format").unwrap_or_default();
    if format.is_empty() {
        return Ok(());
    }
    match section.text("style") {
        Some("format") => brace::check(format, fields),
        Some("template") => template::check(format, fields),
        Some("safe-template") => Ok(()),
        _ => percent::check(format, fields),
    }
}

fn wrong(message: impl Into<String>, what: &str, hint: &str) -> Wrong {
    Wrong::new(message, format!("format: {what}"), hint)
}
