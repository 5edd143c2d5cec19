//! The kinds of faults, with their messages.

use std::path::PathBuf;

use super::value_error::ValueError;
use crate::repr::repr;

/// What is wrong. A field named `hint` holds a closing clause, or nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the messages show")]
pub enum ErrorKind {
    /// A line that begins like a section start and does not end like one.
    #[error("malformed section start; '<TYPE>' or '<TYPE NAME>' stands alone on its line")]
    SectionStart,
    /// A section start with other things than a type and a name in it.
    #[error("malformed section header; '<TYPE>' or '<TYPE NAME>' has words without spaces and parentheses")]
    SectionHeader,
    /// A line that begins like a section end and does not end like one.
    #[error("malformed section end; '</TYPE>' stands alone on its line")]
    SectionEnd,
    /// A line that holds no key.
    #[error("malformed line; 'KEY VALUE' begins with a key, which has no parentheses")]
    KeyLine,
    /// A section end with no section open in this file.
    #[error("'</{found}>' ends nothing; no section is open here{hint}")]
    UnexpectedEnd { found: String, hint: String },
    /// A section end of another type than the one that is open.
    #[error("'</{found}>' does not end '<{open}>' of line {line}; '</{open}>' would")]
    UnbalancedEnd { found: String, open: String, line: u32 },
    /// The file ends with a section open.
    #[error("the file ends inside '<{open}>' of line {line}; '</{open}>' is missing")]
    Unclosed { open: String, line: u32 },
    /// `%` without a name.
    #[error("directive without a name; %define, %include and %import are known")]
    NoDirective,
    /// `%` with another name.
    #[error("unknown directive '%{name}'; %define, %include and %import are known")]
    UnknownDirective { name: String },
    /// A directive that says nothing.
    #[error("%{name} lacks its argument")]
    NoArgument { name: String },
    /// A definition that was made with another text.
    #[error("'{name}' is already defined, with another text; a definition cannot be changed")]
    Redefined { name: String },
    /// A name that no reference could have.
    #[error("{} cannot be defined; a name has letters, digits and '_' and begins with no digit", repr(name))]
    DefinitionName { name: String },
    /// A `$` that means nothing.
    #[error("{message}; '$$' stands for a dollar sign, $name, ${{name}} and $(ENVIRONMENT) for a text")]
    Reference { message: String },
    /// A reference to what is not defined.
    #[error("'{name}' is not defined{hint}")]
    Undefined { name: String, hint: String },
    /// A reference to a variable that is not set.
    #[error("the environment variable '{name}' is not set{hint}")]
    Unset { name: String, hint: String },
    /// A section type that is not known.
    #[error("unknown section type {}{hint}", repr(name))]
    UnknownType { name: String, hint: String },
    /// A type that only stands for others.
    #[error("'{name}' is a family of section types, not one of them{hint}")]
    AbstractType { name: String, hint: String },
    /// A section where none of its type belongs.
    #[error("'<{kind}>' does not belong {inside}{hint}")]
    Misplaced { kind: String, inside: String, hint: String },
    /// A section with the name of a key.
    #[error("a section here cannot have the name '{name}', which is that of a key")]
    NameOfKey { name: String },
    /// A section name that the slot refuses.
    #[error("{}", match name { Some(name) => format!("{} cannot be the name of a section", repr(name)), None => format!("'<{kind}>' needs a name here; '<{kind} 1>' has one") })]
    SectionName { name: Option<String>, kind: String },
    /// Two sections of one name.
    #[error("a second section has the name {} here; each name stands once", repr(name))]
    NameReused { name: String },
    /// Two sections where one belongs.
    #[error("a second '<{kind}>' section; only one belongs here")]
    TooMany { kind: String },
    /// A key that the section does not have.
    #[error("unknown key {}{place}{hint}", repr(key))]
    UnknownKey { key: String, place: String, hint: String },
    /// A key given twice.
    #[error("the key {} is given a second time{first}; it takes one value", repr(key))]
    KeyTwice { key: String, first: String },
    /// A key that is no key.
    #[error("{0}")]
    KeyName(ValueError),
    /// A key that must be given.
    #[error("the key '{key}' is missing from '<{section}>'")]
    MissingKey { key: String, section: String },
    /// A section that must be there.
    #[error("no '<{kind}>' section{hint}")]
    MissingSection { kind: String, hint: String },
    /// A value that is not of its datatype.
    #[error("{key}: {error}")]
    Value { key: String, error: ValueError },
    /// A section that is not consistent in itself; with the key to change, if it is one.
    #[error("{}: {error}", match key { Some(key) => (*key).to_owned(), None => format!("<{kind}>") })]
    Section { kind: String, key: Option<&'static str>, error: ValueError },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 text; save the file in that encoding")]
    Encoding,
    /// A file that cannot be read.
    #[error("cannot read '{}': {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// A URL that only a network or a Python could follow.
    #[error("cannot follow '{url}'; a path or a file: URL can be read")]
    Scheme { url: String },
    /// A URL with `#`.
    #[error("'{url}' has a fragment; write %23 for a '#' in a file name")]
    Fragment { url: String },
    /// A file that includes itself, directly or not.
    #[error("'{}' includes itself", path.display())]
    Cycle { path: PathBuf },
    /// A package name that is none.
    #[error("{} is not the name of a component", repr(name))]
    ComponentName { name: String },
    /// A package that is not built in.
    #[error("the component '{name}' is not built in{hint}")]
    UnknownComponent { name: String, hint: String },
    /// A package whose types collide with those that are there.
    #[error("the component '{component}' cannot be imported here: it defines '<{name}>' again")]
    TypeRedefined { name: String, component: String },
    /// A limit that keeps time and memory bounded.
    #[error("{0}")]
    Limit(String),
    /// An override without `=`.
    #[error("not an override; SECTION/KEY=VALUE is")]
    OverrideForm,
    /// An override with an empty step.
    #[error("an empty step in the path of an override; SECTION/KEY=VALUE has none")]
    OverridePath,
    /// An override by a name that no key has.
    #[error("{} cannot be a step of an override; address a section by its type", repr(name))]
    OverrideName { name: String },
    /// Overrides that found no section.
    #[error("no section in the file takes the override {}{hint}", typed.join(", "))]
    OverridesLeft { typed: Vec<String>, hint: String },
    /// A fault that ZConfig does not know.
    #[error("{0}")]
    Other(String),
}
