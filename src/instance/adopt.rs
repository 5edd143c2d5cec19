//! Taking over an instance of another make: of zope.mkzeoinstance, plone.recipe.zeoserver or by hand.
//!
//! There one file, `etc/zeo.conf`, is for server and manager. It becomes two: the server's keeps every line but the section
//! `<runner>`, which goes to the manager's with every key but those that name programs. Nothing is looked up and written
//! anew, so that nothing is lost.

use std::path::{Path, PathBuf};

use super::home::{Home, MANAGER, SERVER};
use super::installed;
use super::quote::{program_word, shown, zconfig};
use super::{Error, Request, included};
use crate::config::server;
use crate::sys::tree::SafeTree;
use crate::zconfig::{Address, MemberValue, SectionRef, Tree};

/// Keys of `<runner>` that name programs of the other make.
const PROGRAMS: [&str; 3] = ["program", "python", "zdrun"];

/// An instance to be taken over.
#[derive(Debug)]
pub struct Source {
    /// Where it lies.
    pub home: Home,
    /// Its configuration.
    path: PathBuf,
    text: String,
    values: Tree,
    /// The manager's configuration, where it had one of its own.
    manager: Option<String>,
}

impl Source {
    /// The instance whose home, or whose `zeo.conf`, this is.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none; what keeps it from being read.
    pub fn find(typed: &Path, current: &Path) -> Result<Self, Error> {
        let typed = Home::new(typed, current)?;
        let path = match typed.path() {
            directory if directory.is_dir() => [typed.join(SERVER), typed.join("zeo.conf")]
                .into_iter()
                .find(|path| path.exists())
                .unwrap_or_else(|| typed.join(SERVER)),
            file => file.to_owned(),
        };
        let etc = path.parent().unwrap_or(Path::new("/"));
        let above = if etc.ends_with("etc") { etc.parent().unwrap_or(etc) } else { etc };
        let home = Home::new(above, Path::new("/"))?;
        let tree = home.open()?;
        let missing = || Error::NotFound(format!("an instance to adopt: there is no file {}", shown(&path)));
        let text = included::text(&tree, &path)?.ok_or_else(missing)?;
        let bytes = text.bytes.clone();
        let unreadable = |_| Error::InTheWay { verb: "adopt", path: path.clone(), why: "it is not in UTF-8" };
        let content = String::from_utf8(bytes).map_err(unreadable)?;
        let (values, _) = included::survey_text(&tree, &home, &path, text)?;
        let manager = included::text(&tree, &home.join(MANAGER))?;
        let manager = manager.and_then(|text| String::from_utf8(text.bytes).ok());
        Ok(Self { home, path, text: content, values, manager })
    }

    /// Where its server listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        installed::configured(&self.values).into_iter().flatten().collect()
    }

    /// The variables that give the templates its places for data, blobs and logs, where they are not those of a new home.
    #[must_use]
    pub fn places(&self, home: &Home) -> Vec<(&'static str, String)> {
        let above = |path: String| Path::new(&path).parent().and_then(Path::to_str).map(str::to_owned);
        let data = data_of(&self.values);
        let first = |key| data.iter().find(|(other, _)| *other == key).map(|(_, path)| path.clone());
        let places = [
            ("var", first("path").and_then(above)),
            ("log", server_log(&self.values).and_then(above)),
            ("blobs", first("blob-dir")),
        ];
        let elsewhere =
            |name: &str, path: &String| Path::new(path).is_absolute() && Path::new(path) != home.join(name);
        let places = places.into_iter().filter_map(|(name, path)| Some((name, path?)));
        places.filter(|(name, path)| elsewhere(name, path)).collect()
    }

    /// Whether its configuration can be moved to this home.
    ///
    /// # Errors
    /// [`Error::InTheWay`] where it includes files by paths that start where it lies.
    pub fn check_move(&self, home: &Home) -> Result<(), Error> {
        let included =
            |line: &str| line.trim_start().strip_prefix("%include").map(|path| path.trim().to_owned());
        let relative = |path: String| !path.starts_with(['/', '$']);
        if self.path != home.join(SERVER) && self.text.lines().filter_map(included).any(relative) {
            let why = "it includes a file by a relative path; make that absolute";
            return Err(Error::InTheWay { verb: "adopt", path: self.path.clone(), why });
        }
        Ok(())
    }

    /// Whether our server would serve it.
    ///
    /// # Errors
    /// [`Error::NotServed`] with the first reason why not.
    pub fn check_server(&self) -> Result<(), Error> {
        let flags = server::Flags { configure: Some(self.path.clone()), ..server::Flags::default() };
        let Err(problems) = server::resolve(&flags) else { return Ok(()) };
        let why = problems.list().first().map_or_else(|| problems.to_string(), ToString::to_string);
        let runner = runner_of(&self.text).or_else(|| runner_of(self.manager.as_deref()?));
        let old = runner.and_then(|runner| installed::first_word(&value(&self.text, runner, "program")?));
        Err(Error::NotServed { why, old })
    }

    /// The texts of the files by which the new instance has all of it.
    #[must_use]
    pub fn texts(&self, request: &Request, manager_template: &str) -> Vec<(&'static str, String)> {
        vec![(SERVER, without_runner(&self.text)), (MANAGER, self.manager_text(request, manager_template))]
    }

    /// The manager's configuration; `template` is what it would be without an old one.
    fn manager_text(&self, request: &Request, template: &str) -> String {
        let log = server_log(&self.values);
        if let Some(text) = manager_from(&self.text, request, log.as_deref()) {
            return text;
        }
        if let Some(text) = self.manager.as_deref().filter(|text| runner_of(text).is_some()) {
            return with_own_programs(text, request);
        }
        let Some(log) = log else { return template.to_owned() };
        let line = |line: &str| match line.trim_start().strip_prefix("logfile ") {
            Some(_) => format!("  logfile {}\n", zconfig(&log)),
            None => line.to_owned(),
        };
        template.split_inclusive('\n').map(line).collect()
    }
}

