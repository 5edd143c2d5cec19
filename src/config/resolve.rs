//! Command line over file over default: the one place where [`Flags`] become [`Settings`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::log::{self, event_log, handlers, log_section};
use super::option_values::{exit_codes_of, mask_of, seconds_of};
use super::runner::{EditingMode, Flags, Runner, Settings};
use super::{Errors, range, schema, toml_form};
use crate::sys::signals::number;
use crate::zconfig::{
    self, Entry, Environment, ErrorKind, Limits, Location, Problem, SectionRef, Tree, Value,
};

/// What `zdctl` and `zdrun` need to know: the command line, under it the file that it names, under that the defaults.
///
/// Fails with all faults of the file and of those that it includes.
pub fn resolve(flags: &Flags) -> Result<Settings, Errors> {
    resolve_in(flags, &Environment::process())
}

/// The same, in given surroundings.
pub fn resolve_in(flags: &Flags, environment: &Environment) -> Result<Settings, Errors> {
    let Reading { settings, faults, .. } = read(flags, environment);
    if faults.is_none() { Ok(settings) } else { Err(faults) }
}

/// What an action on a running manager needs: where its socket is. Returned beside the settings are the faults that do not
/// matter to that; what they are about has its default.
///
/// # Errors
/// All faults, if one of them is of the command line, or leaves it uncertain where the socket is.
pub fn resolve_socket(flags: &Flags) -> Result<(Settings, Errors), Errors> {
    let reading = read(flags, &Environment::process());
    if reading.is_socket_certain(flags) {
        Ok((reading.settings, reading.faults))
    } else {
        Err(reading.faults)
    }
}

/// The settings as far as they could be read, for what needs none for certain.
#[must_use]
pub fn resolve_lossy(flags: &Flags) -> Settings {
    read(flags, &Environment::process()).settings
}

/// A configuration as far as it could be read.
pub(super) struct Reading {
    /// Where a value is at fault, its default.
    pub(super) settings: Settings,
    /// What the file says; without a file, nothing.
    pub(super) tree: Tree,
    /// What is wrong with it.
    pub(super) faults: Errors,
}

impl Reading {
    /// Whether the manager's socket is where the settings have it, whatever else is at fault.
    fn is_socket_certain(&self, flags: &Flags) -> bool {
        const KEY: &str = "socket-name";
        let of_command_line = |fault: &Problem| {
            matches!(fault.at, Location::CommandLine | Location::Override(_))
                || matches!(fault.kind, ErrorKind::OverridesLeft { .. })
                || matches!((&fault.kind, &fault.at), (ErrorKind::Unreadable { .. }, Location::File(_)))
        };
        if self.faults.list().iter().any(of_command_line) {
            return false;
        }
        if flags.socket_name.is_some() || self.faults.is_none() {
            return true;
        }
        let entry =
            self.tree.root().and_then(|root| root.section("runner")).and_then(|runner| runner.entry(KEY));
        let Some(entry) = entry else { return false };
        // The default stands only where no line of the file can be one that says otherwise.
        let leaves_default = |kind: &ErrorKind| match kind {
            ErrorKind::UnknownKey { hint, .. } => !hint.contains(KEY),
            ErrorKind::Value { .. }
            | ErrorKind::Section { .. }
            | ErrorKind::UnknownType { .. }
            | ErrorKind::UnknownComponent { .. }
            | ErrorKind::Misplaced { .. }
            | ErrorKind::MissingKey { .. }
            | ErrorKind::MissingSection { .. }
            | ErrorKind::Other(_) => true,
            _ => false,
        };
        let leaves_socket = |kind: &ErrorKind| match kind {
            ErrorKind::KeyTwice { key, .. } => key != KEY,
            ErrorKind::TooMany { kind } => kind != "runner",
            kind => entry.at.is_some() || leaves_default(kind),
        };
        self.faults.more() == 0 && self.faults.list().iter().all(|fault| leaves_socket(&fault.kind))
    }
}

/// Reads the file that the command line names, if it does, and puts everything together.
pub(super) fn read(flags: &Flags, environment: &Environment) -> Reading {
    let Some(file) = &flags.configure else {
        let mut faults = Errors::default();
        if !flags.overrides.is_empty() {
            let what = "configuration overrides (-X) cannot be used without a configuration file";
            faults.add(Problem::new(ErrorKind::Other(what.to_owned()), Location::CommandLine));
        }
        return Reading { settings: settings(flags, &Tree::default()), tree: Tree::default(), faults };
    };
    // The command line names the program: the file need not.
    let exempt = if flags.program.is_some() { &["program", "runner"][..] } else { &[] };
    let (tree, mut faults) = if toml_form::is_toml(file) {
        toml_form::load_lossy(&schema::DAEMON, file, &flags.overrides, exempt, environment)
    } else {
        zconfig::load_lossy(&schema::DAEMON, file, &flags.overrides, exempt, environment, Limits::default())
    };
    let sections = tree.root().into_iter().filter_map(|root| root.section("runner")).chain(handlers(&tree));
    faults.extend(range::check(sections));
    log::check(handlers(&tree), &mut faults);
    Reading { settings: settings(flags, &tree), tree, faults }
}

