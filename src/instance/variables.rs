//! What a template may name: the table of variables, and their values for one instance.
//!
//! A value is text until it is put together here, whatever it came from (a command line, a TOML file, a default); its
//! kind decides what is accepted and what a template sees. A variable that is not set is the empty string, which is
//! false in a template's `if`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use tera::Context;

use super::locate_programs::{is_ours, is_python};
use super::quote::shown;
use super::{Error, Request, address, home, owner};
use crate::zconfig::{Address, did_you_mean};

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// What templates call it.
    pub name: Cow<'static, str>,
    /// What it takes.
    pub kind: Kind,
    /// What it is if it is not set.
    pub default: Fallback,
    /// What it is for.
    pub meaning: Cow<'static, str>,
}

/// What a variable takes, and what a template sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A line of text.
    #[default]
    Text,
    /// A path; a relative one starts at the home.
    Path,
    /// A whole number that is not negative, in digits.
    Number,
    /// Permission bits in octal digits.
    Octal,
    /// `true` or `false`.
    Switch,
    /// Several texts, for a template's `for`; of ours only.
    #[serde(skip)]
    List,
}

/// What a variable is if it is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// This text; empty: it is not set.
    Text(Cow<'static, str>),
    /// This path below the home.
    Below(&'static str),
    /// The home's name.
    Name,
    /// What the command line or the search for programs gives, described.
    Given(&'static str),
}

use Fallback::{Below, Given, Name};

const fn text(text: &'static str) -> Fallback {
    Fallback::Text(Cow::Borrowed(text))
}

/// What every template may name.
static VARIABLES: [Variable; 34] = [
    variable("home", Kind::Path, Given("HOME"), "The instance's directory"),
    variable("etc", Kind::Path, Given("HOME/etc"), "Its configuration files"),
    variable("log", Kind::Path, Below("log"), "Its log files"),
    variable("var", Kind::Path, Below("var"), "Its data files"),
    variable("name", Kind::Text, Name, "The instance's name for init systems: the last part of HOME"),
    variable(
        "address",
        Kind::Text,
        Given("9999"),
        "Where the server listens: PORT, HOST:PORT, [IPV6]:PORT or the path of a Unix socket",
    ),
    variable(
        "addresses",
        Kind::List,
        Given("address"),
        "All of them, where it listens at several; address is the first",
    ),
    variable(
        "privileged_port",
        Kind::Switch,
        Given("that of the addresses"),
        "Whether a port is below 1024, which takes a privilege",
    ),
    variable(
        "socket_directories",
        Kind::List,
        Given("those of the addresses"),
        "Where Unix sockets are to lie outside of HOME",
    ),
    variable(
        "python_server",
        Kind::Switch,
        Given("what server is"),
        "Whether the server is a Python program, and not ours",
    ),
    variable("own_server", Kind::Switch, Given("what server is"), "Whether the server is ours"),
    variable("server", Kind::Path, Given("runzeo"), "The ZEO server"),
    variable("zdctl", Kind::Path, Given("zdctl"), "The controller"),
    variable("zdrun", Kind::Path, Given("zdrun"), "The daemon manager"),
    variable(
        "blobs",
        Kind::Path,
        text(""),
        "Directory for large binary objects; unset: the storage takes none",
    ),
    variable("user", Kind::Text, text(""), "The user that the server runs as when it is started by root"),
    variable(
        "owner",
        Kind::Text,
        Given("user, else the owner of HOME"),
        "Who runs the server, by name; unset: root",
    ),
    variable("group", Kind::Text, Given("that of owner"), "The owner's first group, by name"),
    variable("umask", Kind::Octal, text("022"), "File mode mask of daemon manager and server"),
    variable(
        "tls_certificate",
        Kind::Path,
        text(""),
        "The server's certificate; unset: connections are not encrypted",
    ),
    variable("tls_key", Kind::Path, text(""), "Its key"),
    variable(
        "tls_clients",
        Kind::Path,
        text(""),
        "Certificates of the clients to let in; unset: tls_certificate",
    ),
    variable("read_only", Kind::Switch, text("false"), "Whether the server refuses every change"),
    variable(
        "invalidation_queue_size",
        Kind::Number,
        text("100"),
        "How many transactions the server remembers",
    ),
    variable(
        "transaction_timeout",
        Kind::Number,
        text(""),
        "Seconds that a client may hold the commit lock; unset: no limit",
    ),
    variable(
        "client_conflict_resolution",
        Kind::Switch,
        text("false"),
        "Whether conflicts are resolved in the clients",
    ),
    variable("pack_keep_old", Kind::Switch, text("true"), "Whether packing leaves the unpacked file behind"),
    variable("level", Kind::Text, text("info"), "Least severity that is logged"),
    variable(
        "forever",
        Kind::Switch,
        text("false"),
        "Whether a server that does not stay up is restarted for ever",
    ),
    variable(
        "backoff_limit",
        Kind::Number,
        text("10"),
        "Seconds of delay between restarts after which zdrun gives up",
    ),
    variable("start_timeout", Kind::Number, text("300"), "Seconds that a start may take"),
    variable("stop_timeout", Kind::Number, text("300"), "Seconds from the polite request to end to SIGKILL"),
    variable(
        "default_to_interactive",
        Kind::Switch,
        text("true"),
        "Whether zeoctl without a command opens its prompt",
    ),
    variable(
        "transcript",
        Kind::Path,
        text(""),
        "A file for what the server writes to its standard output; unset: none",
    ),
];

const fn variable(name: &'static str, kind: Kind, default: Fallback, meaning: &'static str) -> Variable {
    Variable { name: Cow::Borrowed(name), kind, default, meaning: Cow::Borrowed(meaning) }
}

/// What every template may name, in the order in which it is listed.
#[must_use]
pub fn all() -> &'static [Variable] {
    &VARIABLES
}

/// Everything that the templates of this instance may name: the common variables and those `declared` with them.
///
/// # Errors
/// [`Error::Variable`] for one that is set and not declared, and for a value that its kind does not take.
pub fn context(request: &Request, declared: &[Variable]) -> Result<Context, Error> {
    let mut context = Context::new();
    let known = || VARIABLES.iter().chain(declared);
    let fixed = |name: &String| known().any(|variable| variable.name == **name && !variable.is_settable());
    if let Some(name) = request.set.keys().find(|name| fixed(name)) {
        return Err(Error::Variable { name: name.clone(), why: "it follows from the home".to_owned() });
    }
    if let Some(name) = request.set.keys().find(|name| known().all(|variable| variable.name != **name)) {
        let settable =
            known().filter(|variable| variable.is_settable()).map(|variable| variable.name.as_ref());
        let hint = did_you_mean(name, settable);
        let why = format!("there is no such variable{hint}; see --list-variables");
        return Err(Error::Variable { name: name.clone(), why });
    }
    let given = given(request)?;
    for variable in known() {
        let name = variable.name.as_ref();
        let set = request.set.get(name).filter(|_| variable.is_settable()).cloned();
        let value = match (set, &variable.default) {
            (Some(value), Name) if value.is_empty() || !value.chars().all(home::is_plain) => {
                let why = format!("{} is not made of letters, digits, '.', '_' and '-' alone", shown(&value));
                return Err(Error::Variable { name: name.to_owned(), why });
            }
            (Some(value), _) => value,
            (None, Fallback::Text(text)) => text.clone().into_owned(),
            (None, Below(path)) => home::text("home", &request.home.join(path))?,
            (None, Name) => request.home.name(),
            (None, Given(_)) => given.get(name).cloned().unwrap_or_default(),
        };
        variable.insert(&mut context, request, &value)?;
    }
    Ok(context)
}

/// All variables for a person to read: name, type, default and meaning in columns.
#[must_use]
pub fn table(declared: &[Variable]) -> String {
    let rows = VARIABLES.iter().chain(declared).map(|variable| {
        let kind = match variable.kind {
            Kind::Text => "text",
            Kind::Path => "path",
            Kind::Number => "number",
            Kind::Octal => "octal",
            Kind::Switch => "switch",
            Kind::List => "list",
        };
        let default = match &variable.default {
            Fallback::Text(text) if text.is_empty() => "-".to_owned(),
            Fallback::Text(text) => text.clone().into_owned(),
            Below(path) => format!("HOME/{path}"),
            Name => "last of HOME".to_owned(),
            Given(text) => (*text).to_owned(),
        };
        [variable.name.as_ref(), kind, &default, variable.meaning.as_ref()].map(str::to_owned)
    });
    let header = ["NAME", "TYPE", "DEFAULT", "MEANING"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (name, kind, default) = (width(0), width(1), width(2));
    let line = |[n, k, d, m]: &[String; 4]| format!("{n:name$}  {k:kind$}  {d:default$}  {m}\n");
    rows.iter().map(line).collect()
}

/// What the command line and the search for programs give.
fn given(request: &Request) -> Result<BTreeMap<&'static str, String>, Error> {
    let owner = owner::of(request);
    Ok(BTreeMap::from([
        ("home", home::text("home", request.home.path())?),
        ("etc", home::text("home", &request.home.join("etc"))?),
        ("address", request.addresses.first().map(Address::to_string).unwrap_or_default()),
        ("addresses", lines(request.addresses.iter().map(Address::to_string))),
        (
            "privileged_port",
            request.addresses.iter().any(|a| address::privileged_port(a).is_some()).to_string(),
        ),
        ("socket_directories", lines(socket_directories(request))),
        ("python_server", is_python(Path::new(&request.programs.server)).to_string()),
        ("own_server", is_ours(Path::new(&request.programs.server)).to_string()),
        ("owner", owner.user),
        ("group", owner.group),
        ("server", request.programs.server.clone()),
        ("zdctl", request.programs.zdctl.clone()),
        ("zdrun", request.programs.zdrun.clone()),
    ]))
}

/// The directories of Unix sockets that do not lie in the home.
fn socket_directories(request: &Request) -> impl Iterator<Item = String> {
    let sockets = request.addresses.iter().filter_map(|address| match address {
        Address::Unix(path) => path.parent()?.to_str(),
        Address::Inet { .. } => None,
    });
    let outside =
        |path: &&str| Path::new(path).is_absolute() && !Path::new(path).starts_with(request.home.path());
    let outside: BTreeSet<&str> = sockets.filter(outside).collect();
    outside.into_iter().map(str::to_owned)
}

/// A list as a value.
fn lines(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("\n")
}

impl Variable {
    /// Whether it can be set by its name; what is [`Fallback::Given`] has options of its own.
    #[must_use]
    pub fn is_settable(&self) -> bool {
        !matches!(self.default, Given(_))
    }

    /// Puts a value where templates find it.
    fn insert(&self, context: &mut Context, request: &Request, value: &str) -> Result<(), Error> {
        let refused = |why: &str| Error::Variable {
            name: self.name.clone().into_owned(),
            why: format!("{} {why}", shown(value)),
        };
        let name = self.name.clone();
        if self.kind == Kind::List {
            context.insert(name, &value.lines().collect::<Vec<_>>());
            return Ok(());
        }
        if value.contains(['\n', '\0']) {
            return Err(refused("is more than one line"));
        }
        match self.kind {
            _ if value.is_empty() => context.insert(name, ""),
            Kind::Text => context.insert(name, value),
            Kind::Path => context.insert(name, &home::text("path", &request.home.join(value))?),
            Kind::Number => {
                let number =
                    value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse::<u64>().ok()).flatten();
                context.insert(name, &number.ok_or_else(|| refused("is not a whole number"))?);
            }
            Kind::Octal => {
                let bits = value
                    .bytes()
                    .all(|b| (b'0'..=b'7').contains(&b))
                    .then(|| u32::from_str_radix(value, 8).ok());
                if bits.flatten().is_none_or(|bits| bits > 0o777) {
                    return Err(refused("is not a file mode mask from 000 to 777"));
                }
                context.insert(name, value);
            }
            Kind::Switch => {
                context.insert(name, &switch(value).ok_or_else(|| refused("is neither true nor false"))?);
            }
            // Has been dealt with.
            Kind::List => {}
        }
        Ok(())
    }
}

/// The words that the configuration language has for the two.
fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}