/// What the manager's configuration has to say where that of the server has a section `<runner>`; `None`: it has not.
#[must_use]
pub fn manager_from(text: &str, request: &Request, log: Option<&str>) -> Option<String> {
    let runner = runner_of(text)?;
    let has = |key: &str| runner.lines().any(|line| key_of(line).is_some_and(|known| known == key));
    let mut out = String::from(
        "# zeoctl configuration file\n#\n# Read by zdctl and zdrun, and so by bin/zeoctl. The keys are those that\n# \
         <runner> in zeo.conf had.\n\n",
    );
    let defines: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("%define")).collect();
    out.extend(defines.iter().flat_map(|line| [line, "\n"]));
    out += if defines.is_empty() { "<runner>\n" } else { "\n<runner>\n" };
    out += &program_lines(request);
    let socket =
        format!("socket-name {}", zconfig(&request.home.join("etc/zeo.zdsock").display().to_string()));
    let logfile = log.map(|log| format!("logfile {}", zconfig(log)));
    let user = request.set.get("user").filter(|user| !user.is_empty()).map(|user| format!("user {user}"));
    // What zdaemon does where the keys are not given, and what was typed.
    let added = [
        ("daemon", Some("daemon true".to_owned())),
        ("socket-name", Some(socket)),
        ("logfile", logfile),
        ("user", user),
    ];
    for line in added.into_iter().filter(|(key, _)| !has(key)).filter_map(|(_, line)| line) {
        out.extend(["  ", &line, "\n"]);
    }
    let kept = runner.lines().filter(|line| key_of(line).is_none_or(|key| !PROGRAMS.contains(&key.as_str())));
    out.extend(kept.flat_map(|line| [line, "\n"]));
    let directory = log.and_then(|log| Path::new(log).parent()?.to_str().map(str::to_owned));
    let directory = directory.unwrap_or_else(|| request.home.join("log").display().to_string());
    let end = format!(
        "</runner>\n\n# What zdctl and zdrun have to say themselves.\n<eventlog>\n  level info\n  <logfile>\n    path \
         {}/zeoctl.log\n  </logfile>\n</eventlog>\n",
        zconfig(&directory)
    );
    out += &end;
    Some(out)
}

fn program_lines(request: &Request) -> String {
    let configuration = request.home.join(SERVER).display().to_string();
    let word = |text: &str| zconfig(&program_word(text));
    let programs = &request.programs;
    let (server, configuration) = (word(&programs.server), word(&configuration));
    format!("  program {server} -C {configuration}\n  zdrun {}\n", zconfig(&programs.zdrun))
}

/// A manager's configuration with the programs of this one.
fn with_own_programs(text: &str, request: &Request) -> String {
    let Some(runner) = runner_of(text) else { return text.to_owned() };
    let kept = runner
        .split_inclusive('\n')
        .filter(|line| key_of(line).is_none_or(|key| !PROGRAMS.contains(&key.as_str())));
    text.replacen(runner, &(program_lines(request) + &kept.collect::<String>()), 1)
}

