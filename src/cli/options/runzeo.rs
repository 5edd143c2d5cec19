//! The options of `runzeo`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, Parser, ValueHint};

use super::getopt::{Outcome, UsageError, each, generated, once, parse};
use crate::cli::file_page::FilePage;
use crate::cli::manual::{Generate, Program, Section};
use crate::config::{self, schema, server};

/// `runzeo`, as its help describes it.
pub const PROGRAM: Program = Program {
    name: "runzeo",
    command: Line::command,
    sections,
    actions: Vec::new,
    alias: None,
    file: Some(&FILE),
};

static FILE: FilePage = FilePage {
    name: "zeo.conf",
    about: "configuration of the ZEO server runzeo",
    synopsis: &["HOME/etc/zeo.conf", "runzeo -C zeo.conf"],
    description: &[
        "The file says where runzeo(1) listens, which storages it serves, and where its log goes: one `<zeo>`, a section for \
         each storage, and `<eventlog>`. Without that the log goes to the standard error. It is the file of Python's runzeo.",
        "The sections `<runner>` and `<environment>` of zeoctl.conf(5) may stand in the same file.",
        "Blobs (`blob-dir`) and storages other than the ones below are not served yet: a file that asks for them is refused, \
         with what to do.",
    ],
    schema: &schema::SERVER,
    without: &[
        "runner",
        "logger",
        "environment",
        "demostorage",
        "blobstorage",
        "zeoclient",
        "fullstorage",
        "minimalstorage",
        "win32-eventlog",
        "http-logger",
        "email-notifier",
    ],
    example: &[
        "<zeo>",
        "  address 127.0.0.1:9999",
        "</zeo>",
        "<filestorage 1>",
        "  path /srv/zeo/var/Data.fs",
        "</filestorage>",
        "<eventlog>",
        "  <logfile>",
        "    path /srv/zeo/log/zeo.log",
        "  </logfile>",
        "</eventlog>",
    ],
    see_also: &[
        ("runzeo(1)", "The server"),
        ("zeoctl.conf(5)", "What keeps it running"),
        ("mkzeoinst(1)", "Make both files"),
    ],
};

/// What was typed for `runzeo`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerTyped {
    /// The options.
    pub flags: server::Flags,
    /// `--check-config`: look at the configuration and at what it names, and serve nothing.
    pub check_config: bool,
    /// `--check`: read the data files too.
    pub check: bool,
    /// `--test`: do all but serve.
    pub test: bool,
}

/// Reads the command line of `runzeo`; `arguments` begin after the program's name.
///
/// # Errors
/// A text to print instead, or what is wrong.
pub fn runzeo(arguments: &[OsString]) -> Result<ServerTyped, Outcome> {
    let line: Line = parse(&PROGRAM, arguments)?;
    if let Some(kind) = line.generate.kind {
        return Err(generated(&PROGRAM, kind));
    }
    let flags = line.flags().map_err(Outcome::Usage)?;
    Ok(ServerTyped { flags, check_config: line.check_config > 0, check: line.check > 0, test: line.test > 0 })
}

/// Serve ZODB's data files to the clients of ZEO
///
/// runzeo opens data files as ZODB's storages write them, and serves them to Zope, Plone and any other client of ZEO, by its
/// network protocol 5. It stays in the foreground until it is stopped; zdrun or systemd keeps it
/// running.
///
/// An option given several times must say the same each time, but for -a, -f and -X.
#[derive(Debug, Parser)]
#[command(
    name = "runzeo",
    version,
    infer_long_args = true,
    override_usage = "runzeo [OPTIONS] -C FILE\n       runzeo [OPTIONS] -a ADDRESS -f FILE\n       runzeo --generate KIND"
)]
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
    /// Others wait for it meanwhile. Without it, or with 0, a client may hold the lock as long as it is connected.
    #[arg(short = 't', long, value_name = "SECONDS", allow_hyphen_values = true)]
    timeout: Vec<OsString>,
    /// File for the number of the process while it runs
    ///
    /// A read-only server writes none. Without it, var/ZEO.pid below the instance home that the environment names, if it does.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    pid_file: Vec<OsString>,
    /// Set a key of the configuration file: section/key=value
    ///
    /// As if it stood in the file: -X zeo/read-only=true. May be given several times, and needs -C.
    #[arg(short = 'X', value_name = "SETTING", allow_hyphen_values = true)]
    overrides: Vec<OsString>,
    /// Check the configuration and the data files, and serve nothing
    ///
    /// Reads the data files from end to end, which takes minutes for large ones. Nothing is changed, and a server may have
    /// the files in use meanwhile. Exit status 0, 2 for the configuration, or 1 for the data.
    #[arg(long, action = ArgAction::Count)]
    check: u8,
    /// Check the configuration only, and serve nothing
    ///
    /// Looks whether the files that it names can be opened or made, without reading the data: quick enough to be run before
    /// each restart. Nothing is changed. Exit status 0, 2 for the configuration, or 1 for what it names.
    #[arg(long, action = ArgAction::Count)]
    check_config: u8,
    /// Start, and end at once
    ///
    /// Takes the addresses and opens the storages, and says so on the standard output.
    #[arg(long, action = ArgAction::Count)]
    test: u8,
    #[command(flatten)]
    generate: Generate,
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
            files: each("-f", &self.filename, config::path)?,
            timeout: once("-t", &self.timeout, config::timeout)?,
            pid_file: once("--pid-file", &self.pid_file, config::existing_dirpath)?,
        })
    }
}

fn sections() -> Vec<Section> {
    vec![
        Section::new(
            "Exit status",
            &[
                ("0", "It was stopped; a check found nothing wrong"),
                ("1", "It cannot serve, or was ended by SIGHUP; a check found fault with the files"),
                ("2", "The command line or the configuration is wrong"),
            ],
        ),
        Section::new(
            "Files",
            &[
                ("Data.fs", "The data file, in ZODB's format FS30"),
                ("Data.fs.index", "Where each object is; made anew when it is missing or old"),
                ("Data.fs.lock", "Locked while a server has the data file open"),
                ("Data.fs.tr0", "What was cut off from a damaged end"),
            ],
        ),
        Section::new(
            "Signals",
            &[
                ("SIGTERM", "End in order: replies are sent, indexes saved"),
                ("SIGINT", "End in order: replies are sent, indexes saved"),
                ("SIGHUP", "End in order with status 1, after which zdrun starts it again"),
                ("SIGUSR2", "Open the log files anew, for rotation, and read the certificates again"),
                ("SIGKILL", "Every commit that was acknowledged is there at the next start"),
            ],
        ),
        Section::new(
            "Examples",
            &[
                ("runzeo -a 9999 -f Data.fs", "Serve one data file"),
                ("runzeo -C zeo.conf", "Serve what the file names"),
                ("runzeo -C zeo.conf --check-config", "See whether it can, before a restart"),
            ],
        ),
        Section::new(
            "See also",
            &[
                ("zeo.conf(5)", "The configuration file"),
                ("zdctl(1)", "Control a server"),
                ("zdrun(1)", "Keep it running"),
            ],
        ),
    ]
}
