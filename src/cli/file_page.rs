//! The manual pages of configuration files: the sections and keys of a schema, with what they mean, as the reference page in
//! docs/config.md has them.

use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::config::schema;
use crate::zconfig::{Key, Member, Schema, SectionType};

/// A page of section 5.
#[derive(Debug)]
pub struct FilePage {
    /// The name of the file.
    pub name: &'static str,
    /// What it is, behind its name.
    pub about: &'static str,
    /// How its programs are given it, one form a line.
    pub synopsis: &'static [&'static str],
    /// What it is for, a paragraph each.
    pub description: &'static [&'static str],
    /// What it may hold.
    pub schema: &'static Schema,
    /// Types of sections that are explained elsewhere, or cannot be used.
    pub without: &'static [&'static str],
    /// A whole file.
    pub example: &'static [&'static str],
    /// Other pages, each with what it is about.
    pub see_also: &'static [(&'static str, &'static str)],
}

/// The language, for both files.
const LANGUAGE: &[&str] = &[
    "A line is a key with its value, the start `<type>` or `<type name>` or the end `</type>` of a section, a directive, a \
     comment (`#` first) or blank. Case does not matter in keys and types; a key stands once unless it is repeatable.",
    "`%define NAME TEXT` defines what `$NAME` stands for in what follows; `$(NAME)` is a variable of the environment and `$$` a \
     dollar sign. `%include FILE` puts the lines of another file here. A file whose name ends in .toml has the same settings \
     in TOML.",
    "All faults of a file are reported in one run, each with its line.",
];

/// What values are taken, by the name of their type.
const VALUES: &[(&str, &str)] = &[
    ("boolean", "yes, true, on, no, false or off"),
    ("byte-size", "Bytes; kb, mb or gb behind the number multiplies"),
    (
        "command line",
        "Words, split at white space, or as a shell does where a quote or a backslash is in them",
    ),
    ("directory", "A directory that is there, or could be made in one that is; ~ is the home directory"),
    ("dotted-name", "Identifiers joined by dots"),
    ("emacs or vi", "One of the two"),
    ("existing-dirpath", "A path in a directory that is there; ~ is the home directory"),
    ("existing-path", "The path of what is there; ~ is the home directory"),
    ("exit codes", "Whole numbers joined by commas; -1 for an end by a signal"),
    ("float", "A number"),
    ("integer", "A whole number of 0 or more"),
    ("log format", "Text with placeholders as %(message)s; \\n stands for the end of a line"),
    (
        "log level",
        "critical, error, warn, info, blather, debug, trace, all, notset, or a number from 0 to 50",
    ),
    ("log style", "classic"),
    ("octal", "An octal number such as 022"),
    ("signal", "The name of a signal, such as INT or SIGTERM, or its number"),
    ("socket-address", "HOST:PORT, or the path of a local socket, which has a slash in it"),
    (
        "socket-binding-address",
        "PORT, HOST:PORT, [IPV6]:PORT, or the path of a local socket, which has a slash in it",
    ),
    (
        "socket-name",
        "A path whose directory is there, or could be made in one that is; ~ is the home directory",
    ),
    ("string", "Any text"),
    ("syslog facility", "auth, daemon, local0 to local7, user and the others of syslog(3)"),
];