/// Whether a configuration of the server has the manager's section in it.
#[must_use]
pub fn has_runner(text: &str) -> bool {
    runner_of(text).is_some()
}

/// The lines of the section `<runner>`.
fn runner_of(text: &str) -> Option<&str> {
    let (start, end) = runner_lines(text)?;
    text.get(start.1..end.0)
}

/// The byte ranges of the lines that begin and end the section.
fn runner_lines(text: &str) -> Option<((usize, usize), (usize, usize))> {
    let mut at = 0;
    let mut start = None;
    for line in text.split_inclusive('\n') {
        let range = (at, at + line.len());
        at = range.1;
        match (start, line.trim().to_ascii_lowercase().as_str()) {
            (None, "<runner>") => start = Some(range),
            (Some(start), "</runner>") => return Some((start, range)),
            _ => {}
        }
    }
    None
}

fn without_runner(text: &str) -> String {
    let Some((start, end)) = runner_lines(text) else { return text.to_owned() };
    let (before, after) = (text.get(..start.0).unwrap_or_default(), text.get(end.1..).unwrap_or_default());
    format!("{}\n{}", before.trim_end(), after.trim_start_matches('\n'))
}

/// The key on a line, lower case; `None` for comments and empty lines.
fn key_of(line: &str) -> Option<String> {
    let key = line.split_whitespace().next().filter(|key| !key.starts_with(['#', '<', '%']))?;
    Some(key.to_ascii_lowercase())
}

/// A key's value, with the definitions of the file put in.
fn value(text: &str, runner: &str, key: &str) -> Option<String> {
    let line = runner.lines().find(|line| key_of(line).is_some_and(|known| known == key))?;
    let mut value = line.trim().split_once(char::is_whitespace)?.1.trim().to_owned();
    let defines = text.lines().filter_map(|line| line.trim().strip_prefix("%define "));
    for (name, replacement) in defines.filter_map(|define| define.trim().split_once(char::is_whitespace)) {
        value = value.replace(&format!("${{{name}}}"), replacement.trim());
        value = value.replace(&format!("${name}"), replacement.trim());
    }
    Some(value)
}

/// The first file that the server logs to.
#[must_use]
pub fn server_log(values: &Tree) -> Option<String> {
    let handlers = values.root()?.section("eventlog")?;
    nested(handlers)
        .into_iter()
        .find(|section| section.kind().name == "logfile")
        .and_then(|file| text_of(file, "path"))
}

/// The data files and blob directories of all storages, with the key that names each.
#[must_use]
pub fn data_of(values: &Tree) -> Vec<(&'static str, String)> {
    let Some(root) = values.root() else { return Vec::new() };
    let storages =
        nested(root).into_iter().filter(|section| section.kind().implements == Some("zodb.storage"));
    let places = storages.flat_map(|storage| {
        ["path", "blob-dir"].into_iter().filter_map(move |key| Some((key, text_of(storage, key)?)))
    });
    places.collect()
}

/// All sections below this one.
fn nested(section: SectionRef<'_>) -> Vec<SectionRef<'_>> {
    let mut found = Vec::new();
    let mut open = vec![section];
    while let Some(section) = open.pop() {
        let slots = section.members().filter(|(_, value)| matches!(value, MemberValue::Sections(_)));
        let below: Vec<_> = slots.flat_map(|(member, _)| section.sections(member.name())).collect();
        found.extend(below.iter().copied());
        open.extend(below);
    }
    found
}

fn text_of(section: SectionRef<'_>, key: &str) -> Option<String> {
    section.text(key).map(str::to_owned)
}

/// For a run that does not adopt: the server's configuration, where it has the manager's section in it and the manager has
/// no configuration of its own; and the server's log.
///
/// # Errors
/// What cannot be read.
pub fn runner_left_in_server(
    tree: &SafeTree,
    home: &Home,
) -> Result<Option<(String, Option<String>)>, Error> {
    if included::text(tree, &home.join(MANAGER))?.is_some_and(|text| !text.bytes.trim_ascii().is_empty()) {
        return Ok(None);
    }
    let text = included::text(tree, &home.join(SERVER))?;
    let text = text.and_then(|text| String::from_utf8(text.bytes).ok()).filter(|text| has_runner(text));
    let Some(text) = text else { return Ok(None) };
    let log = included::survey(tree, home)?.and_then(|(values, _)| server_log(&values));
    Ok(Some((text, log)))
}
