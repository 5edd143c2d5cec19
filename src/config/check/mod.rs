//! Checks whether a start with this configuration can work.
//!
//! Beyond the faults of the file itself, a check looks at what it names: the program, the user, the directories, the
//! socket, the logs, with the rights of the user that the program will run as. It changes and creates nothing, and reports
//! everything that it finds, each with its place. A start can still fail, since other processes may change things after
//! the check.

mod file;
mod program;

pub use file::{appendable, left_by_another, lost_when_detached};

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::log::handlers;
use super::resolve::{Reading, read};
use super::{Errors, Flags, Settings, format, log};
use crate::eventlog::{self, Target};
use crate::repr::repr;
use crate::sys::access;
use crate::sys::system_error::os_error_text;
use crate::sys::user::{self, Account};
use crate::zconfig::{Environment, ErrorKind, Location, Problem, SectionRef, Tree};

/// What the programs say of a configuration without fault.
pub const CHECK_PASSED: &str = "configuration OK";

/// The settings, after everything was looked for that is wrong with the configuration, and with what it names.
///
/// # Errors
/// The faults of the file, as in [`resolve`](super::resolve()), and what was found beyond it, by place. A setting that is
/// at fault in itself is not looked at further.
pub fn check(flags: &Flags) -> Result<Settings, Errors> {
    check_in(flags, &Environment::process())
}

/// The same, in given surroundings.
pub fn check_in(flags: &Flags, environment: &Environment) -> Result<Settings, Errors> {
    let Reading { settings, tree, mut faults } = read(flags, environment);
    let reported: HashSet<Location> = faults.list().iter().map(|problem| problem.at.clone()).collect();
    let found = Check::new(flags, &settings, &tree, environment).all();
    let new = |problem: &Problem| problem.at.line().is_none() || !reported.contains(&problem.at);
    found.into_iter().filter(new).for_each(|problem| faults.add(problem));
    faults.sort_by_place();
    if faults.is_none() { Ok(settings) } else { Err(faults) }
}

/// As [`resolve`](super::resolve()), for what starts the program or shows how: a `user` of the file that the system does not
/// know is one of the faults.
///
/// # Errors
/// All faults of the file and of those that it includes.
pub fn resolve_with_user(flags: &Flags) -> Result<Settings, Errors> {
    let environment = Environment::process();
    let Reading { settings, tree, mut faults } = read(flags, &environment);
    if flags.user.is_none()
        && let Some(name) = &settings.runner.user
        && let Err(fault) = known_account(name)
    {
        if let Some((what, at)) = Check::new(flags, &settings, &tree, &environment).found("user", Err(fault))
        {
            faults.add(Problem::new(ErrorKind::Other(what), at));
        }
        faults.sort_by_place();
    }
    if faults.is_none() { Ok(settings) } else { Err(faults) }
}

/// The account of a user; or that there is none.
fn known_account(name: &str) -> Result<Account, String> {
    match user::lookup(name) {
        Ok(Some(account)) => Ok(account),
        Ok(None) => {
            let what = if user::is_number(name) { "uid" } else { "username" };
            Err(format!("{what} {} not found", repr(name)))
        }
        Err(error) => Err(format!("cannot look up user '{name}': {}", os_error_text(&error))),
    }
}

/// What is wrong, and where it was configured.
type Finding = (String, Location);

/// A check in progress.
struct Check<'a> {
    flags: &'a Flags,
    settings: &'a Settings,
    tree: &'a Tree,
    runner: Option<SectionRef<'a>>,
    environment: &'a Environment,
}

impl<'a> Check<'a> {
    fn new(flags: &'a Flags, settings: &'a Settings, tree: &'a Tree, environment: &'a Environment) -> Self {
        let runner = tree.root().and_then(|root| root.section("runner"));
        Self { flags, settings, tree, runner, environment }
    }

    fn all(&self) -> Vec<Problem> {
        let mut found = self.before_the_change();
        let account = self.account().unwrap_or_else(|fault| {
            found.extend(self.found("user", Err(fault)));
            None
        });
        let Some(account) = account.filter(|account| account.uid != user::own_uid()) else {
            found.extend(self.after_the_change());
            return problems(found, "");
        };
        let suffix = format!(" (as user '{}')", account.name);
        let seen = access::as_account(&account, || self.after_the_change()).unwrap_or_else(|source| {
            let fault = format!("cannot become user '{}': {}", account.name, os_error_text(&source));
            self.found("user", Err(fault)).into_iter().collect()
        });
        let mut all = problems(found, "");
        all.extend(problems(seen, &suffix));
        all
    }

    /// What the manager does before it becomes another user.
    fn before_the_change(&self) -> Vec<Finding> {
        let runner = &self.settings.runner;
        let directory =
            runner.directory.as_ref().map_or(Ok(()), |path| file::directory(&self.environment.place(path)));
        let manager = program::manager(runner, &self.search());
        let socket = file::socket_directory(&self.absolute(&runner.socket_name));
        let found = [
            self.found("directory", directory),
            self.found("zdrun", manager),
            self.found("socket-name", socket),
        ];
        found.into_iter().flatten().collect()
    }

    /// The user that the program will run as, where one is configured.
    fn account(&self) -> Result<Option<Account>, String> {
        let Some(name) = &self.settings.runner.user else { return Ok(None) };
        let account = known_account(name)?;
        let own = user::own_uid();
        if own == 0 || account.uid == own {
            return Ok(Some(account));
        }
        Err(match self.flags.user {
            Some(_) => "only root can use -u USER to change users".to_owned(),
            None => {
                format!("only root can start a program as user '{name}'; become that user, or root")
            }
        })
    }