impl FilePage {
    /// The page, in roff.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = Roff::new();
        let source = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        // Without a date: what is made from the same source is the same.
        page.control("TH", [self.name.to_uppercase().as_str(), "5", "\"\"", source, "ZEO server"]);
        page.control("SH", ["NAME"]);
        page.text([roman(format!("{} - {}", self.name, self.about))]);
        page.control("SH", ["SYNOPSIS"]);
        for (number, form) in self.synopsis.iter().enumerate() {
            if number > 0 {
                page.control("br", []);
            }
            page.text([bold(*form)]);
        }
        page.control("SH", ["DESCRIPTION"]);
        paragraphs(&mut page, self.description.iter().chain(LANGUAGE));
        let types = self.types();
        for kind in &types {
            Self::section(&mut page, kind, &types);
        }
        page.control("SH", ["VALUES"]);
        for (name, meaning) in self.values() {
            entry(&mut page, vec![bold(name)], meaning);
        }
        page.control("SH", ["EXAMPLES"]);
        page.control("nf", []);
        for line in self.example {
            page.text([roman(*line)]);
        }
        page.control("fi", []);
        page.control("SH", ["SEE ALSO"]);
        for (name, about) in self.see_also {
            entry(&mut page, vec![bold(*name)], about);
        }
        page.render()
    }

    /// The types of its sections.
    fn types(&self) -> Vec<&'static SectionType> {
        let types = schema::types(self.schema).into_iter();
        types.filter(|kind| !self.without.contains(&kind.name)).collect()
    }

    /// The types of its values that are explained.
    fn values(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let used: Vec<&str> =
            self.types().into_iter().flat_map(keys).map(|(_, key)| key.datatype.name).collect();
        VALUES.iter().copied().filter(move |(name, _)| used.contains(name))
    }

    fn section(page: &mut Roff, kind: &'static SectionType, types: &[&'static SectionType]) {
        page.control("SH", [format!("SECTION <{}>", kind.name).as_str()]);
        paragraphs(page, std::iter::once(&kind.meaning));
        let inner: Vec<String> = types
            .iter()
            .filter(|inner| {
                kind.members.iter().any(|member| matches!(member, Member::Slot(slot) if slot.fits(inner)))
            })
            .map(|inner| format!("`<{}>`", inner.name))
            .collect();
        if !inner.is_empty() {
            let text = format!("Sections that may stand in it: {}.", inner.join(", "));
            page.control("PP", []);
            page.text(inlines(&text));
        }
        for (name, key) in keys(kind) {
            let mut about = format!("  {}", key.datatype.name);
            if key.many {
                about.push_str(", repeatable");
            }
            if key.required {
                about.push_str(", required");
            }
            let default = match key.default {
                None | Some("") => String::new(),
                Some(default) => format!(" Default: `{}`.", default.replace('\n', "\\n")),
            };
            entry(page, vec![bold(name), roman(about)], &format!("{}{default}", key.meaning));
        }
    }
}

/// The keys of a type, each with its name for readers.
fn keys(kind: &'static SectionType) -> Vec<(&'static str, &'static Key)> {
    let named = |member: &'static Member| match member {
        Member::Key(key) => Some((key.name, key)),
        Member::Map(key) => Some(("NAME", key)),
        Member::Slot(_) => None,
    };
    kind.members.iter().filter_map(named).collect()
}

fn paragraphs<'a>(page: &mut Roff, texts: impl Iterator<Item = &'a &'static str>) {
    for (number, text) in texts.enumerate() {
        if number > 0 {
            page.control("PP", []);
        }
        page.text(inlines(text));
    }
}

fn entry(page: &mut Roff, head: Vec<Inline>, meaning: &str) {
    page.control("TP", []);
    page.text(head);
    page.text(inlines(meaning));
}

/// What stands between backticks is bold.
fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(number, part)| if number % 2 == 0 { roman(part) } else { bold(part) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::PROGRAMS;

    #[test]
    fn each_type_of_a_value_is_explained_and_each_section_that_is_left_out_is_there() {
        let pages: Vec<_> = PROGRAMS.iter().filter_map(|program| program.file).collect();
        assert_eq!(pages.len(), 2);
        for page in pages {
            let explained: Vec<&str> = page.values().map(|(name, _)| name).collect();
            for (name, key) in page.types().into_iter().flat_map(keys) {
                assert!(
                    explained.contains(&key.datatype.name),
                    "{}: {name}: {}",
                    page.name,
                    key.datatype.name
                );
            }
            let known = schema::types(page.schema);
            for kind in page.without {
                assert!(known.iter().any(|known| known.name == *kind), "{}: {kind}", page.name);
            }
        }
    }
}
