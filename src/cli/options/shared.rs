//! The options that `zdctl` and `zdrun` share.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueHint};

use super::getopt::{UsageError, each, once};
use crate::config::{self, Flags};

/// Every value is kept as it was typed, each time it was typed.
#[derive(Debug, Args)]
pub(super) struct Shared {
    /// Longest delay between restarts [default: 10]
    ///
    /// A program that does not last is started again after 1 second, then 2, and so on. Where the delay comes to this, the
    /// manager gives up, unless -f is given.
    #[arg(short = 'b', long, value_name = "SECONDS", allow_hyphen_values = true)]
    backoff_limit: Vec<OsString>,
    /// Configuration file
    ///
    /// In the language of ZConfig, or in TOML if its name ends in .toml. Options take precedence over it.
    #[arg(short = 'C', long, alias = "configuration", value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    configure: Vec<OsString>,
    /// Detach from the terminal
    ///
    /// The program's input is then /dev/null, and its output goes to the transcript. The command returns when the program is
    /// up.
    #[arg(short = 'd', long, action = ArgAction::Count)]
    daemon: u8,
    /// Stay on the terminal, whatever the configuration file says
    #[arg(long, action = ArgAction::Count)]
    no_daemon: u8,
    /// Never give up restarting
    #[arg(short = 'f', long, action = ArgAction::Count)]
    forever: u8,
    /// File mode mask of the program in daemon mode, octal [default: 022]
    #[arg(short = 'm', long, value_name = "MASK", allow_hyphen_values = true)]
    umask: Vec<OsString>,
    /// Control socket [default: zdsock]
    ///
    /// A Unix socket, through which zdctl and zdrun talk. A start makes its directory, one level, where it is missing.
    #[arg(short = 's', long, value_name = "PATH", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    socket_name: Vec<OsString>,
    /// Accepted for the sake of old scripts, and ignored
    #[arg(short = 'S', long, value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    pub(super) schema: Vec<OsString>,
    /// File for the program's output in daemon mode [default: /dev/null]
    #[arg(short = 't', long, value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    transcript: Vec<OsString>,
    /// User to run as, name or number
    ///
    /// Only root can become another user. The program has all groups of the user.
    #[arg(short = 'u', long, value_name = "USER", allow_hyphen_values = true, value_hint = ValueHint::Username)]
    user: Vec<OsString>,
    /// Exit statuses of the program after which it is not restarted, separated by commas [default: 0,2]
    #[arg(short = 'x', long, value_name = "LIST", allow_hyphen_values = true)]
    exit_codes: Vec<OsString>,
    /// Set a key of the configuration file: section/key=value
    ///
    /// As if it stood in the file: -X runner/backoff-limit=20. May be given several times, and needs -C.
    #[arg(short = 'X', value_name = "SETTING", allow_hyphen_values = true)]
    overrides: Vec<OsString>,
    /// Working directory of the program in daemon mode
    ///
    /// It must be there. Without it, the program has the directory in which the manager was started.
    #[arg(short = 'z', long, value_name = "DIRECTORY", allow_hyphen_values = true, value_hint = ValueHint::DirPath)]
    directory: Vec<OsString>,
}

impl Shared {
    pub(super) fn flags(&self) -> Result<Flags, UsageError> {
        if !self.overrides.is_empty() && self.configure.is_empty() {
            return Err(UsageError::OverridesWithoutFile);
        }
        if self.daemon > 0 && self.no_daemon > 0 {
            return Err(UsageError::Conflict("-d"));
        }
        let daemon = (self.daemon > 0).then_some(true).or((self.no_daemon > 0).then_some(false));
        Ok(Flags {
            configure: once("-C", &self.configure, |file| Ok(PathBuf::from(file)))?,
            overrides: each("-X", &self.overrides, config::text)?,
            backoff_limit: once("-b", &self.backoff_limit, config::seconds)?,
            daemon,
            forever: self.forever > 0,
            umask: once("-m", &self.umask, config::mask)?,
            socket_name: once("-s", &self.socket_name, config::socket_name)?,
            transcript: once("-t", &self.transcript, config::existing_dirpath)?,
            user: once("-u", &self.user, config::text)?,
            exit_codes: once("-x", &self.exit_codes, config::exit_codes)?,
            directory: once("-z", &self.directory, config::directory)?,
            ..Flags::default()
        })
    }
}
