//! The daemon manager's settings as plain values.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::eventlog;

/// What was typed on the command line of `zdctl` or `zdrun`; `None` and `false` mean "not typed".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-C`: the configuration file.
    pub configure: Option<PathBuf>,
    /// `-X section/key=value`, in order.
    pub overrides: Vec<String>,
    /// `-p`, or the positional words of `zdrun`: the program and its arguments.
    pub program: Option<Vec<OsString>>,
    /// `-b`, seconds.
    pub backoff_limit: Option<u32>,
    /// `-d` (`Some(true)`) or `--no-daemon` (`Some(false)`).
    pub daemon: Option<bool>,
    /// `-f`.
    pub forever: bool,
    /// `-i`.
    pub interactive: bool,
    /// `-l`.
    pub logfile: Option<PathBuf>,
    /// `-m`, already parsed as octal.
    pub umask: Option<u32>,
    /// `-s`.
    pub socket_name: Option<PathBuf>,
    /// `-t`.
    pub transcript: Option<PathBuf>,
    /// `-T`, seconds.
    pub start_timeout: Option<u32>,
    /// `-u`.
    pub user: Option<String>,
    /// `-x`.
    pub exit_codes: Option<Vec<i32>>,
    /// `-z`.
    pub directory: Option<PathBuf>,
}

/// Everything that `zdctl` and `zdrun` need to know, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The file that was read, as named by the person.
    pub config_file: Option<PathBuf>,
    /// The `<runner>` section under the command line.
    pub runner: Runner,
    /// The `<environment>` section: set for the program, which is looked for along its PATH.
    pub environment: Vec<(String, String)>,
    /// `<eventlog>`, the one inside `<runner>` first; absent: none was configured.
    pub event_log: Option<eventlog::Settings>,
}

/// The `<runner>` section (ZCONFIG section 10 has the keys; defaults are those, but `daemon` is off as in the
/// founding document).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the section")]
pub struct Runner {
    /// The program and its arguments; empty only where none was named at all.
    pub program: Vec<OsString>,
    /// Interpreter for a `zdrun` whose name ends in `.py`.
    pub python: Option<PathBuf>,
    /// The daemon manager to start; absent: ours.
    pub zdrun: Option<PathBuf>,
    /// The control socket; default `zdsock`, relative to the working directory.
    pub socket_name: PathBuf,
    /// Detach from the terminal; default false.
    pub daemon: bool,
    /// Working directory of the program in daemon mode.
    pub directory: Option<PathBuf>,
    /// Longest delay between restarts, and how long a program must stay up to count as well; default 10 s.
    pub backoff_limit: Duration,
    /// Never give up restarting; default false.
    pub forever: bool,
    /// Exit statuses of the program that end the manager; default 0 and 2.
    pub exit_codes: Vec<i32>,
    /// Command that checks the program's own configuration, before the program is stopped for another.
    pub check_program: Vec<OsString>,
    /// Command that must succeed before a start counts as done.
    pub start_test_program: Vec<OsString>,
    /// How long `start` waits for that; default 300 s.
    pub start_timeout: Duration,
    /// How long a program must live before its start counts; default 1 s.
    pub start_grace: Duration,
    /// The program says itself when it is ready (`sd_notify(3)`), and its start counts only then; default false.
    pub notify: bool,
    /// A stop is meant for the program's whole process group, not for the program alone; default true.
    pub stop_group: bool,
    /// What asks the program to end; default SIGTERM.
    pub stop_signal: i32,
    /// Where the program's process number is written; default nowhere.
    pub pid_file: Option<PathBuf>,
    /// Where the manager's is; default nowhere.
    pub manager_pid_file: Option<PathBuf>,
    /// From that signal to SIGKILL; default 300 s; zero: never.
    pub stop_timeout: Duration,
    /// User name or number to become.
    pub user: Option<String>,
    /// File mode mask in daemon mode; default 022.
    pub umask: u32,
    /// The manager stays when the program was stopped; default false.
    pub hang_around: bool,
    /// No action on the command line starts the shell; default true.
    pub default_to_interactive: bool,
    /// What `logtail` shows.
    pub logfile: Option<PathBuf>,
    /// Where the program's output goes in daemon mode; default `/dev/null`.
    pub transcript: Option<PathBuf>,
    /// The shell's prompt; default `zdctl>`.
    pub prompt: String,
    /// The keys of the shell's editor; default those of Emacs.
    pub editing_mode: EditingMode,
    /// The shell keeps its commands for the next one; default true.
    pub history: bool,
}

/// Whose keys edit a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditingMode {
    /// Those of Emacs.
    Emacs,
    /// Those of vi.
    Vi,
}

impl EditingMode {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Emacs => "emacs",
            Self::Vi => "vi",
        }
    }

    /// The mode with this name, in lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Emacs, Self::Vi].into_iter().find(|mode| mode.name() == name)
    }
}

impl Runner {
    /// The files that say more about a program that did not come up: those of `logfile` and `transcript` that have
    /// anything in them.
    #[must_use]
    pub fn logs(&self) -> Vec<PathBuf> {
        let directory = self.directory.as_deref().filter(|_| self.daemon).unwrap_or(Path::new(""));
        let transcript = self.transcript.as_ref().map(|path| directory.join(path));
        let has_text = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0);
        self.logfile.clone().into_iter().chain(transcript).filter(has_text).collect()
    }
}