    /// What the program and the manager do after they have changed the user.
    fn after_the_change(&self) -> Vec<Finding> {
        let runner = &self.settings.runner;
        let search = self.search();
        let program = program::find(&runner.program, &search);
        let find = |words: &[OsString]| if words.is_empty() { Ok(()) } else { program::find(words, &search) };
        let socket = file::socket(&self.absolute(&runner.socket_name));
        let transcript = runner.transcript.as_ref().map_or(Ok(()), |path| {
            let path = self.output(path);
            let lost = file::lost_when_detached(&path).filter(|_| runner.daemon);
            lost.map_or_else(|| file::appendable(&path), Err)
        });
        let pid_file = |path: &Option<PathBuf>| {
            path.as_ref().map_or(Ok(()), |path| file::replaceable(&self.absolute(path)))
        };
        let mut found: Vec<Finding> = [
            self.found("program", program),
            self.found("check-program", find(&runner.check_program)),
            self.found("start-test-program", find(&runner.start_test_program)),
            self.found("socket-name", socket),
            self.found("transcript", transcript),
            self.found("pid-file", pid_file(&runner.pid_file)),
            self.found("manager-pid-file", pid_file(&runner.manager_pid_file)),
        ]
        .into_iter()
        .flatten()
        .collect();
        found.extend(handlers(self.tree).filter_map(|handler| self.handler(handler)));
        found
    }

    /// Checks that the log of a handler can be opened.
    fn handler(&self, handler: SectionRef<'_>) -> Option<Finding> {
        let layout = format::layout(handler);
        let at = |key: &str| {
            let entry = handler.entry(key).and_then(|entry| entry.at.clone());
            entry.unwrap_or_else(|| handler.at().clone())
        };
        // An invalid format is a fault of the file, reported before.
        if layout.check().is_ok() && !layout.has_field() {
            let format = layout.format.escape_debug().to_string();
            return Some((eventlog::Error::NoField { format }.to_string(), at("format")));
        }
        let Some(Target::File(log)) = log::target(handler) else { return None };
        if let Err(error) = log.check() {
            let key = if matches!(error, eventlog::Error::Encoding { .. }) { "encoding" } else { "when" };
            return Some((error.to_string(), at(key)));
        }
        // A missing path is a fault of the file, reported before.
        handler.entry("path")?;
        let writable = file::appendable(&self.environment.place(&log.path));
        writable.err().map(|fault| (format!("path: {fault}"), at("path")))
    }

    /// The transcript is meant from the directory that a detached manager has entered.
    fn output(&self, transcript: &Path) -> PathBuf {
        let directory = self.settings.runner.directory.as_ref().filter(|_| self.settings.runner.daemon);
        self.environment.place(&directory.map_or_else(|| transcript.to_owned(), |path| path.join(transcript)))
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        self.environment.directory().map_or_else(|| path.to_owned(), |directory| directory.join(path))
    }

    /// Where programs are looked for: along the PATH of `<environment>`.
    fn search(&self) -> program::Search<'a> {
        let own = self.settings.environment.iter().find(|(name, _)| name == "PATH");
        let path = own.map(|(_, path)| path.into()).or_else(|| self.environment.variable("PATH"));
        program::Search { path: path.unwrap_or_default(), environment: self.environment }
    }

    fn found(&self, key: &str, outcome: Result<(), String>) -> Option<Finding> {
        let fault = outcome.err()?;
        Some((format!("{key}: {fault}"), self.place(key)?))
    }

    /// Where a setting was made; `None`: its value in the file is a fault, reported before.
    fn place(&self, key: &str) -> Option<Location> {
        match self.runner {
            _ if typed(self.flags).contains(&key) => Some(Location::CommandLine),
            // The section itself is missing, which was reported before.
            None if self.flags.configure.is_some() && self.flags.program.is_none() => None,
            None => Some(self.tree.root().map_or(Location::CommandLine, |root| root.at().clone())),
            Some(runner) => {
                let entry = runner.entry(key)?;
                Some(entry.at.as_ref().unwrap_or(runner.at()).clone())
            }
        }
    }
}

/// The keys that options stand for, of the options that were typed.
fn typed(flags: &Flags) -> Vec<&'static str> {
    let options = [
        ("program", flags.program.is_some()),
        ("backoff-limit", flags.backoff_limit.is_some()),
        ("daemon", flags.daemon.is_some()),
        ("forever", flags.forever),
        ("logfile", flags.logfile.is_some()),
        ("umask", flags.umask.is_some()),
        ("socket-name", flags.socket_name.is_some()),
        ("transcript", flags.transcript.is_some()),
        ("start-timeout", flags.start_timeout.is_some()),
        ("user", flags.user.is_some()),
        ("exit-codes", flags.exit_codes.is_some()),
        ("directory", flags.directory.is_some()),
    ];
    options.into_iter().filter(|(_, typed)| *typed).map(|(key, _)| key).collect()
}

fn problems(found: Vec<Finding>, suffix: &str) -> Vec<Problem> {
    let problem = |(what, at)| Problem::new(ErrorKind::Other(format!("{what}{suffix}")), at);
    found.into_iter().map(problem).collect()
}

#[cfg(test)]
mod tests;
