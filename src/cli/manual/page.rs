//! A manual page: its head and its options from the definition of the command line, the rest from the manual in docs/.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::Program;
use super::markdown;

/// The whole page.
pub(super) fn page(program: &Program) -> String {
    let command = (program.command)();
    let man = Man::new(command.clone());
    let manual = Manual::of(program.manual);
    let package = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    let mut head = Roff::new();
    let title = program.name.to_uppercase();
    // Without a date: what is made from the same source is the same.
    head.control("TH", [title.as_str(), "1", "\"\"", package, "ZEO server"]);
    head.control("SH", ["NAME"]);
    head.text([roman(format!("{} - {}", program.name, manual.about))]);
    head.control("SH", ["SYNOPSIS"]);
    head.text(synopsis(command));
    head.control("SH", ["DESCRIPTION"]);
    markdown::add(&mut head, manual.description);
    let mut rest = Roff::new();
    for (title, text) in manual.sections {
        // It stands in docs/ for those who read there; it is the same, in a table.
        if title != "Options" {
            rest.control("SH", [title.to_uppercase().as_str()]);
            markdown::add(&mut rest, text);
        }
    }
    head.render() + &options(&man) + &rest.render()
}

fn synopsis(mut command: Command) -> Vec<Inline> {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let (name, rest) = usage.split_once(' ').unwrap_or((usage, ""));
    let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    vec![bold(name), roman(format!(" {rest}"))]
}

fn options(man: &Man) -> String {
    let mut section = Vec::new();
    // Writing to memory cannot fail.
    let _ = man.render_options_section(&mut section);
    String::from_utf8_lossy(&section).into_owned()
}

/// A manual of docs/, cut into its parts.
struct Manual<'a> {
    /// What follows the program's name in the heading.
    about: &'a str,
    /// What stands before the first section.
    description: &'a str,
    /// Titles and texts.
    sections: Vec<(&'a str, &'a str)>,
}

impl<'a> Manual<'a> {
    fn of(text: &'a str) -> Self {
        let (heading, rest) = text.split_once('\n').unwrap_or((text, ""));
        let about = heading.split_once(": ").map_or(heading, |(_, about)| about);
        let mut parts = rest.split("\n## ");
        let description = parts.next().unwrap_or_default();
        let sections = parts.map(|part| part.split_once('\n').unwrap_or((part, ""))).collect();
        Self { about, description, sections }
    }
}