fn settings(flags: &Flags, tree: &Tree) -> Settings {
    let root = tree.root();
    let environment = root.and_then(|root| root.section("environment"));
    Settings {
        config_file: flags.configure.clone(),
        runner: runner(flags, root.and_then(|root| root.section("runner"))),
        environment: environment.map(variables).unwrap_or_default(),
        event_log: log_section(tree).map(event_log),
    }
}

fn variables(section: SectionRef<'_>) -> Vec<(String, String)> {
    let text = |entry: &Entry| entry.value.as_text().unwrap_or_default().to_owned();
    section.map("mapping").iter().map(|(name, entry)| (name.clone(), text(entry))).collect()
}

/// The runner's settings; without a section, the schema's defaults.
fn runner(flags: &Flags, section: Option<SectionRef<'_>>) -> Runner {
    let file = File { section };
    Runner {
        program: flags.program.clone().unwrap_or_else(|| file.words("program")),
        python: file.path("python"),
        zdrun: file.path("zdrun"),
        socket_name: flags
            .socket_name
            .clone()
            .or_else(|| file.path("socket-name"))
            .unwrap_or_else(|| PathBuf::from("zdsock")),
        daemon: flags.daemon.unwrap_or_else(|| file.boolean("daemon", false)),
        directory: flags.directory.clone().or_else(|| file.path("directory")),
        backoff_limit: seconds(flags.backoff_limit.or_else(|| file.number("backoff-limit")).unwrap_or(10)),
        forever: flags.forever || file.boolean("forever", false),
        exit_codes: flags
            .exit_codes
            .clone()
            .or_else(|| file.value("exit-codes").and_then(|value| exit_codes_of(value).ok()))
            .unwrap_or_else(|| vec![0, 2]),
        check_program: file.words("check-program"),
        start_test_program: file.words("start-test-program"),
        start_timeout: seconds(flags.start_timeout.or_else(|| file.number("start-timeout")).unwrap_or(300)),
        start_grace: seconds(file.number("start-grace").unwrap_or(1)),
        stop_group: file.boolean("stop-group", true),
        notify: file.boolean("notify", false),
        stop_timeout: seconds(file.number("stop-timeout").unwrap_or(300)),
        stop_signal: file
            .value("stop-signal")
            .and_then(Value::as_integer)
            .and_then(|signal| i32::try_from(signal).ok())
            .unwrap_or(number::TERM),
        pid_file: file.path("pid-file"),
        manager_pid_file: file.path("manager-pid-file"),
        user: flags.user.clone().or_else(|| file.text("user")),
        umask: flags
            .umask
            .or_else(|| file.value("umask").and_then(|value| mask_of(value).ok()))
            .unwrap_or(0o22),
        hang_around: file.boolean("hang-around", false),
        default_to_interactive: file.boolean("default-to-interactive", true),
        logfile: flags.logfile.clone().or_else(|| file.path("logfile")),
        transcript: flags.transcript.clone().or_else(|| file.path("transcript")),
        prompt: file.text("prompt").unwrap_or_else(|| String::from("zdctl>")),
        editing_mode: file
            .text("editing-mode")
            .and_then(|name| EditingMode::from_name(&name))
            .unwrap_or(EditingMode::Emacs),
        history: file.boolean("history", true),
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(u64::from(number))
}

/// A section that may not be there.
#[derive(Clone, Copy)]
struct File<'a> {
    section: Option<SectionRef<'a>>,
}

impl<'a> File<'a> {
    fn value(self, key: &str) -> Option<&'a Value> {
        self.section?.value(key)
    }

    fn text(self, key: &str) -> Option<String> {
        self.value(key)?.as_text().map(str::to_owned)
    }

    fn path(self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    fn words(self, key: &str) -> Vec<OsString> {
        let words = self.value(key).and_then(Value::as_words).unwrap_or_default();
        words.iter().map(OsString::from).collect()
    }

    fn number(self, key: &str) -> Option<u32> {
        self.value(key).and_then(|value| seconds_of(value).ok())
    }

    fn boolean(self, key: &str, default: bool) -> bool {
        self.value(key).and_then(Value::as_bool).unwrap_or(default)
    }
}

#[cfg(test)]
mod tests;
