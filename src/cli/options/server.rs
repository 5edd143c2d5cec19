//! The options of `runzeo`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Command, CommandFactory, Parser, ValueHint};

use super::told::WIDTH;
use super::{Outcome, UsageError, each, once, parse};
use crate::config::{self, server};

/// What was typed for `runzeo`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerTyped {
    /// The options.
    pub flags: server::Flags,
    /// `--check`: look at the configuration and the data files, and serve nothing.
    pub check: bool,
    /// `--test`: do all but serve.
    pub test: bool,
}

/// Reads the command line of `runzeo`; `arguments` begin after the program's name.
///
/// # Errors
/// A text to print instead, or what is wrong.
pub fn runzeo(arguments: &[OsString]) -> Result<ServerTyped, Outcome> {
    let line: Line = parse(runzeo_command, arguments)?;
    let flags = line.flags().map_err(Outcome::Usage)?;
    Ok(ServerTyped { flags, check: line.check > 0, test: line.test > 0 })
}

/// The options of `runzeo` as they are told of.
#[must_use]
pub fn runzeo_command() -> Command {
    let long = "Exit status: 0 it was told to end; 1 it cannot serve, or was told to end by SIGHUP; 2 wrong command line\n\
                or configuration.";
    Line::command().max_term_width(WIDTH).after_long_help(long)
}

/// Serve ZODB's data files to the clients of ZEO
#[derive(Debug, Parser)]
#[command(name = "runzeo", version, infer_long_args = true)]
struct Line {
    /// Where to listen: PORT, HOST:PORT, [IPV6]:PORT, or the path of a local socket
    ///
    /// A path has a slash in it. A port alone is that port of all addresses of this machine. May be given several times, and
    /// then stands for all addresses of the file.
    #[arg(short = 'a', long, value_name = "ADDRESS", allow_hyphen_values = true)]
    address: Vec<OsString>,
    /// Configuration file
    ///
    /// In the language of ZConfig, or in TOML if its name ends in .toml. Options take precedence over it.
    #[arg(short = 'C', long, alias = "configuration", value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    configure: Vec<OsString>,
    /// Data file
    ///
    /// It is made if it is not there. May be given several times, and then stands for all storages of the file: they are
    /// called 1, 2, and so on.
    #[arg(short = 'f', long, value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    filename: Vec<OsString>,
    /// Drop a client that holds the commit lock for longer
    ///
    /// Others wait for it meanwhile. Without it a client may hold the lock as long as it is connected.
    #[arg(short = 't', long, value_name = "SECONDS", allow_hyphen_values = true)]
    timeout: Vec<OsString>,
    /// File for the number of the process while it runs
    ///
    /// A read-only server writes none. Without it, var/ZEO.pid below the instance home that the
    /// environment names, if it does.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    pid_file: Vec<OsString>,
    /// Set a key of the configuration file: section/key=value
    ///
    /// As if it stood in the file: -X zeo/read-only=true. May be given several times, and needs -C.
    #[arg(short = 'X', value_name = "SETTING", allow_hyphen_values = true)]
    overrides: Vec<OsString>,
    /// Check the configuration, read the data files from end to end, and serve nothing
    ///
    /// Nothing is changed, and a server may have the files in use meanwhile. Exit status 0, 2 for the configuration, or 1 for
    /// the data.
    #[arg(long, action = ArgAction::Count)]
    check: u8,
    /// Start, and end at once
    ///
    /// Takes the addresses and opens the storages, and says so on the standard output.
    #[arg(long, action = ArgAction::Count)]
    test: u8,
}

impl Line {
    fn flags(&self) -> Result<server::Flags, UsageError> {
        if !self.overrides.is_empty() && self.configure.is_empty() {
            return Err(UsageError::OverridesWithoutFile);
        }
        Ok(server::Flags {
            configure: once("-C", &self.configure, |file| Ok(PathBuf::from(file)))?,
            overrides: each("-X", &self.overrides, config::text)?,
            addresses: each("-a", &self.address, config::listen_address)?,
            files: each("-f", &self.filename, config::existing_dirpath)?,
            timeout: once("-t", &self.timeout, config::timeout)?,
            pid_file: once("--pid-file", &self.pid_file, config::existing_dirpath)?,
        })
    }
}
